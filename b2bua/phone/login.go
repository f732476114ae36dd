package phone

import (
	"github.com/emiago/sipgo/sip"

	"tandem/b2bua/auth"
)

// login answers the challenges to one request and its repetitions.
type login struct {
	user, password string
	answered       map[string]bool // by the name of the header that answers
	headers        map[string]string
	rounds         int
}

// maxRounds bounds how often one request is repeated with new credentials: a
// proxy and a server may each challenge, and each find our nonce stale.
const maxRounds = 4

// challenges pairs what asks with what answers, RFC 3261 §22.2 and §22.3.
var challenges = [...]struct{ asks, answers string }{
	{"WWW-Authenticate", "Authorization"},
	{"Proxy-Authenticate", "Proxy-Authorization"},
}

// answer takes the challenges of a 401 or 407 to req; false if there is nothing
// new to say: no password, a scheme we lack, or our answer was wrong.
func (l *login) answer(req *sip.Request, res *sip.Response) bool {
	if res.StatusCode != 401 && res.StatusCode != 407 || l.user == "" || l.rounds == maxRounds {
		return false
	}
	l.rounds++
	if l.answered == nil {
		l.answered, l.headers = map[string]bool{}, map[string]string{}
	}
	some := false
	for _, c := range challenges {
		values := headerValues(res, c.asks)
		if len(values) == 0 {
			continue
		}
		if l.answered[c.answers] && !auth.WantsRetry(values) {
			return false
		}
		v, err := auth.Answer(values, string(req.Method), req.Recipient.String(), l.user, l.password, req.Body())
		if err != nil {
			return false
		}
		l.answered[c.answers], l.headers[c.answers], some = true, v, true
	}
	return some
}

// addTo puts the credentials won so far into a request.
func (l *login) addTo(req *sip.Request) {
	for _, c := range challenges {
		if v := l.headers[c.answers]; v != "" {
			req.AppendHeader(sip.NewHeader(c.answers, v))
		}
	}
}

func headerValues(m sip.Message, name string) []string {
	var out []string
	for _, h := range m.GetHeaders(name) {
		out = append(out, h.Value())
	}
	return out
}
