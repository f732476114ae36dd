package web

import "net/http"

// Bans are the sources that are not listened to.
type Bans interface {
	// Bans returns them, the latest first.
	Bans() []Ban
	// LiftBan listens to a source again; false if it is not banned.
	LiftBan(source string) bool
}

// Ban is a source that is not listened to for a time.
type Ban struct {
	Source   string `json:"source"` // an address, or a /64 of IPv6
	SinceMS  int64  `json:"since_ms"`
	UntilMS  int64  `json:"until_ms"`
	Failures int    `json:"failures"` // that led to it; 0: it named itself a scanner
}

func (a *API) listBans(*http.Request) (any, error) { return listOf(a.o.Bans.Bans(), ""), nil }

func (a *API) liftBan(r *http.Request) (any, error) {
	source := r.PathValue("source")
	if !a.o.Bans.LiftBan(source) {
		return nil, problem(http.StatusNotFound, "%q is not banned", source)
	}
	return struct {
		Source string `json:"source"`
	}{source}, nil
}
