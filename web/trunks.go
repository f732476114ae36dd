package web

import "net/http"

// Trunks are the ways to carriers and other switches.
type Trunks interface {
	// Trunks returns them in the order of the configuration.
	Trunks() []Trunk
}

// Trunk is how one trunk is.
type Trunk struct {
	Name         string            `json:"name"`
	State        string            `json:"state"` // up, down, unknown, or unregistered
	Calls        int               `json:"calls"` // in use, both directions
	MaxCalls     int               `json:"max_calls"`
	Inbound      int64             `json:"inbound"`       // calls since the start
	Outbound     int64             `json:"outbound"`      // likewise
	SuccessRate  *float64          `json:"success_rate"`  // share answered of the last outbound calls that nobody gave up, 0 to 1; null: no call yet
	MedianPDDMS  *int64            `json:"median_pdd_ms"` // of the last outbound calls; null: none rang
	LastError    string            `json:"last_error"`
	LastErrorMS  *int64            `json:"last_error_ms"`
	Registration TrunkRegistration `json:"registration"`
	Hosts        []TrunkHost       `json:"hosts"`
}

// TrunkRegistration is how we are registered with a trunk.
type TrunkRegistration struct {
	State   string `json:"state"` // off, unregistered, registered, refused
	Host    string `json:"host"`
	UntilMS *int64 `json:"until_ms"`
	Error   string `json:"error"`
}

// TrunkHost is how one address of a trunk is.
type TrunkHost struct {
	Host    string `json:"host"`    // as configured
	Address string `json:"address"` // udp:192.0.2.1:5060; "" while its name is not found
	State   string `json:"state"`   // up, down, unknown
	SinceMS *int64 `json:"since_ms"`
	RTTMS   *int64 `json:"rtt_ms"` // of the last probe; null: not measured
	Error   string `json:"error"`
}

func (a *API) trunks(*http.Request) (any, error) { return listOf(a.o.Trunks.Trunks(), ""), nil }
