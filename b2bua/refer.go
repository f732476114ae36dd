package b2bua

import (
	"fmt"
	"net/url"
	"slices"
	"strings"

	"github.com/emiago/sipgo/sip"

	"tandem/b2bua/auth"
	"tandem/b2bua/dialog"
	"tandem/b2bua/transaction"
	"tandem/b2bua/transport"
)

// referCap bounds a Refer-To or Referred-By value.
const referCap = 2048

// reference is what a Refer-To names.
type reference struct {
	uri      sip.Uri          // without headers
	replaces *dialog.Replaces // RFC 3891: whose place to take there
}

// referred answers REFER within the dialog (RFC 3515 §2.4.2): the leg that the one who
// sends it talks to is connected with what it names.
func (l *Leg) referred(tx *transaction.Server) {
	c, req := l.call(), tx.Request()
	to, p := referTo(req)
	if p == nil {
		p = l.mayRefer(to)
	}
	if p != nil {
		c.note(l.name(), "transfer", fmt.Sprintf("REFER refused with %d", p.code))
		p.respond(tx, "")
		return
	}
	l.dialog.Retarget(req.Contact()) // RFC 6665 §4.4.1 counts REFER among the target refreshes
	sub := l.follow(req)
	res := transaction.NewResponse(req, 202, Phrase(202), "")
	res.AppendHeader(l.contact())
	if sub.silent {
		res.AppendHeader(sip.NewHeader("Refer-Sub", "false")) // RFC 4488 §4
	}
	_ = tx.Respond(res)
	sub.tell(100, Phrase(100))
	c.note(l.name(), "transfer", "REFER to "+to.uri.String())
	c.happened(Happening{Kind: "refer", Leg: l, Value: to.uri.String()})
	t := &transfer{by: l, moved: c.partner(l), sub: sub}
	c.begin(t)
	t.refer(to, referredBy(req), l.party())
}

// refer goes where a REFER points: into a call of ours, to a number of ours, or elsewhere.
func (t *transfer) refer(to reference, headers Headers, as auth.Identity) {
	s := t.c.server
	ring := func() {
		target := to.uri.String()
		if s.names(to.uri) {
			target = "route:" + numberOf(&to.uri)
		}
		group, err := s.branches(target)
		if err != nil || target == "route:" {
			t.failed(failure(404, ""))
			return
		}
		for i := range group {
			group[i].foreign = true
		}
		t.call([][]branch{group}, headers, as)
	}
	if to.replaces == nil {
		ring()
		return
	}
	if r := s.legOf(to.replaces.ID); r != nil {
		if s.names(to.uri) {
			t.again = ring // a dialog that is only ringing: the number is rung anew
		}
		t.ask(r, to.replaces.EarlyOnly, as)
		return
	}
	if s.names(to.uri) {
		t.failed(failure(481, ""))
		return
	}
	headers = append(headers, Header{"Replaces", to.replaces.String()}, Header{"Require", "replaces"})
	ring()
}

// names reports whether a URI is a number of ours: it carries our address or our domain.
func (s *Server) names(u sip.Uri) bool {
	if strings.EqualFold(u.Scheme, "tel") || s.o.Transport.Owns(u) {
		return true
	}
	if s.o.Domain == "" || !strings.EqualFold(u.Host, s.o.Domain) {
		return false
	}
	return u.Port == 0 || slices.ContainsFunc(s.o.Transport.Endpoints(), func(e transport.Endpoint) bool { return int(e.Addr.Port()) == u.Port })
}

// mayRefer tells how to refuse a REFER that reads well. Whoever may not call us may not
// have us call either, and only who could dial a foreign address may have us do it.
func (l *Leg) mayRefer(to reference) *problem {
	c := l.call()
	other, who := c.partner(l), l.party()
	switch {
	case c.transfer != nil:
		return refuse(491, "")
	case l.state != legAnswered || other == nil || other.state != legAnswered:
		return refuse(403, "Nobody to Transfer")
	case who == auth.Identity{}:
		return refuse(603, "")
	case !c.server.names(to.uri) && who.User == "" && !who.Trusted:
		return refuse(603, "")
	}
	return nil
}

// referTo reads the one Refer-To that a REFER must have (RFC 3515 §2.4.2).
func referTo(req *sip.Request) (reference, *problem) {
	all := headersOf(req, "Refer-To")
	if len(all) != 1 {
		return reference{}, refuse(400, "One Refer-To Wanted")
	}
	return parseReference(all[0])
}

func parseReference(value string) (reference, *problem) {
	bad := refuse(400, "Bad Refer-To")
	text, ok := addrSpec(value)
	if !ok {
		return reference{}, bad
	}
	var u sip.Uri
	if sip.ParseUri(text, &u) != nil {
		return reference{}, bad
	}
	switch u.Scheme = strings.ToLower(u.Scheme); {
	case u.Scheme == "tel":
		if telNumber(&u) == "" {
			return reference{}, bad
		}
		return reference{uri: u}, nil
	case u.Scheme != "sip" && u.Scheme != "sips":
		return reference{}, refuse(416, "") // RFC 3261 §21.4.14
	case u.Host == "" || u.Wildcard || u.Port < 0 || u.Port > 65535 || strings.ContainsAny(u.Host, " \t@?&="):
		return reference{}, bad
	}
	if m, ok := u.UriParams.Get("method"); ok {
		if m != string(sip.INVITE) { // RFC 3515 allows others; for a call only this one makes sense
			return reference{}, bad
		}
		u.UriParams.Remove("method")
	}
	ref := reference{uri: u}
	ref.uri.Headers = nil // RFC 3261 §19.1.5: of what a URI asks us to send only Replaces is honoured
	for _, h := range u.Headers {
		if !strings.EqualFold(h.K, "Replaces") {
			continue
		}
		v, err := url.PathUnescape(h.V)
		if err != nil {
			return reference{}, bad
		}
		r, err := dialog.ParseReplaces(v)
		if err != nil || strings.ContainsFunc(v, func(r rune) bool { return r <= ' ' || r >= 0x7f }) {
			return reference{}, bad
		}
		ref.replaces = &r
	}
	return ref, nil
}

// addrSpec takes the URI out of a name-addr or addr-spec that stands alone (RFC 3261
// §20.10: a URI with a comma, question mark or semicolon must be in angle brackets).
func addrSpec(value string) (string, bool) {
	value = strings.TrimSpace(value)
	if len(value) > referCap || strings.ContainsFunc(value, func(r rune) bool { return r < ' ' || r >= 0x7f }) {
		return "", false
	}
	open := strings.LastIndexByte(value, '<')
	if open < 0 {
		uri, _, _ := strings.Cut(value, ";")
		return strings.TrimSpace(uri), !strings.ContainsAny(uri, ",?\" \t>")
	}
	uri, rest, closed := strings.Cut(value[open+1:], ">")
	rest = strings.TrimSpace(rest)
	if !closed || strings.ContainsAny(uri, " \t\"") || rest != "" && rest[0] != ';' || strings.ContainsAny(rest, ",<>") {
		return "", false
	}
	return uri, true
}

// referredBy is the Referred-By of a REFER for the INVITE it leads to (RFC 3892 §2.2), where
// it is one that reads well. The token that its cid names is not passed on, so that goes.
func referredBy(req *sip.Request) Headers {
	all := headersOf(req, "Referred-By")
	if len(all) != 1 {
		return nil
	}
	text, ok := addrSpec(all[0])
	var u sip.Uri
	if !ok || sip.ParseUri(text, &u) != nil || u.Host == "" || !strings.EqualFold(u.Scheme, "sip") && !strings.EqualFold(u.Scheme, "sips") {
		return nil
	}
	u.Headers = nil
	return Headers{{"Referred-By", "<" + u.String() + ">"}}
}
