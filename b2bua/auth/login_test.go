package auth

import (
	"fmt"
	"net/netip"
	"strings"
	"sync"
	"testing"
)

// farEnd challenges as servers and proxies do.
type farEnd struct {
	t    *testing.T
	asks string
	d    *Digest
	cred Credential
}

func newFarEnd(t *testing.T, asks, realm string, algorithms ...Algorithm) *farEnd {
	return &farEnd{t, asks, NewDigest(DigestOptions{Realm: realm, Algorithms: algorithms}), NewCredential("me", realm, "p")}
}

func (f *farEnd) verdict(fields []Field) Verdict {
	got := Foreign
	for _, h := range fields {
		if _, ours := f.d.Username(h.Value); ours && strings.HasPrefix(h.Name, "Proxy-") == strings.HasPrefix(f.asks, "Proxy-") {
			got = f.d.Verify(netip.Addr{}, "INVITE", h.Value, f.cred, true)
		}
	}
	return got
}

// ask makes a response that holds the challenges of some far ends.
func ask(stale bool, ends ...*farEnd) func(string) []string {
	return func(header string) (out []string) {
		for _, f := range ends {
			if f.asks == header {
				out = append(out, f.d.Challenge(netip.Addr{}, stale)...)
			}
		}
		return out
	}
}

func send(a *Attempt) []Field { return a.Headers("INVITE", "sip:x", nil) }

func TestLoginIsChallengedOnce(t *testing.T) {
	t.Parallel()
	far := newFarEnd(t, "WWW-Authenticate", "r")
	l := NewLogin("me", "p")
	first := l.Attempt()
	if got := send(first); len(got) != 0 {
		t.Errorf("before any challenge: %v", got)
	}
	if !first.Challenged(ask(false, far)) || far.verdict(send(first)) != OK {
		t.Fatal("the challenge is not answered")
	}
	for i := range 5 {
		a := l.Attempt()
		h := send(a)
		if far.verdict(h) != OK || !strings.Contains(h[0].Value, fmt.Sprintf("nc=%08x", i+2)) || !strings.Contains(h[0].Value, "SHA-256") {
			t.Errorf("request %d goes with %v", i+2, h)
		}
	}
	late := l.Attempt()
	send(late)
	if !late.Challenged(ask(true, far)) || far.verdict(send(late)) != OK {
		t.Error("a stale nonce is not replaced")
	}
	silent := l.Attempt()
	send(silent) // RFC 7616 §3.3: stale may be missing; what was remembered is then no proof of a wrong password
	if !silent.Challenged(ask(false, far)) || far.verdict(send(silent)) != OK {
		t.Error("a new challenge is not answered")
	}
}

func TestLoginsOfOneRequest(t *testing.T) {
	t.Parallel()
	outer, inner := newFarEnd(t, "Proxy-Authenticate", "outer"), newFarEnd(t, "Proxy-Authenticate", "inner", MD5)
	home := newFarEnd(t, "WWW-Authenticate", "home")
	l := NewLogin("me", "p")
	a := l.Attempt()
	if !a.Challenged(ask(false, outer, inner)) { // RFC 3261 §22.3: two realms in one 407
		t.Fatal("two proxies at once are not answered")
	}
	h := send(a)
	if outer.verdict(h) != OK || inner.verdict(h) != OK {
		t.Errorf("both proxies get %v", h)
	}
	if !a.Challenged(ask(false, home)) {
		t.Fatal("the server is not answered")
	}
	next := send(l.Attempt())
	for _, f := range []*farEnd{outer, inner, home} {
		if f.verdict(next) != OK {
			t.Errorf("the next request has nothing for %s: %v", f.cred, next)
		}
	}
}

func TestWrongPasswordIsToldOnce(t *testing.T) {
	t.Parallel()
	far := newFarEnd(t, "WWW-Authenticate", "r")
	l := NewLogin("me", "wrong")
	a := l.Attempt()
	if !a.Challenged(ask(false, far)) || far.verdict(send(a)) != Bad {
		t.Fatal("the first challenge is not answered")
	}
	if a.Challenged(ask(false, far)) {
		t.Error("the wrong password is sent again")
	}
	if got := send(l.Attempt()); len(got) != 0 {
		t.Errorf("the next request goes with %v", got)
	}
	endless := l.Attempt()
	rounds := 0
	for endless.Challenged(ask(true, far)) {
		rounds++
	}
	if rounds != maxRounds {
		t.Errorf("%d rounds with a far end that finds every nonce stale", rounds)
	}
	if NewLogin("", "p").Attempt().Challenged(ask(false, far)) {
		t.Error("an empty user answers")
	}
}

func TestLoginAuthInt(t *testing.T) {
	t.Parallel()
	a := NewLogin("me", "p").Attempt()
	if !a.Challenged(func(h string) []string {
		if h == "WWW-Authenticate" {
			return []string{`Digest realm="r", nonce="n", qop="auth-int"`}
		}
		return nil
	}) {
		t.Fatal("not answered")
	}
	h := a.Headers("INVITE", "sip:x", []byte("body"))
	ps, err := parseDigest(h[0].Value)
	if err != nil {
		t.Fatal(err)
	}
	want := MD5.digest(NewCredential("me", "r", "p").HA1[MD5], "n", "00000001", ps["cnonce"], "auth-int",
		MD5.digest("INVITE", "sip:x", MD5.digest("body")))
	if ps["response"] != want || ps["qop"] != "auth-int" {
		t.Errorf("%v, want response %s", h, want)
	}
}

func TestLoginRemembersAFewRealms(t *testing.T) {
	t.Parallel()
	l := NewLogin("me", "p")
	for i := range 40 {
		l.Attempt().Challenged(ask(false, newFarEnd(t, "WWW-Authenticate", fmt.Sprint(i))))
	}
	many := make([]*farEnd, 40)
	for i := range many {
		many[i] = newFarEnd(t, "Proxy-Authenticate", fmt.Sprint("p", i))
	}
	l.Attempt().Challenged(ask(false, many...))
	if n := len(send(l.Attempt())); n != maxRealms {
		t.Errorf("%d realms are remembered", n)
	}
}

func TestLoginCountsUnderConcurrency(t *testing.T) {
	t.Parallel()
	far := newFarEnd(t, "WWW-Authenticate", "r")
	l := NewLogin("me", "p")
	l.Attempt().Challenged(ask(false, far))
	var done sync.WaitGroup
	for range 8 {
		done.Go(func() {
			for range 50 {
				if v := far.verdict(send(l.Attempt())); v != OK && v != Stale { // stale: overtaken by more than the window
					t.Errorf("%v", v)
				}
			}
		})
	}
	done.Wait()
}

func TestLoginDoesNotPrint(t *testing.T) {
	t.Parallel()
	l := NewLogin("me", "hunter2")
	if s := fmt.Sprintf("%v %+v %#v %s", l, l, l, l); strings.Contains(s, "hunter2") || !strings.Contains(s, "me") {
		t.Errorf("printed as %s", s)
	}
}

// A trunk whose SHA-256 is broken is answered by MD5, and one that may only be answered by
// SHA-256 gets no weaker answer.
func TestLoginByAlgorithm(t *testing.T) {
	t.Parallel()
	both, old := newFarEnd(t, "WWW-Authenticate", "r"), newFarEnd(t, "WWW-Authenticate", "r", MD5)
	l := NewLogin("me", "p", MD5)
	a := l.Attempt()
	if !a.Challenged(ask(false, both)) {
		t.Fatal("the challenge is not answered")
	}
	if h := send(a); both.verdict(h) != OK || !strings.Contains(h[0].Value, "algorithm=MD5") {
		t.Errorf("answered with %v", h)
	}
	strong := NewLogin("me", "p", SHA256).Attempt()
	if strong.Challenged(ask(false, old)) || len(send(strong)) > 0 {
		t.Error("MD5 is answered where SHA-256 alone may be")
	}
}

// A far end that has our password by MD5 only asks for that after our SHA-256.
func TestLoginIsAskedForMD5(t *testing.T) {
	t.Parallel()
	both, old := newFarEnd(t, "WWW-Authenticate", "r"), newFarEnd(t, "WWW-Authenticate", "r", MD5)
	a := NewLogin("me", "p").Attempt()
	if !a.Challenged(ask(false, both)) || !a.Challenged(ask(false, old)) || old.verdict(send(a)) != OK {
		t.Error("the second challenge is not answered by MD5")
	}
	if a.Challenged(ask(false, old)) {
		t.Error("a refused password is sent again")
	}
}
