package web

import "net/http"

// Status is how the server is.
type Status struct {
	Version       string        `json:"version"`
	Commit        string        `json:"commit"`
	Go            string        `json:"go"`
	StartedMS     int64         `json:"started_ms"`
	UptimeMS      int64         `json:"uptime_ms"`
	Draining      bool          `json:"draining"`
	SIP           []string      `json:"sip"` // listeners
	HTTP          string        `json:"http"`
	Calls         int           `json:"calls"`
	CallsLimit    int           `json:"calls_limit"`     // 0: none
	Dialogs       int           `json:"dialogs"`         // of the calls, two or more each; those that only grow are leaked
	Merged        uint64        `json:"merged_requests"` // refused with 482 since the start: the same came twice, by different ways
	Resent        uint64        `json:"resent"`          // messages sent again since the start for want of an answer
	Registrations int           `json:"registrations"`
	Media         MediaStatus   `json:"media"`
	Scripts       ScriptsStatus `json:"scripts"`
	Store         StoreStatus   `json:"store"`
	Panics        int64         `json:"panics"` // caught since the start
	Banned        int           `json:"banned"` // sources that are not listened to
	Bans          []Ban         `json:"bans"`   // the latest of them
}

// MediaStatus is how the RTP ports are used.
type MediaStatus struct {
	PortsFree int `json:"ports_free"`
	PortsUsed int `json:"ports_used"`
}

// StoreStatus is how the keeping of records goes.
type StoreStatus struct {
	URL     string `json:"url"`
	Queued  int    `json:"queued"`  // records in memory
	Spooled int    `json:"spooled"` // records on disk that the store has not taken yet
	Written uint64 `json:"written"`
	Dropped uint64 `json:"dropped"`
	Error   string `json:"error"` // "" while all is well
}

func (a *API) status(r *http.Request) (any, error) { return a.o.Server.Status(r.Context()), nil }

type health struct {
	Status string `json:"status"`
}

func (a *API) healthz(*http.Request) (any, error) { return health{"ok"}, nil }

func (a *API) readyz(*http.Request) (any, error) {
	if a.o.Server.Draining() {
		return nil, problem(http.StatusServiceUnavailable, "draining: no new calls are taken")
	}
	return health{"ready"}, nil
}
