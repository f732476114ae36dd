package registrar

import (
	"net/netip"
	"strings"

	"github.com/emiago/sipgo/sip"

	"tandem/b2bua/transport"
)

// Outbound tells whether a REGISTER asks for outbound support, RFC 5626 §6: an option tag in
// Supported, and a contact with an instance and a reg-id.
func Outbound(req *sip.Request) bool {
	if !supports(req, "outbound") {
		return false
	}
	for _, h := range req.GetHeaders("contact") {
		if c, ok := h.(*sip.ContactHeader); ok {
			_, instance := param(c.Params, "+sip.instance")
			if _, regID := param(c.Params, "reg-id"); instance && regID {
				return true
			}
		}
	}
	return false
}

// SupportsPath tells whether the phone knows RFC 3327.
func SupportsPath(req *sip.Request) bool { return supports(req, "path") }

func supports(req *sip.Request, tag string) bool {
	for _, h := range req.GetHeaders("supported") {
		for item := range strings.SplitSeq(h.Value(), ",") {
			if strings.EqualFold(strings.TrimSpace(item), tag) {
				return true
			}
		}
	}
	return false
}

// firstHopOutbound tells whether the proxy that the phone is connected to keeps its flow:
// the last URI of the Path has an ob parameter, RFC 5626 §5.1.
func firstHopOutbound(path []sip.Uri) bool {
	if len(path) == 0 {
		return false
	}
	_, ob := param(path[len(path)-1].UriParams, "ob")
	return ob
}

// behindNAT tells whether a phone that registers over UDP names another address than it sends
// from: something on the way rewrites its packets and forgets it when there are none.
func behindNAT(contact *sip.Uri, f transport.Flow) bool {
	if f.Proto() != transport.UDP {
		return false // the system keeps a connection alive
	}
	port := contact.Port
	if port == 0 {
		port = 5060
	}
	ip, err := netip.ParseAddr(strings.Trim(contact.Host, "[]"))
	return err != nil || ip.Unmap() != f.Remote().Addr().Unmap() || port != int(f.Remote().Port())
}
