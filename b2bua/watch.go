package b2bua

import (
	"sync"
	"time"
)

// Happening is something that a script may watch while it waits for something else.
type Happening struct {
	Kind  string // refer, dtmf, hold, resume, info; silence; hangup; in a conference speaks, quiet
	Leg   *Leg   // whose far end did it
	Value string // refer: the URI that the REFER points to; dtmf: the digit; info: the body; speaks, quiet: the room
}

// watchers are those who want to know what happens in a call.
type watchers struct {
	mu    sync.Mutex
	funcs map[int]func(Happening)
	n     int
}

// Watch calls f with all that happens from now on until stop is called. f runs on the
// call's goroutine: it must not block and must not use the call's methods that wait.
func (c *Call) Watch(f func(Happening)) (stop func()) {
	w := &c.watchers
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.funcs == nil {
		w.funcs = map[int]func(Happening){}
	}
	w.n++
	n := w.n
	w.funcs[n] = f
	return func() {
		w.mu.Lock()
		defer w.mu.Unlock()
		delete(w.funcs, n)
	}
}

// happened tells the watchers.
func (c *Call) happened(h Happening) {
	if h.Leg != nil {
		h.Leg = h.Leg.origin()
	}
	c.watchers.mu.Lock()
	defer c.watchers.mu.Unlock()
	for _, f := range c.watchers.funcs {
		f(h)
	}
}

// silenceAfter is for how long a far end must be silent before Watch tells of it.
const silenceAfter = 2 * time.Second

// WatchSilence makes Watch tell of it, as "silence", when the caller has said nothing for 2 s;
// once for each silence. The caller's sound is decoded from then on.
func (c *Call) WatchSilence() {
	c.box.post(do(func(c *Call) {
		c.wantsSilence = true
		c.first.now().watchSilence()
	}))
}

// watchSilence begins to listen once there is something to listen to.
func (l *Leg) watchSilence() {
	if c := l.call(); c.wantsSilence && l == c.first.now() && l.media != nil && l.state == legAnswered {
		l.media.WatchVoice(silenceAfter)
	}
}
