package phone

import (
	"github.com/emiago/sipgo/sip"

	"tandem/b2bua/auth"
)

// login answers the challenges to one request and its repetitions.
type login struct {
	attempt *auth.Attempt
	sent    []auth.Field
}

// newLogin is for one request: with what our server has asked before, if we have one.
func (p *Phone) newLogin() login {
	if p.server != nil {
		return login{attempt: p.known.Attempt()}
	}
	return login{attempt: auth.NewLogin(p.o.User, p.o.Password).Attempt()}
}

// answer takes the challenges of a 401 or 407; false if there is nothing new to
// say: no password, a scheme we lack, or our answer was wrong.
func (l *login) answer(res *sip.Response) bool {
	return (res.StatusCode == 401 || res.StatusCode == 407) &&
		l.attempt.Challenged(func(name string) []string { return headerValues(res, name) })
}

// addTo puts the credentials won so far into a request that will have that body. An ACK
// carries those of its INVITE (RFC 3261 §13.2.2.4).
func (l *login) addTo(req *sip.Request, body []byte) {
	if !req.IsAck() {
		l.sent = l.attempt.Headers(string(req.Method), req.Recipient.String(), body)
	}
	for _, f := range l.sent {
		req.AppendHeader(sip.NewHeader(f.Name, f.Value))
	}
}

func headerValues(m sip.Message, name string) []string {
	var out []string
	for _, h := range m.GetHeaders(name) {
		out = append(out, h.Value())
	}
	return out
}
