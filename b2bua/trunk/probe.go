package trunk

import (
	"fmt"

	"github.com/emiago/sipgo/sip"

	"tandem/b2bua/dialog"
	"tandem/b2bua/transport"
)

// probe asks an address how it is by OPTIONS (RFC 3261 §11). Any answer tells that it is
// alive, but for 503, which asks us to go elsewhere.
func (l *line) probe(h Hop) {
	f, err := l.connect(h)
	if err != nil {
		l.failed(h, err.Error())
		return
	}
	began := l.set.o.Clock.Now()
	res, err := l.set.exchange(f, l.options(h, f), min(lookTimeout, l.cfg.Check))
	switch {
	case l.set.ctx.Err() != nil:
	case err != nil:
		l.failed(h, "OPTIONS: "+err.Error())
	case res.StatusCode == sip.StatusServiceUnavailable:
		l.failed(h, fmt.Sprintf("OPTIONS: %d %s", res.StatusCode, res.Reason))
	default:
		l.answered(h)
		l.mu.Lock()
		defer l.mu.Unlock()
		if _, a := l.addr(h); a != nil {
			a.rtt = l.set.o.Clock.Now().Sub(began)
		}
	}
}

// options builds the probe.
func (l *line) options(h Hop, f transport.Flow) *sip.Request {
	from := l.account(h)
	if from.User == "" {
		from = l.contact(f)
		from.UriParams = nil
	}
	req := l.newRequest(sip.OPTIONS, l.request(h, ""), from, l.request(h, ""), dialog.NewTag(), dialog.NewCallID(), 1)
	req.AppendHeader(&sip.ContactHeader{Address: l.contact(f)})
	req.AppendHeader(sip.NewHeader("Accept", "application/sdp"))
	return req
}

// newRequest builds a request outside a dialog (RFC 3261 §8.1.1).
func (l *line) newRequest(method sip.RequestMethod, uri, from, to sip.Uri, tag, callID string, seq uint32) *sip.Request {
	req := sip.NewRequest(method, uri)
	id, hops := sip.CallIDHeader(callID), sip.MaxForwardsHeader(70)
	to.UriParams = nil
	req.AppendHeader(&sip.FromHeader{Address: from, Params: sip.HeaderParams{{K: "tag", V: tag}}})
	req.AppendHeader(&sip.ToHeader{Address: to})
	req.AppendHeader(&id)
	req.AppendHeader(&sip.CSeqHeader{SeqNo: seq, MethodName: method})
	req.AppendHeader(&hops)
	return req
}
