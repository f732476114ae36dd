package web

import "net/http"

// Registration is one contact of a user.
type Registration struct {
	User      string  `json:"user"`
	Contact   string  `json:"contact"` // its URI
	Source    string  `json:"source"`  // where it registered from: udp:192.0.2.1:5060
	Transport string  `json:"transport"`
	NAT       bool    `json:"nat"`      // it says that it is elsewhere than it sends from
	Path      string  `json:"path"`     // the proxies that it registered through, RFC 3327; "" for none
	Since     int64   `json:"since_ms"` // when it was first bound
	Expires   int64   `json:"expires"`  // seconds left
	Q         float64 `json:"q"`
	UserAgent string  `json:"user_agent"`
}

func (a *API) registrations(*http.Request) (any, error) {
	return listOf(a.o.Registrations.Registrations(), ""), nil
}
