package registrar

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/emiago/sipgo/sip"

	"tandem/b2bua/transport"
)

const (
	maxURI       = 512 // bytes of a contact
	maxPath      = 8
	maxUserAgent = 128 // bytes kept
	maxCallID    = 256 // bytes
)

// refusal is an error with the status that a REGISTER gets for it.
type refusal struct {
	code int
	msg  string
}

func (e *refusal) Error() string { return "registrar: " + e.msg }

func refuse(code int, format string, args ...any) error {
	return &refusal{code, fmt.Sprintf(format, args...)}
}

// Register does what a REGISTER of an authenticated user asks for, RFC 3261
// §10.3 steps 6 to 8: all of it or, with an error, nothing. code is the status
// to answer: 200 with the contacts that are bound now, 400 for a malformed
// request, 423 (with MinExpires in Min-Expires), 439 when a proxy on the way cannot keep
// the phone's flow, 500 when CSeq has not grown, 503 when the registrar is full.
func (r *Registrar) Register(user string, req *sip.Request, f transport.Flow) (code int, contacts []Contact, err error) {
	wish, err := r.read(user, req, f)
	if err == nil {
		contacts, err = r.apply(user, wish)
	}
	var no *refusal
	if errors.As(err, &no) {
		return no.code, nil, err
	}
	return 200, contacts, nil
}

// wish is what one REGISTER asks for.
type wish struct {
	callID    string
	cseq      uint32
	removeAll bool
	set       []Contact // Expires zero: to be removed
}

// read checks a REGISTER without looking at what is bound.
func (r *Registrar) read(user string, req *sip.Request, f transport.Flow) (wish, error) {
	callID, cseq := req.CallID(), req.CSeq()
	if callID == nil || cseq == nil || len(*callID) > maxCallID {
		return wish{}, refuse(400, "no Call-ID or CSeq, or one too long")
	}
	w := wish{callID: string(*callID), cseq: cseq.SeqNo}
	headers := req.GetHeaders("contact")
	if len(headers) > r.o.MaxContacts {
		return wish{}, refuse(400, "%d contacts, %d are allowed", len(headers), r.o.MaxContacts)
	}
	path, err := readPath(req)
	if err != nil {
		return wish{}, err
	}
	if Outbound(req) && len(req.GetHeaders("via")) > 1 && !firstHopOutbound(path) {
		// RFC 5626 §6: the proxy that the phone is connected to could not find it again.
		return wish{}, refuse(439, "the first hop lacks outbound support")
	}
	now := r.o.Clock.Now()
	for _, h := range headers {
		c, ok := h.(*sip.ContactHeader)
		if !ok {
			return wish{}, refuse(400, "unreadable Contact")
		}
		if c.Address.Wildcard {
			w.removeAll = true
			continue
		}
		contact, err := r.readContact(c, req, now)
		if err != nil {
			return wish{}, err
		}
		contact.User, contact.Flow, contact.Source = user, f, f.Remote()
		contact.CallID, contact.CSeq, contact.Path = w.callID, w.cseq, path
		contact.NAT = len(path) == 0 && behindNAT(&contact.URI, f)
		w.set = append(w.set, contact)
	}
	if w.removeAll {
		// RFC 3261 §10.3 step 6: `*` stands alone and wants Expires: 0.
		if expires, given := expiresHeader(req); len(headers) > 1 || !given || expires != 0 {
			return wish{}, refuse(400, "Contact * with others or without Expires: 0")
		}
	}
	return w, nil
}

func (r *Registrar) readContact(h *sip.ContactHeader, req *sip.Request, now time.Time) (Contact, error) {
	uri := h.Address.Clone()
	if uri.Scheme != "sip" && uri.Scheme != "sips" || uri.Host == "" || len(uri.String()) > maxURI {
		return Contact{}, refuse(400, "Contact is no SIP URI, or too long")
	}
	expires, err := r.expires(h, req)
	if err != nil {
		return Contact{}, err
	}
	c := Contact{URI: *uri, Registered: now, Refreshed: now, Q: 1, UserAgent: userAgent(req)}
	if expires > 0 {
		c.Expires = now.Add(expires)
	}
	if q, given := param(h.Params, "q"); given {
		v, err := strconv.ParseFloat(q, 64)
		if err != nil || math.IsNaN(v) || v < 0 || v > 1 {
			return Contact{}, refuse(400, "q is %.20q", q)
		}
		c.Q = v
	}
	c.Instance, _ = param(h.Params, "+sip.instance")
	c.RegID, _ = param(h.Params, "reg-id")
	if len(c.Instance)+len(c.RegID) > maxURI {
		return Contact{}, refuse(400, "instance too long")
	}
	return c, nil
}

// Asked is the time that a contact of a REGISTER asks for, by its own parameter or by the
// Expires header; 0 if by neither.
func Asked(h *sip.ContactHeader, req *sip.Request) time.Duration {
	seconds, _ := asked(h, req)
	return time.Duration(min(seconds, math.MaxUint32)) * time.Second
}

func asked(h *sip.ContactHeader, req *sip.Request) (seconds uint64, given bool) {
	if v, has := param(h.Params, "expires"); has {
		return parseSeconds(v), true
	}
	return expiresHeader(req)
}

// expires is the time that a contact gets: what it asks for, or our default. A longer one
// than we grant is cut.
func (r *Registrar) expires(h *sip.ContactHeader, req *sip.Request) (time.Duration, error) {
	seconds, given := asked(h, req)
	if !given {
		return r.o.DefaultExpires, nil
	}
	d := time.Duration(min(seconds, uint64(r.o.MaxExpires/time.Second))) * time.Second
	if d > 0 && d < r.o.MinExpires {
		return 0, refuse(423, "%v is too brief", d)
	}
	return d, nil
}

func expiresHeader(req *sip.Request) (seconds uint64, given bool) {
	h := req.GetHeader("expires")
	if h == nil {
		return 0, false
	}
	return parseSeconds(strings.TrimSpace(h.Value())), true
}

// parseSeconds reads delta-seconds. RFC 3261 §20.19: a malformed value counts as 3600.
func parseSeconds(s string) uint64 {
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return 3600
		}
	}
	n, err := strconv.ParseUint(s, 10, 32)
	switch {
	case errors.Is(err, strconv.ErrRange):
		return math.MaxUint32
	case err != nil:
		return 3600
	}
	return n
}

// apply changes the bindings as w wants.
func (r *Registrar) apply(user string, w wish) ([]Contact, error) {
	defer r.tell()
	r.mu.Lock()
	defer r.mu.Unlock()
	r.dropExpired()
	defer r.arm()
	if err := r.admit(user, w); err != nil {
		return nil, err
	}
	if w.removeAll {
		for _, b := range append([]*binding(nil), r.users[user]...) {
			r.remove(b, Removed)
		}
	}
	for _, c := range w.set {
		b := r.find(c)
		switch {
		case b == nil && c.Expires.IsZero(): // removing what is not there is no error
		case b == nil:
			r.evict(user)
			r.add(c)
		case c.Expires.IsZero():
			r.remove(b, Removed)
		default:
			r.replace(b, c)
		}
	}
	return r.live(user), nil
}

// admit finds what forbids w, before any of it is done.
func (r *Registrar) admit(user string, w wish) error {
	touched, fresh := r.users[user], 0
	if !w.removeAll {
		touched = nil
		for _, c := range w.set {
			switch b := r.find(c); {
			case b != nil:
				touched = append(touched, b)
			case !c.Expires.IsZero():
				fresh++
			}
		}
	}
	for _, b := range touched {
		// RFC 3261 §10.3 steps 6 and 7: within a Call-ID, CSeq must grow.
		if b.CallID == w.callID && w.cseq <= b.CSeq {
			return refuse(500, "CSeq %d after %d", w.cseq, b.CSeq)
		}
	}
	if fresh > 0 && len(r.users[user]) < r.o.MaxContacts && len(r.expiry)+fresh > r.o.MaxBindings {
		return refuse(503, "%d bindings are held", len(r.expiry))
	}
	return nil
}

// find is the binding that c is about: the same instance and reg-id (RFC 5626 §6), or an
// equal URI. Two phones in two private networks may well have the same address there: they
// are told apart by their instance, or by Call-ID and public address.
func (r *Registrar) find(c Contact) *binding {
	for _, b := range r.users[c.User] {
		if same(&b.Contact, &c) {
			return b
		}
	}
	return nil
}

func same(b, c *Contact) bool {
	if b.Instance != "" && c.Instance != "" {
		if b.Instance != c.Instance {
			return false
		}
		if b.RegID != "" && c.RegID != "" {
			return b.RegID == c.RegID
		}
	} else if b.NAT && c.NAT && b.CallID != c.CallID && b.Source.Addr() != c.Source.Addr() {
		return false
	}
	return equalURI(&b.URI, &c.URI)
}

// evict makes room for one more contact of the user. A phone that restarts
// behind a NAT leaves contacts that nobody answers: the oldest has to go, or the
// user could not register before they expire.
func (r *Registrar) evict(user string) {
	for len(r.users[user]) >= r.o.MaxContacts {
		oldest := r.users[user][0]
		for _, b := range r.users[user] {
			if b.Refreshed.Before(oldest.Refreshed) {
				oldest = b
			}
		}
		r.remove(oldest, Evicted)
	}
}

func userAgent(req *sip.Request) string {
	h := req.GetHeader("user-agent")
	if h == nil {
		return ""
	}
	v := h.Value()
	return strings.ToValidUTF8(v[:min(len(v), maxUserAgent)], "")
}

// readPath is the Path of a REGISTER, RFC 3327 §5.3.
func readPath(req *sip.Request) ([]sip.Uri, error) {
	var path []sip.Uri
	for _, h := range req.GetHeaders("path") {
		for _, value := range splitList(h.Value()) {
			var uri sip.Uri
			if _, err := sip.ParseAddressValue(value, &uri, nil); err != nil || uri.Host == "" || len(path) == maxPath || len(value) > maxURI {
				return nil, refuse(400, "unreadable Path, or too long")
			}
			path = append(path, uri)
		}
	}
	return path, nil
}
