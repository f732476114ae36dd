package b2bua

import (
	"strings"

	"github.com/emiago/sipgo/sip"

	"tandem/b2bua/auth"
	"tandem/b2bua/dialog"
	"tandem/b2bua/transaction"
	"tandem/b2bua/transport"
)

// loginFor is who answers challenges to what we send over f: the leg's trunk, where f leads
// to the trunk itself. A stranger that a dialog was moved to learns no response of ours.
func (l *Leg) loginFor(f transport.Flow) *auth.Login {
	if l.trunk == nil || l.inviteFlow != f && !l.trunk.At(f.Remote().Addr()) {
		return nil
	}
	return l.trunk.Login()
}

// authorize adds the credentials that are known to our INVITE.
func (l *Leg) authorize(req *sip.Request) {
	if l.attempt == nil {
		login := l.loginFor(l.flow)
		if login == nil {
			return
		}
		l.attempt = login.Attempt()
	}
	addCredentials(l.attempt, req)
}

func addCredentials(a *auth.Attempt, req *sip.Request) {
	for _, f := range a.Headers(string(req.Method), req.Recipient.String(), req.Body()) {
		req.AppendHeader(sip.NewHeader(f.Name, f.Value))
	}
}

// challenged answers a 401 or 407 to our INVITE (RFC 3261 §22.2, §22.3); false where there is
// nothing to say to it.
func (l *Leg) challenged(res *sip.Response) bool {
	if l.attempt == nil || l.state == legEnded || !l.attempt.Challenged(func(name string) []string { return headersOf(res, name) }) {
		return false
	}
	l.again(l.invite())
	return true
}

// sign puts the credentials of an INVITE on its ACK (RFC 3261 §13.2.2.4).
func sign(ack, invite *sip.Request) {
	for _, name := range []string{"Authorization", "Proxy-Authorization"} {
		for _, v := range headersOf(invite, name) {
			ack.AppendHeader(sip.NewHeader(name, v))
		}
	}
}

// authorizing is a request within a dialog whose far end may challenge it.
type authorizing struct {
	l       *Leg
	d       *dialog.Dialog
	req     *sip.Request
	h       transaction.ClientHandler
	attempt *auth.Attempt
	over    bool // on the call's goroutine
}

// resent is told of the request that took the place of one that was challenged.
type resent interface{ resent(req *sip.Request) }

// answer makes a request carry credentials, and h see nothing of challenges that are
// answered. Until it is over the leg stays.
func (l *Leg) answer(login *auth.Login, d *dialog.Dialog, req *sip.Request, h transaction.ClientHandler) *authorizing {
	a := &authorizing{l: l, d: d, req: req, h: h, attempt: login.Attempt()}
	addCredentials(a.attempt, req)
	l.answering++
	return a
}

// HandleResponse and HandleEnd run on the goroutine that reads; they post.
func (a *authorizing) HandleResponse(tx *transaction.Client, res *sip.Response) {
	if res.StatusCode != 401 && res.StatusCode != 407 {
		a.h.HandleResponse(tx, res)
		if res.StatusCode >= 200 {
			a.l.post(func(*Call) { a.end() })
		}
		return
	}
	if !a.l.post(func(*Call) { a.challenged(tx, res) }) {
		a.h.HandleResponse(tx, res)
	}
}

func (a *authorizing) HandleEnd(tx *transaction.Client, err error) {
	if err != nil { // else the response has told all
		a.h.HandleEnd(tx, err)
		a.l.post(func(*Call) { a.end() })
	}
}

func (a *authorizing) end() {
	if !a.over {
		a.over = true
		a.l.answering--
	}
}

// challenged sends the request again, with a new CSeq number.
func (a *authorizing) challenged(tx *transaction.Client, res *sip.Response) {
	if a.over || !a.attempt.Challenged(func(name string) []string { return headersOf(res, name) }) {
		a.end()
		a.h.HandleResponse(tx, res)
		return
	}
	req := a.d.Request(a.req.Method)
	for _, h := range a.req.Headers() {
		if !ofTheDialog(h.Name()) {
			req.AppendHeader(sip.HeaderClone(h))
		}
	}
	req.SetBody(a.req.Body())
	addCredentials(a.attempt, req)
	a.req = req
	if h, ok := a.h.(resent); ok {
		h.resent(req)
	}
	a.l.reach(a.d, func(f transport.Flow, err error) {
		if err != nil {
			a.HandleEnd(nil, err)
			return
		}
		a.l.transmit(a.d, f, req, a)
	})
}

// ofTheDialog are the headers that a request gets anew from its dialog and transaction.
func ofTheDialog(name string) bool {
	switch strings.ToLower(name) {
	case "via", "from", "to", "call-id", "cseq", "max-forwards", "route", "content-length", "authorization", "proxy-authorization":
		return true
	}
	return false
}
