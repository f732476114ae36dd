package dialog

import (
	"slices"
	"strings"

	"github.com/emiago/sipgo/sip"
)

// Request makes the next request of the dialog, RFC 3261 §12.2.1.1: a new CSeq
// number, the tags, Max-Forwards, and Request-URI and Route as the route set
// wants them. The caller adds Contact and a body; the transaction layer adds Via.
// For an ACK use Ack; a CANCEL belongs to its INVITE's transaction.
func (d *Dialog) Request(method sip.RequestMethod) *sip.Request {
	d.localSeq++
	return d.build(method, d.localSeq)
}

// Ack makes the ACK to a 2xx of the INVITE with that CSeq number, RFC 3261
// §13.2.2.4. The caller adds the credentials of the INVITE, if it had any, and
// an answer if the 2xx held the offer.
func (d *Dialog) Ack(inviteSeq uint32) *sip.Request { return d.build(sip.ACK, inviteSeq) }

// NextHop is the URI whose host gets the next request: the first route, or the remote target.
func (d *Dialog) NextHop() sip.Uri {
	if len(d.routes) > 0 {
		return *d.routes[0].Clone()
	}
	return d.RemoteTarget()
}

func (d *Dialog) build(method sip.RequestMethod, seq uint32) *sip.Request {
	uri, routes := d.routing()
	req := sip.NewRequest(method, uri)
	for i := range routes {
		req.AppendHeader(&sip.RouteHeader{Address: routes[i]})
	}
	hops := sip.MaxForwardsHeader(maxForwards)
	callID := sip.CallIDHeader(d.id.CallID)
	req.AppendHeader(&hops)
	req.AppendHeader(&sip.FromHeader{
		DisplayName: d.local.display, Address: *d.local.uri.Clone(), Params: tagParams(d.id.LocalTag)})
	req.AppendHeader(&sip.ToHeader{
		DisplayName: d.remote.display, Address: *d.remote.uri.Clone(), Params: tagParams(d.id.RemoteTag)})
	req.AppendHeader(&callID)
	req.AppendHeader(&sip.CSeqHeader{SeqNo: seq, MethodName: method})
	req.SetBody(nil)
	return req
}

// routing gives the Request-URI and the Route headers, RFC 3261 §12.2.1.1.
func (d *Dialog) routing() (sip.Uri, []sip.Uri) {
	if len(d.routes) == 0 {
		return requestURI(d.target), nil
	}
	if _, loose := param(d.routes[0].UriParams, "lr"); loose {
		return requestURI(d.target), cloneUris(d.routes)
	}
	// A strict router takes the Request-URI for itself and finds ours in the last Route.
	rest := cloneUris(d.routes[1:])
	return requestURI(d.routes[0]), append(rest, *d.target.Clone())
}

// requestURI drops what a Request-URI must not hold, RFC 3261 §19.1.1 table 1.
func requestURI(u sip.Uri) sip.Uri {
	u = *u.Clone()
	u.Headers = nil
	u.UriParams = slices.DeleteFunc(u.UriParams, func(kv sip.HeaderKV) bool {
		return strings.EqualFold(kv.K, "method")
	})
	return u
}

// tagParams is nil for the empty tag of an RFC 2543 peer, which must not be written.
func tagParams(tag string) sip.HeaderParams {
	if tag == "" {
		return nil
	}
	return sip.HeaderParams{{K: "tag", V: tag}}
}
