// Package metrics counts what the server does, for Prometheus. What has a state of its own is
// asked for when somebody looks (Gauges); what only happens is told by Finished.
package metrics

import (
	"net/http"
	"strings"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"tandem/store"
)

// Metrics is one server's. Its methods are safe for use by many goroutines.
type Metrics struct {
	registry *prometheus.Registry
	calls    *prometheus.CounterVec   // direction, state
	flagged  *prometheus.CounterVec   // flag
	setup    *prometheus.HistogramVec // direction
	pdd      *prometheus.HistogramVec // direction
	length   prometheus.Histogram
	packets  *prometheus.CounterVec // direction
	lost     prometheus.Counter
	mos      prometheus.Histogram
	script   prometheus.Histogram
}

// New makes them; gauges is asked at each scrape and must not block for long.
func New(gauges func() Gauges) *Metrics {
	m := &Metrics{
		registry: prometheus.NewRegistry(),
		calls: counters("tandem_calls_finished_total", "Calls that have ended, by direction and by the state of their record.",
			"direction", "state"),
		flagged: counters("tandem_calls_flagged_total", "Ended calls in which something was wrong, by the flag of their record.", "flag"),
		setup: seconds("tandem_call_setup_seconds", "From the INVITE to the answer, ringing included.",
			[]float64{.01, .05, .1, .5, 1, 2, 5, 10, 15, 20, 30, 60}, "direction"),
		pdd: seconds("tandem_post_dial_delay_seconds", "From the INVITE to the first 18x or 200, as the caller saw it.",
			[]float64{.005, .01, .02, .05, .1, .2, .5, 1, 2, 3, 5, 10, 20}, "direction"),
		length: prometheus.NewHistogram(prometheus.HistogramOpts{Name: "tandem_call_duration_seconds",
			Help: "From the answer to the end, of answered calls.", Buckets: []float64{1, 5, 10, 30, 60, 180, 300, 600, 1800, 3600, 7200}}),
		packets: counters("tandem_rtp_packets_total", "RTP packets of ended calls: rx came in, tx went out.", "direction"),
		lost:    prometheus.NewCounter(prometheus.CounterOpts{Name: "tandem_rtp_lost_packets_total", Help: "RTP packets of ended calls that were sent to us and never came."}),
		mos: prometheus.NewHistogram(prometheus.HistogramOpts{Name: "tandem_leg_mos", Help: "How the legs of ended calls were heard, graded 1 to 5.",
			Buckets: []float64{1.5, 2, 2.5, 3.1, 3.6, 4, 4.3}}),
		script: prometheus.NewHistogram(prometheus.HistogramOpts{Name: "tandem_script_seconds", Help: "Lua time of a call: what its script ran and did not wait.",
			Buckets: []float64{.0001, .0002, .0005, .001, .002, .005, .01, .05, .1, .5, 1, 2}}),
	}
	m.registry.MustRegister(m.calls, m.flagged, m.setup, m.pdd, m.length, m.packets, m.lost, m.mos, m.script,
		&scraped{gauges: gauges}, collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	// Those whose labels are known are there from the start: a rate needs a first value.
	for _, direction := range []string{store.Inbound, store.Outbound, store.Internal} {
		for _, state := range ended() {
			m.calls.WithLabelValues(direction, state)
		}
	}
	for _, direction := range []string{"rx", "tx"} {
		m.packets.WithLabelValues(direction)
	}
	for _, flag := range store.Flags() {
		m.flagged.WithLabelValues(flag)
	}
	return m
}

func counters(name, help string, labels ...string) *prometheus.CounterVec {
	return prometheus.NewCounterVec(prometheus.CounterOpts{Name: name, Help: help}, labels)
}

func seconds(name, help string, buckets []float64, labels ...string) *prometheus.HistogramVec {
	return prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: name, Help: help, Buckets: buckets}, labels)
}

// ended are the states in which a call that we saw the end of can be.
func ended() []string {
	return []string{store.StateAnswered, store.StateBusy, store.StateNoAnswer, store.StateFailed, store.StateCancelled}
}

// Finished counts a call that has ended.
func (m *Metrics) Finished(c *store.Call, legs []store.Leg) {
	m.calls.WithLabelValues(c.Direction, c.State).Inc()
	for flag := range strings.SplitSeq(c.Flags, ",") {
		if flag != "" {
			m.flagged.WithLabelValues(flag).Inc()
		}
	}
	if c.PDDMS > 0 {
		m.pdd.WithLabelValues(c.Direction).Observe(float64(c.PDDMS) / 1000)
	}
	if c.AnswerMS > 0 {
		m.setup.WithLabelValues(c.Direction).Observe(float64(c.AnswerMS-c.StartMS) / 1000)
		m.length.Observe(float64(c.BillableMS) / 1000)
	}
	for i := range legs {
		m.packets.WithLabelValues("rx").Add(float64(max(0, legs[i].RxPackets)))
		m.packets.WithLabelValues("tx").Add(float64(max(0, legs[i].TxPackets)))
		m.lost.Add(float64(max(0, legs[i].Lost)))
		if legs[i].MOS > 0 {
			m.mos.Observe(legs[i].MOS)
		}
	}
}

// Ran counts the Lua time of a call, in seconds.
func (m *Metrics) Ran(seconds float64) { m.script.Observe(seconds) }

// Handler answers a scrape.
func (m *Metrics) Handler() http.Handler {
	return promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{})
}
