package web

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"
)

// admit refuses what a page of a stranger can make a browser send to us: a request
// under a host name of theirs (DNS rebinding), and a change from another origin.
func (c *Access) admit(r *http.Request) error {
	if !c.ownHost(r.Host) {
		return problem(http.StatusForbidden, "host %q is not one of ours: name it in [http] hosts", printable(r.Host))
	}
	if origin := r.Header.Get("Origin"); origin != "" && changes(r.Method) && !sameOrigin(origin, r.Host) {
		return problem(http.StatusForbidden, "requests from the origin %q may not change anything", printable(origin))
	}
	return nil
}

// ownHost tells whether a Host header is an address, localhost or a name of ours.
func (c *Access) ownHost(hostport string) bool {
	host := hostname(hostport)
	if _, err := netip.ParseAddr(host); err == nil {
		return true
	}
	return strings.EqualFold(host, "localhost") ||
		slices.ContainsFunc(c.Hosts, func(own string) bool { return strings.EqualFold(host, own) })
}

// hostname is a Host header without its port and brackets.
func hostname(hostport string) string {
	u := url.URL{Host: hostport}
	return u.Hostname()
}

func sameOrigin(origin, host string) bool {
	u, err := url.Parse(origin)
	return err == nil && u.Host != "" && strings.EqualFold(u.Host, host)
}

func changes(method string) bool {
	return method != http.MethodGet && method != http.MethodHead && method != http.MethodOptions
}

// authorized lets a request through that carries a token, or a session's cookie, if there is
// a token at all. A reader's may not change anything.
func (a *API) authorized(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		role, err := a.authorize(r)
		if err != nil {
			w.Header().Set("WWW-Authenticate", `Bearer realm="tandem"`)
			a.fail(w, r, err)
			return
		}
		if role != Admin && changes(r.Method) {
			a.fail(w, r, problem(http.StatusForbidden, "this token may look and not change anything"))
			return
		}
		next.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), roleKey{}, role)))
	})
}

type roleKey struct{}

// roleIn is what the sender of an authorized request may do.
func roleIn(r *http.Request) Role {
	role, _ := r.Context().Value(roleKey{}).(Role)
	return role
}

func (a *API) authorize(r *http.Request) (Role, error) {
	c := a.access.Load()
	if c.open() {
		return Admin, nil
	}
	if cookie, err := r.Cookie(sessionCookie); err == nil && r.Header.Get("Authorization") == "" {
		if role, _ := a.sessions.check(cookie.Value, c); role != Nobody {
			return role, nil
		}
		return Nobody, problem(http.StatusUnauthorized, "the session has ended: POST /api/v1/session opens one")
	}
	token, err := bearer(r)
	if err != nil {
		return Nobody, err
	}
	if role := c.roleOf(token); role != Nobody {
		return role, nil
	}
	return Nobody, problem(http.StatusUnauthorized, "the token is wrong")
}

// open tells whether everyone may do everything.
func (c *Access) open() bool { return c.Token == "" }

// bearer is the token in a request's header.
func bearer(r *http.Request) (string, error) {
	scheme, given, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	if !strings.EqualFold(scheme, "Bearer") {
		return "", problem(http.StatusUnauthorized, "a token is needed: Authorization: Bearer TOKEN")
	}
	return strings.TrimSpace(given), nil
}

// roleOf says what the bearer of a token may do. It takes as long for a wrong one as for a right one.
func (c *Access) roleOf(token string) Role {
	admin, reader := same(token, c.Token), same(token, c.ReadToken)
	switch {
	case admin:
		return Admin
	case reader:
		return Reader
	}
	return Nobody
}

// tokenOf is the token that makes somebody a role's bearer; "" where there is none.
func (c *Access) tokenOf(role Role) string {
	switch role {
	case Admin:
		return c.Token
	case Reader:
		return c.ReadToken
	}
	return ""
}

// same compares with a token that must not be empty. Hashes are of one length, so that the
// time tells nothing of the token's.
func same(given, token string) bool {
	want, have := sha256.Sum256([]byte(token)), sha256.Sum256([]byte(given))
	return subtle.ConstantTimeCompare(want[:], have[:]) == 1 && token != ""
}

// printable bounds what a stranger sends before it goes into an answer or a log.
func printable(s string) string { return strings.ToValidUTF8(s[:min(len(s), 100)], "?") }
