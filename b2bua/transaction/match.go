package transaction

import (
	"strconv"
	"strings"

	"github.com/emiago/sipgo/sip"
)

// cookie begins each branch that is unique by RFC 3261 §8.1.1.7.
const cookie = "z9hG4bK"

// serverKey finds a server transaction (RFC 3261 §17.2.3).
type serverKey struct {
	branch string // or, without the cookie, all that RFC 2543 matched by
	host   string // sent-by
	port   int
	method sip.RequestMethod // INVITE for its ACK
}

func keyOf(req *sip.Request) serverKey {
	via := req.Via()
	method := req.Method
	if method == sip.ACK {
		method = sip.INVITE
	}
	branch, _ := via.Params.Get("branch")
	if len(branch) <= len(cookie) || !strings.EqualFold(branch[:len(cookie)], cookie) {
		branch = oldKey(req)
	}
	return serverKey{branch, strings.ToLower(via.Host), via.Port, method}
}

// oldKey is what a request of RFC 2543 is known by: Request-URI, tags, Call-ID, CSeq number and
// top Via. The To tag is left out where an ACK or a CANCEL has to find its INVITE.
func oldKey(req *sip.Request) string {
	to := ""
	if req.Method != sip.INVITE && req.Method != sip.ACK && req.Method != sip.CANCEL {
		to = tag(req.To().Params)
	}
	return strings.Join([]string{"2543", req.Recipient.String(), tag(req.From().Params), to,
		req.CallID().Value(), strconv.FormatUint(uint64(req.CSeq().SeqNo), 10), req.Via().Value()}, "\n")
}

func tag(params sip.HeaderParams) string {
	v, _ := params.Get("tag")
	return v
}

// mergeKey is what two copies of one request have in common that came by different ways
// (RFC 3261 §8.2.2.2).
type mergeKey struct {
	fromTag, callID string
	seq             uint32
	method          sip.RequestMethod
}

// mergeOf is the key of a request outside any dialog; false within one.
func mergeOf(req *sip.Request) (mergeKey, bool) {
	if tag(req.To().Params) != "" || req.Method == sip.CANCEL {
		return mergeKey{}, false
	}
	from := tag(req.From().Params)
	return mergeKey{from, req.CallID().Value(), req.CSeq().SeqNo, req.Method}, from != ""
}

// clientKey finds a client transaction (RFC 3261 §17.1.3). The branch is ours and cannot be
// guessed, so a response that has it comes from where the request went.
type clientKey struct {
	branch string
	method sip.RequestMethod
}
