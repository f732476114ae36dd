package metrics

import (
	"strconv"

	"github.com/prometheus/client_golang/prometheus"
)

// Gauges is how the server is at the moment, and what its parts count themselves.
type Gauges struct {
	Version string

	Calls, CallsLimit        int
	Dialogs                  int
	ServerTransactions       int
	ClientTransactions       int
	Registrations            int
	Subscriptions            int
	Banned                   int
	Draining                 bool
	Panics                   int64
	PortsFree, PortsUsed     int
	Trunks                   []Trunk
	Messages                 []Messages
	Resent                   uint64 // messages sent again for want of an answer
	Bad, Dropped, SendErrors uint64 // messages that were not valid, of no use, and that could not be sent
	Connections              int

	Generation    int64
	ReloadFailed  bool
	Generations   int
	StoreQueued   int
	StoreSpooled  int
	StoreWritten  uint64
	StoreDropped  uint64
	StoreFailing  bool
	EventsStreams int
}

// Trunk is the state of one.
type Trunk struct {
	Name         string
	Up           bool
	Calls, Limit int // Limit 0: none
}

// Messages is how many of a kind went one way.
type Messages struct {
	Received bool
	Method   string // of requests
	Code     int    // of responses
	Count    uint64
}

// scraped turns Gauges into metrics at each scrape.
type scraped struct{ gauges func() Gauges }

// gauge is one number of Gauges.
type gauge struct {
	name, help string
	kind       prometheus.ValueType
	value      func(*Gauges) float64
}

func number[T int | int64 | uint64](of func(*Gauges) T) func(*Gauges) float64 {
	return func(g *Gauges) float64 { return float64(of(g)) }
}

func flag(of func(*Gauges) bool) func(*Gauges) float64 {
	return func(g *Gauges) float64 {
		if of(g) {
			return 1
		}
		return 0
	}
}

func gauges() []gauge {
	const state, count = prometheus.GaugeValue, prometheus.CounterValue
	return []gauge{
		{"tandem_calls", "Calls in progress.", state, number(func(g *Gauges) int { return g.Calls })},
		{"tandem_calls_limit", "Calls that may be in progress at once; 0: no limit.", state, number(func(g *Gauges) int { return g.CallsLimit })},
		{"tandem_dialogs", "SIP dialogs open. A call has one for each leg.", state, number(func(g *Gauges) int { return g.Dialogs })},
		{"tandem_registrations", "Contacts that phones have registered.", state, number(func(g *Gauges) int { return g.Registrations })},
		{"tandem_subscriptions", "Subscriptions to lamps and waiting messages.", state, number(func(g *Gauges) int { return g.Subscriptions })},
		{"tandem_banned_sources", "Sources that are not listened to.", state, number(func(g *Gauges) int { return g.Banned })},
		{"tandem_draining", "1 while no new calls are taken.", state, flag(func(g *Gauges) bool { return g.Draining })},
		{"tandem_panics_total", "Faults of ours that were caught: each ended one call or message.", count, number(func(g *Gauges) int64 { return g.Panics })},
		{"tandem_sip_retransmissions_total", "Messages sent again for want of an answer.", count, number(func(g *Gauges) uint64 { return g.Resent })},
		{"tandem_sip_bad_total", "Messages received that were not valid SIP.", count, number(func(g *Gauges) uint64 { return g.Bad })},
		{"tandem_sip_dropped_total", "Datagrams and streams received with nothing of use in them.", count, number(func(g *Gauges) uint64 { return g.Dropped })},
		{"tandem_sip_send_errors_total", "Messages that could not be sent.", count, number(func(g *Gauges) uint64 { return g.SendErrors })},
		{"tandem_sip_connections", "TCP, TLS and WebSocket connections open.", state, number(func(g *Gauges) int { return g.Connections })},
		{"tandem_scripts_generation", "The generation of scripts in force.", state, number(func(g *Gauges) int64 { return g.Generation })},
		{"tandem_scripts_generations", "Generations that calls still run on.", state, number(func(g *Gauges) int { return g.Generations })},
		{"tandem_scripts_broken", "1 when the last reload failed, so that an older generation is in force.", state, flag(func(g *Gauges) bool { return g.ReloadFailed })},
		{"tandem_store_queue", "Rows that wait to be written.", state, number(func(g *Gauges) int { return g.StoreQueued })},
		{"tandem_store_spooled", "Records that wait on disk for a store that cannot take them.", state, number(func(g *Gauges) int { return g.StoreSpooled })},
		{"tandem_store_written_total", "Calls whose records were written.", count, number(func(g *Gauges) uint64 { return g.StoreWritten })},
		{"tandem_store_dropped_total", "Changes to records that were lost for want of room.", count, number(func(g *Gauges) uint64 { return g.StoreDropped })},
		{"tandem_store_failing", "1 while records cannot be written.", state, flag(func(g *Gauges) bool { return g.StoreFailing })},
		{"tandem_event_listeners", "Clients that listen to GET /events.", state, number(func(g *Gauges) int { return g.EventsStreams })},
	}
}

func desc(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc(name, help, labels, nil)
}

// Describe says nothing: what is collected is checked when it is.
func (s *scraped) Describe(chan<- *prometheus.Desc) {}

// Collect asks how things are.
func (s *scraped) Collect(out chan<- prometheus.Metric) {
	g := s.gauges()
	put := func(d *prometheus.Desc, kind prometheus.ValueType, v float64, labels ...string) {
		out <- prometheus.MustNewConstMetric(d, kind, v, labels...)
	}
	for _, one := range gauges() {
		put(desc(one.name, one.help), one.kind, one.value(&g))
	}
	put(desc("tandem_info", "1, with the version.", "version"), prometheus.GaugeValue, 1, g.Version)
	ports := desc("tandem_media_ports", "Even RTP ports of the range, by state.", "state")
	put(ports, prometheus.GaugeValue, float64(g.PortsFree), "free")
	put(ports, prometheus.GaugeValue, float64(g.PortsUsed), "used")
	transactions := desc("tandem_transactions", "SIP transactions under way, by our side.", "side")
	put(transactions, prometheus.GaugeValue, float64(g.ServerTransactions), "server")
	put(transactions, prometheus.GaugeValue, float64(g.ClientTransactions), "client")
	collectTrunks(g.Trunks, put)
	collectMessages(g.Messages, put)
}

func collectTrunks(trunks []Trunk, put func(*prometheus.Desc, prometheus.ValueType, float64, ...string)) {
	up := desc("tandem_trunk_up", "1 when a host of the trunk answers and its registration, if it has one, stands.", "trunk")
	calls := desc("tandem_trunk_calls", "Calls over the trunk in progress.", "trunk")
	limit := desc("tandem_trunk_calls_limit", "Calls that the trunk may carry at once; 0: no limit.", "trunk")
	for _, t := range trunks {
		state := 0.0
		if t.Up {
			state = 1
		}
		put(up, prometheus.GaugeValue, state, t.Name)
		put(calls, prometheus.GaugeValue, float64(t.Calls), t.Name)
		put(limit, prometheus.GaugeValue, float64(t.Limit), t.Name)
	}
}

func collectMessages(list []Messages, put func(*prometheus.Desc, prometheus.ValueType, float64, ...string)) {
	requests := desc("tandem_sip_requests_total", "SIP requests, by direction (rx, tx) and method.", "direction", "method")
	responses := desc("tandem_sip_responses_total", "SIP responses, by direction (rx, tx) and code.", "direction", "code")
	for _, m := range list {
		direction := "tx"
		if m.Received {
			direction = "rx"
		}
		if m.Method != "" {
			put(requests, prometheus.CounterValue, float64(m.Count), direction, m.Method)
		} else {
			put(responses, prometheus.CounterValue, float64(m.Count), direction, strconv.Itoa(m.Code))
		}
	}
}
