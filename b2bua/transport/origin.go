package transport

import (
	"fmt"
	"net/http"
	"net/netip"
	"net/url"
	"path"
	"strings"
)

// checkOrigin decides whose web pages may open a WebSocket. Browsers name the page's origin in
// every such request, and other programs none. It matters because a page from anywhere runs in
// a browser that may sit at an address which needs no password.
//
// Allowed are the origins in Options.Origins, pages of our own domain, and pages from the host
// that the WebSocket itself is asked of. The last needs care: for a name that its owner points
// at us (DNS rebinding), the two are equal as well. A certificate rules that out, and an address
// is not a name.
func (l *Layer) checkOrigin(req *http.Request, p Proto) error {
	origin := req.Header.Get("Origin")
	if origin == "" {
		return nil
	}
	for _, pattern := range l.origins() {
		if ok, err := path.Match(strings.ToLower(pattern), strings.ToLower(origin)); ok && err == nil || pattern == "*" {
			return nil
		}
	}
	page, err := url.Parse(origin)
	if err == nil && page.Hostname() != "" {
		from, asked := strings.ToLower(page.Hostname()), hostOnly(req.Host)
		switch {
		case l.o.Domain != "" && strings.EqualFold(from, l.o.Domain):
			return nil
		case loopbackName(from) && loopbackName(asked):
			return nil
		case from == asked && (p == WSS || isAddr(from)):
			return nil
		}
	}
	return fmt.Errorf("WebSocket from a page of %.80q refused", origin)
}

func (l *Layer) origins() []string {
	if list := l.allowed.Load(); list != nil {
		return *list
	}
	return nil
}

// SetOrigins replaces Options.Origins for WebSockets opened from now on.
func (l *Layer) SetOrigins(patterns []string) { l.allowed.Store(&patterns) }

// hostOnly is a Host header without its port.
func hostOnly(host string) string {
	u := url.URL{Host: strings.ToLower(host)}
	return u.Hostname()
}

func isAddr(host string) bool {
	_, err := netip.ParseAddr(host)
	return err == nil
}

func loopbackName(host string) bool {
	a, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && a.IsLoopback()
}
