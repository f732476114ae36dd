package web

import (
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"tandem/store"
)

const (
	historyStep   = 10 * time.Second
	historyLength = 360 // an hour
	// historySpans bounds the post-dial delays kept of one step, for its percentiles.
	historySpans = 512
)

// Sample is what happened within one step of the last hour.
type Sample struct {
	AtMS          int64            `json:"at_ms"`         // its beginning
	Calls         int              `json:"calls"`         // in progress at its end
	Registrations int              `json:"registrations"` // at its end
	Started       int64            `json:"started"`
	Ended         map[string]int64 `json:"ended"` // by state
	Flags         map[string]int64 `json:"flags"` // of those that ended
	PDDP50MS      *int64           `json:"pdd_p50_ms"`
	PDDP95MS      *int64           `json:"pdd_p95_ms"`

	spans []int64
}

// HourPast is what GET /history gives.
type HourPast struct {
	StepMS int64    `json:"step_ms"`
	Items  []Sample `json:"items"` // the oldest first; the last one is not over yet
}

// History keeps the last hour in steps of ten seconds, in memory. Its methods are safe for use
// by many goroutines.
type History struct {
	now   func() time.Time
	gauge func() (calls, registrations int)

	mu   sync.Mutex
	past []Sample // the oldest first; the last is the present one
}

// NewHistory keeps an empty hour; gauge says how things are at the moment and must not block.
func NewHistory(gauge func() (calls, registrations int)) *History {
	return &History{now: time.Now, gauge: gauge}
}

// Started counts a call that begins.
func (h *History) Started() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.present().Started++
}

// Finished counts a call that has ended.
func (h *History) Finished(c *store.Call) {
	h.mu.Lock()
	defer h.mu.Unlock()
	s := h.present()
	s.Ended[c.State]++
	for flag := range strings.SplitSeq(c.Flags, ",") {
		if flag != "" {
			s.Flags[flag]++
		}
	}
	if c.PDDMS > 0 && len(s.spans) < historySpans {
		s.spans = append(s.spans, c.PDDMS)
	}
}

// Tick notes how things are; it is to be called about once a step.
func (h *History) Tick() {
	calls, registrations := h.gauge()
	h.mu.Lock()
	defer h.mu.Unlock()
	s := h.present()
	s.Calls, s.Registrations = calls, registrations
}

// present is the sample of this moment; h.mu is held. Steps in which nobody looked are filled
// with how things were.
func (h *History) present() *Sample {
	at := h.now().Truncate(historyStep).UnixMilli()
	if n := len(h.past); n == 0 || at-h.past[n-1].AtMS > historyLength*historyStep.Milliseconds() {
		h.past = append(h.past[:0], Sample{AtMS: at, Ended: map[string]int64{}, Flags: map[string]int64{}})
	}
	for last := &h.past[len(h.past)-1]; last.AtMS < at; last = &h.past[len(h.past)-1] {
		last.percentiles()
		if len(h.past) == historyLength {
			h.past = slices.Delete(h.past, 0, 1)
			last = &h.past[len(h.past)-1]
		}
		h.past = append(h.past, Sample{AtMS: last.AtMS + historyStep.Milliseconds(), Calls: last.Calls, Registrations: last.Registrations,
			Ended: map[string]int64{}, Flags: map[string]int64{}})
	}
	return &h.past[len(h.past)-1]
}

// percentiles are by nearest rank.
func (s *Sample) percentiles() {
	if len(s.spans) == 0 {
		return
	}
	slices.Sort(s.spans)
	half, most := s.spans[(len(s.spans)-1)/2], s.spans[(len(s.spans)*95+99)/100-1]
	s.PDDP50MS, s.PDDP95MS, s.spans = &half, &most, nil
}

// Hour is a copy of what is kept.
func (h *History) Hour() HourPast {
	h.Tick()
	h.mu.Lock()
	defer h.mu.Unlock()
	out := HourPast{StepMS: historyStep.Milliseconds(), Items: slices.Clone(h.past)}
	last := &out.Items[len(out.Items)-1]
	last.Ended, last.Flags, last.spans = maps.Clone(last.Ended), maps.Clone(last.Flags), slices.Clone(last.spans)
	last.percentiles()
	return out
}

func (a *API) history(*http.Request) (any, error) { return a.o.History.Hour(), nil }
