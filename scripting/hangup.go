package scripting

import (
	"encoding/json"
	"errors"
	"sync"
	"time"

	lua "github.com/yuin/gopher-lua"

	"tandem/clock"
	"tandem/store"
)

// errSlowHangup ends an on_hangup that takes too long.
var errSlowHangup = errors.New("on_hangup went on for over 5s")

const (
	// maxFinished is how many records wait for on_hangup; beyond it they are left out.
	maxFinished = 10_000
	// maxTelling is how many on_hangup handlers run at once.
	maxTelling = 64
)

// hangups are the finished records that plugins are still to be told of. No call waits for
// them: goroutines take them from the queue, and end when it is empty.
type hangups struct {
	mu      sync.Mutex
	queue   []store.Call
	telling int           // goroutines
	idle    chan struct{} // closed when the last of them ends, once somebody waits for it
	dropped int64
	warned  time.Time
}

// Finished lets each plugin's on_hangup look at a finished record. It never blocks; when
// too many wait, the record is left out, counted and, now and then, logged.
func (e *Engine) Finished(c *store.Call) {
	if !e.Asks("on_hangup") {
		return
	}
	h := &e.hangups
	h.mu.Lock()
	defer h.mu.Unlock()
	if len(h.queue) >= maxFinished {
		h.dropped++
		if now := e.o.Clock.Now(); now.Sub(h.warned) > time.Minute {
			h.warned = now
			e.o.Log.Warn("on_hangup is slower than calls end: records are not shown to scripts", "left_out", h.dropped)
		}
		return
	}
	h.queue = append(h.queue, *c)
	if h.telling < maxTelling {
		h.telling++
		go e.tell()
	}
}

// tell works until the queue is empty.
func (e *Engine) tell() {
	h := &e.hangups
	for {
		h.mu.Lock()
		if len(h.queue) == 0 {
			h.telling--
			if h.telling == 0 && h.idle != nil {
				close(h.idle)
				h.idle = nil
			}
			h.mu.Unlock()
			return
		}
		c := h.queue[0]
		h.queue[0] = store.Call{}
		h.queue = h.queue[1:]
		h.mu.Unlock()
		g := e.current.Load()
		for _, p := range g.asks["on_hangup"] {
			e.hungUp(g, p, &c)
		}
	}
}

// hungUp runs one plugin's on_hangup in a state of its own, for as long as clean-up may take.
func (e *Engine) hungUp(g *generation, p *script, c *store.Call) {
	s := newState(e.ctx, e, g, nil)
	defer s.release()
	s.log = e.o.Log.With("call", c.ID)
	late := e.o.Clock.AfterFunc(tidyUp, func() { s.endOwn(errSlowHangup) })
	defer late.Stop()
	if _, err := s.askPlugin(s.L, p, "on_hangup", RecordTable(c)); err != nil {
		s.log.Error("script: "+err.Message, "script", p.name, "handler", "on_hangup", "generation", g.id, "traceback", err.Traceback)
	}
}

// drain waits until all finished records have been told, but not longer than they may take.
func (h *hangups) drain(c clock.Clock) {
	h.mu.Lock()
	if h.telling == 0 {
		h.mu.Unlock()
		return
	}
	idle := make(chan struct{})
	h.idle = idle
	h.mu.Unlock()
	late := make(chan struct{})
	defer c.AfterFunc(tidyUp, func() { close(late) }).Stop()
	select {
	case <-idle:
	case <-late:
	}
}

// RecordTable is a row of calls for Lua; what is not known is nil.
func RecordTable(c *store.Call) *lua.LTable {
	fields := c.Fields()
	t := newTable(0, len(fields))
	for _, f := range fields {
		switch v := f.Value().(type) {
		case int64:
			t.RawSetString(f.Name, lua.LNumber(v))
		case float64:
			t.RawSetString(f.Name, lua.LNumber(v))
		case string:
			var data any
			if f.Kind == store.JSON && json.Unmarshal([]byte(v), &data) == nil {
				t.RawSetString(f.Name, fromGo(data))
				continue
			}
			t.RawSetString(f.Name, lua.LString(v))
		}
	}
	if t.RawGetString("vars") == lua.LNil {
		t.RawSetString("vars", newTable(0, 0))
	}
	return t
}
