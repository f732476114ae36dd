package b2bua

import (
	"slices"
	"strings"

	"github.com/emiago/sipgo/sip"

	"tandem/b2bua/transaction"
)

// problem is the answer to a request that goes no further.
type problem struct {
	code    int
	reason  string // "" for the standard phrase
	headers Headers
}

func refuse(code int, reason string, h ...Header) *problem { return &problem{code, reason, h} }

func (p *problem) phrase() string {
	if p.reason == "" {
		return Phrase(p.code)
	}
	return p.reason
}

// respond answers tx with p.
func (p *problem) respond(tx *transaction.Server, toTag string) {
	res := transaction.NewResponse(tx.Request(), p.code, p.phrase(), toTag)
	p.headers.addTo(res)
	_ = tx.Respond(res) // the transport reports a dead peer to the transaction
}

const (
	allowed   = "INVITE, ACK, BYE, CANCEL, OPTIONS, REGISTER, INFO, MESSAGE, PRACK, UPDATE, REFER, NOTIFY, SUBSCRIBE"
	supported = "100rel, timer, replaces, norefersub" // option tags we know
)

// registering are the option tags that a REGISTER may require (RFC 3327, RFC 5626).
const registering = "path, outbound"

func allowHeader() Header { return Header{"Allow", allowed} }

// validate checks what every request must have, whatever it asks for.
func validate(req *sip.Request) *problem {
	if !strings.EqualFold(req.SipVersion, "SIP/2.0") {
		return refuse(505, "") // RFC 3261 §21.5.6
	}
	if p := mandatory(req); p != nil {
		return p
	}
	if scheme := strings.ToLower(req.Recipient.Scheme); scheme != "sip" && scheme != "sips" && scheme != "tel" {
		return refuse(416, "") // RFC 3261 §8.2.2.1
	}
	if tooLong(&req.Recipient) {
		return refuse(414, "") // RFC 3261 §21.4.12
	}
	if len(req.Recipient.Headers) > 0 {
		return refuse(400, "Headers in Request-URI") // RFC 3261 §19.1.1, RFC 4475 §3.1.2.11
	}
	if mf := req.MaxForwards(); mf != nil && mf.Val() == 0 && req.Method != sip.OPTIONS && req.Method != sip.REGISTER {
		return refuse(483, "") // RFC 7332: a B2BUA counts hops as a proxy does
	}
	if !methodKnown(req.Method) {
		return unsupported(req.Method)
	}
	return extensions(req)
}

// maxURI is the longest Request-URI we look at, in bytes. It goes into the record, the log and
// the INVITEs of our own.
const maxURI = 1024

func tooLong(u *sip.Uri) bool {
	n := len(u.User) + len(u.Password) + len(u.Host)
	for _, p := range u.UriParams {
		n += len(p.K) + len(p.V) + 2
	}
	return n > maxURI || u.Scheme == "tel" && len(u.Raw()) > maxURI
}

// mandatory: RFC 3261 §8.1.1.
func mandatory(req *sip.Request) *problem {
	switch {
	case req.Via() == nil:
		return refuse(400, "Missing Via")
	case req.From() == nil:
		return refuse(400, "Missing From")
	case req.To() == nil:
		return refuse(400, "Missing To")
	case req.CallID() == nil || req.CallID().Value() == "":
		return refuse(400, "Missing Call-ID")
	case req.CSeq() == nil:
		return refuse(400, "Missing CSeq")
	case req.CSeq().MethodName != req.Method:
		return refuse(400, "CSeq Method Mismatch")
	}
	// RFC 3261 §8.1.1.8. RFC 2543 knew no From tag, nor had an INVITE to have a Contact.
	tag, _ := req.From().Params.Get("tag")
	if req.Method == sip.INVITE && req.Contact() == nil && tag != "" {
		return refuse(400, "Missing Contact")
	}
	return nil
}

// unsupported refuses a method: 405 for one that we recognize (RFC 3261 §8.2.1), else 501
// (§21.5.2, RFC 4475 §3.1.1.2).
func unsupported(m sip.RequestMethod) *problem {
	switch m {
	case sip.SUBSCRIBE, sip.NOTIFY, sip.PUBLISH, sip.MESSAGE, sip.REFER:
		return refuse(405, "", allowHeader())
	}
	return refuse(501, "", allowHeader())
}

// methodKnown: methods are case-sensitive (RFC 3261 §7.1).
func methodKnown(m sip.RequestMethod) bool {
	return slices.Contains(strings.Split(allowed, ", "), string(m))
}

// listed reports whether a comma-separated list has an entry, in any case of letters.
func listed(list, entry string) bool {
	for e := range strings.SplitSeq(list, ",") {
		if strings.EqualFold(strings.TrimSpace(e), entry) {
			return true
		}
	}
	return false
}

// offers reports whether a message names an entry in any header of that name.
func offers(m headerSource, header, entry string) bool {
	for _, v := range headersOf(m, header) {
		if listed(v, entry) {
			return true
		}
	}
	return false
}

// extensions: RFC 3261 §8.2.2.3.
func extensions(req *sip.Request) *problem {
	if req.Method == sip.ACK || req.Method == sip.CANCEL {
		return nil
	}
	var unknown []string
	for _, v := range headersOf(req, "Require") {
		for tag := range strings.SplitSeq(v, ",") {
			tag = strings.TrimSpace(tag)
			known := listed(supported, tag) || req.Method == sip.REGISTER && listed(registering, tag)
			if tag != "" && !known {
				unknown = append(unknown, tag)
			}
		}
	}
	if len(unknown) > 0 {
		return refuse(420, "", Header{"Unsupported", strings.Join(unknown, ", ")})
	}
	return nil
}

// readsSDP reports whether a response to req may carry a session description. An empty
// Accept, which strictly forbids any, is a mistake of the sender's.
func readsSDP(req *sip.Request) bool {
	accepts := strings.Join(headersOf(req, "Accept"), ",")
	if strings.TrimSpace(accepts) == "" {
		return true
	}
	for entry := range strings.SplitSeq(accepts, ",") {
		kind, _, _ := strings.Cut(entry, ";")
		switch strings.ToLower(strings.TrimSpace(kind)) {
		case sdpType, "application/*", "*/*":
			return true
		}
	}
	return false
}
