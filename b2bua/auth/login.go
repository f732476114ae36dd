package auth

import (
	"crypto/rand"
	"fmt"
	"slices"
	"strings"
	"sync"
)

const (
	// maxRealms bounds the challenges that a Login remembers.
	maxRealms = 8
	// maxRounds bounds how often one request is repeated: a proxy and a server may each
	// challenge, and each find our nonce stale.
	maxRounds = 4
)

// Field is a header to send.
type Field struct{ Name, Value string }

// Login is the client's side of digest towards one far end, RFC 7616 §3.4. It remembers
// how it was challenged, so that the next request carries its credentials at once and is not
// challenged anew. It is safe for concurrent use.
//
// It answers whoever challenges: give it to requests for that far end only, or a stranger
// learns a response that can be guessed from.
type Login struct {
	user, password string
	only           []Algorithm // none: every one

	mu    sync.Mutex
	known []*question // the latest last
}

// NewLogin makes a Login that has not been challenged yet. With only, it answers by these
// algorithms and by no other.
func NewLogin(user, password string, only ...Algorithm) *Login {
	return &Login{user: user, password: password, only: only}
}

// String names the user only.
func (l *Login) String() string { return l.user }

// GoString names the user only.
func (l *Login) GoString() string { return l.user }

// question is a challenge that can be answered, and how often it was.
type question struct {
	place
	params
	algorithm Algorithm
	ha1       string

	mu    sync.Mutex
	count uint32
}

// place is where a question belongs: one realm of a server or a proxy.
type place struct {
	answers string // the header that answers
	realm   string
}

// asking pairs the headers that ask with those that answer, RFC 3261 §22.2 and §22.3.
var asking = [...]struct{ asks, answers string }{
	{"WWW-Authenticate", "Authorization"},
	{"Proxy-Authenticate", "Proxy-Authorization"},
}

// Attempt is one request with its repetitions. It is not safe for concurrent use.
type Attempt struct {
	login  *Login
	asked  []*question // in this attempt
	rounds int
}

// Attempt begins a request.
func (l *Login) Attempt() *Attempt { return &Attempt{login: l} }

// Headers are the credentials to send with the request as it is now; each call counts as a
// use of the nonces. uri is the Request-URI as sent; body is only read where the far end
// insists on auth-int.
func (a *Attempt) Headers(method, uri string, body []byte) []Field {
	if a.login == nil || !printable(uri) || !printable(a.login.user) {
		return nil
	}
	a.login.mu.Lock()
	use := slices.Clone(a.asked)
	for _, q := range a.login.known {
		if !slices.ContainsFunc(use, func(u *question) bool { return u.place == q.place }) {
			use = append(use, q)
		}
	}
	a.login.mu.Unlock()
	var out []Field
	for _, q := range use {
		out = append(out, Field{q.answers, q.answer(a.login.user, method, uri, body)})
	}
	return out
}

// Challenged takes the challenges of a 401 or 407, which values gives by header name. It
// tells whether to send the request again with Headers: not when our password was wrong, nor
// when there is nothing we can answer (RFC 3261 §22.1: each realm is answered by itself).
func (a *Attempt) Challenged(values func(header string) []string) bool {
	if a.login == nil || a.login.user == "" || a.rounds == maxRounds {
		return false
	}
	a.rounds++
	some := false
	for _, h := range asking {
		for _, list := range byRealm(values(h.asks)) {
			best, algorithm := choose(list, a.login.only)
			if best == nil {
				continue
			}
			q := &question{place: place{h.answers, best["realm"]}, params: best, algorithm: algorithm}
			if a.refused(q) && !strings.EqualFold(best["stale"], "true") {
				a.login.forget(q.place)
				return false
			}
			q.ha1 = algorithm.digest(a.login.user, q.realm, a.login.password)
			a.asked = append(a.asked, q)
			a.login.remember(q)
			some = true
		}
	}
	return some
}

// refused tells whether an answer to the same place was not good enough, and takes that
// answer back. Who has our password by another algorithm only asks again for that.
func (a *Attempt) refused(q *question) bool {
	i := slices.IndexFunc(a.asked, func(u *question) bool { return u.place == q.place })
	if i < 0 {
		return false
	}
	same := a.asked[i].algorithm == q.algorithm
	a.asked = slices.Delete(a.asked, i, i+1)
	return same
}

func (l *Login) remember(q *question) {
	l.forget(q.place)
	l.mu.Lock()
	defer l.mu.Unlock()
	l.known = append(l.known, q)
	if len(l.known) > maxRealms {
		l.known = slices.Delete(l.known, 0, 1)
	}
}

func (l *Login) forget(p place) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.known = slices.DeleteFunc(l.known, func(q *question) bool { return q.place == p })
}

// answer is the value of the header that answers q.
func (q *question) answer(user, method, uri string, body []byte) string {
	q.mu.Lock()
	q.count++
	n := q.count
	q.mu.Unlock()
	ps := params{"username": user, "realm": q.realm, "nonce": q.params["nonce"], "uri": uri}
	if offered, given := q.params["qop"]; given {
		ps["qop"], ps["nc"], ps["cnonce"] = "auth", fmt.Sprintf("%08x", n), rand.Text()
		if !listHas(offered, "auth") {
			ps["qop"] = "auth-int"
		}
	}
	response := q.algorithm.response(q.ha1, method, ps, q.algorithm.digest(string(body)))
	var b strings.Builder
	fmt.Fprintf(&b, `Digest username=%s, realm=%s, nonce=%s, uri=%s, response="%s"`,
		quote(user), quote(q.realm), quote(ps["nonce"]), quote(uri), response)
	if _, given := q.params["algorithm"]; given {
		b.WriteString(", algorithm=" + string(q.algorithm))
	}
	if ps["qop"] != "" {
		fmt.Fprintf(&b, `, qop=%s, nc=%s, cnonce="%s"`, ps["qop"], ps["nc"], ps["cnonce"])
	}
	if opaque, given := q.params["opaque"]; given {
		b.WriteString(", opaque=" + quote(opaque))
	}
	return b.String()
}

// byRealm groups challenges, in the order in which their realms come.
func byRealm(challenges []string) (groups [][]string) {
	at := map[string]int{}
	for _, c := range challenges {
		ps, err := parseDigest(c)
		if err != nil {
			continue
		}
		i, known := at[ps["realm"]]
		if !known {
			if len(groups) == maxRealms {
				continue
			}
			i = len(groups)
			at[ps["realm"]] = i
			groups = append(groups, nil)
		}
		groups[i] = append(groups[i], c)
	}
	return groups
}
