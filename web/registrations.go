package web

import "net/http"

// Registration is one contact of a user.
type Registration struct {
	User      string  `json:"user"`
	Contact   string  `json:"contact"` // its URI
	Source    string  `json:"source"`  // where it registered from: udp:192.0.2.1:5060
	Expires   int64   `json:"expires"` // seconds left
	Q         float64 `json:"q"`
	UserAgent string  `json:"user_agent"`
}

func (a *API) registrations(*http.Request) (any, error) {
	return listOf(a.o.Registrations.Registrations(), ""), nil
}
