package b2bua

import (
	"github.com/emiago/sipgo/sip"

	"tandem/b2bua/dialog"
	"tandem/b2bua/registrar"
)

// KeepAlive sends an OPTIONS to a contact behind a NAT, for a registrar's Ping. Packets from
// inside are what every NAT counts, so the phone is made to send one: its answer.
// Nothing waits for that, and so it costs no transaction.
func KeepAlive(c registrar.Contact) {
	if !c.Flow.Alive() {
		return
	}
	uri := *c.URI.Clone()
	uri.Headers = nil
	us := c.Flow.Advertised()
	here := sip.Uri{Scheme: "sip", Host: hostOf(us.Addr()), Port: int(us.Port())}
	via := &sip.ViaHeader{ProtocolName: "SIP", ProtocolVersion: "2.0", Transport: "UDP", Host: us.Addr().Unmap().String(), Port: here.Port,
		Params: sip.HeaderParams{{K: "branch", V: dialog.NewBranch()}, {K: "rport"}}}
	req := sip.NewRequest(sip.OPTIONS, uri)
	hops, id := sip.MaxForwardsHeader(70), sip.CallIDHeader(dialog.NewCallID())
	req.AppendHeader(via)
	req.AppendHeader(&hops)
	req.AppendHeader(&sip.FromHeader{Address: here, Params: sip.HeaderParams{{K: "tag", V: dialog.NewTag()}}})
	req.AppendHeader(&sip.ToHeader{Address: uri})
	req.AppendHeader(&id)
	req.AppendHeader(&sip.CSeqHeader{SeqNo: 1, MethodName: sip.OPTIONS})
	_ = c.Flow.Send(req) // there is another in half a minute
}
