package web

import (
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

// authorized lets a request through that carries the token, if there is one.
func (a *API) authorized(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if err := a.access.Load().authorize(r); err != nil {
			w.Header().Set("WWW-Authenticate", `Bearer realm="tandem"`)
			a.fail(w, r, err)
			return
		}
		next.ServeHTTP(w, r)
	})
}

func (c *Access) authorize(r *http.Request) error {
	if c.Token == "" {
		return nil
	}
	scheme, given, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	if !strings.EqualFold(scheme, "Bearer") {
		return problem(http.StatusUnauthorized, "a token is needed: Authorization: Bearer TOKEN")
	}
	// Hashes are of one length, so that the time tells nothing of the token's.
	want, have := sha256.Sum256([]byte(c.Token)), sha256.Sum256([]byte(strings.TrimSpace(given)))
	if subtle.ConstantTimeCompare(want[:], have[:]) != 1 {
		return problem(http.StatusUnauthorized, "the token is wrong")
	}
	return nil
}

// printable bounds what a stranger sends before it goes into an answer or a log.
func printable(s string) string { return strings.ToValidUTF8(s[:min(len(s), 100)], "?") }
