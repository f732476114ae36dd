package scripting

import (
	"slices"
	"strings"
	"sync"

	lua "github.com/yuin/gopher-lua"

	"tandem/b2bua"
)

// happenings are what call:on can watch.
func happenings() []string {
	return []string{"dtmf", "hangup", "hold", "resume", "refer", "info", "silence"}
}

func onFunction() function {
	return function{name: "on",
		params: []field{{"event", `"dtmf"|"hangup"|"hold"|"resume"|"refer"|"info"|"silence"`, ""}, {"fn", "fun(value: string, who: string)", "what to run"}},
		doc: "Runs fn each time something happens, while the script is inside a function that waits. It only watches: digits still reach gather, a REFER is still carried out. " +
			"silence comes once each time the caller has said nothing for 2 s, whatever hiss the line has. value is the digit, the URI of the REFER or the body of the INFO, else empty; who is \"caller\" or \"callee\".",
		example: "call:on(\"refer\", function(uri) log.info(\"transferred\", { to = uri }) end)", run: callOn}
}

// watching runs the functions of call:on one after the other, in a goroutine of its own
// that holds the state's baton while it does.
type watching struct {
	r    *running
	stop func() // no more happenings
	done chan struct{}

	mu    sync.Mutex
	fns   map[string][]*lua.LFunction
	queue []b2bua.Happening
	ended bool
	wake  chan struct{}
	gone  sync.Once
}

// watchCap bounds the happenings that wait while a script does not.
const watchCap = 256

func callOn(s *state, L *lua.LState) int {
	a := method(L, "call:on")
	c, event := a.call(), a.str(1, "event")
	if !slices.Contains(happenings(), event) {
		a.fail("event: %q is not one of %s", event, strings.Join(happenings(), ", "))
	}
	fn, ok := a.at(2).(*lua.LFunction)
	if !ok {
		a.wrong("fn", "a function", a.at(2))
	}
	o := L.Get(1).(*lua.LUserData).Value.(*callObject)
	if o.finished {
		return failed(L, "hangup") // no script serves it any more
	}
	w := o.watching
	if w == nil {
		w = &watching{r: s.service(o), done: make(chan struct{}), fns: map[string][]*lua.LFunction{}, wake: make(chan struct{}, 1)}
		w.stop = c.Watch(w.happened)
		o.watching = w
		go w.run()
		if o.ended() {
			w.hungUp()
		}
	}
	if event == "silence" {
		c.WatchSilence()
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.fns[event] = append(w.fns[event], fn)
	return push(L, lua.LTrue)
}

// happened is called on the call's goroutine.
func (w *watching) happened(h b2bua.Happening) {
	if h.Kind == "hangup" {
		w.hungUp()
		return
	}
	w.add(h)
}

func (w *watching) add(h b2bua.Happening) {
	w.mu.Lock()
	if len(w.fns[h.Kind]) > 0 && len(w.queue) < watchCap {
		w.queue = append(w.queue, h)
	}
	w.mu.Unlock()
	w.ring()
}

// hungUp tells once that the call has ended.
func (w *watching) hungUp() { w.gone.Do(func() { w.add(b2bua.Happening{Kind: "hangup"}) }) }

func (w *watching) ring() {
	select {
	case w.wake <- struct{}{}:
	default:
	}
}

func (w *watching) run() {
	defer close(w.done)
	for range w.wake {
		for {
			w.mu.Lock()
			if len(w.queue) == 0 {
				over := w.ended
				w.mu.Unlock()
				if over {
					return
				}
				break
			}
			h := w.queue[0]
			w.queue = w.queue[1:]
			fns := slices.Clone(w.fns[h.Kind])
			w.mu.Unlock()
			for _, fn := range fns {
				w.call(fn, h)
			}
		}
	}
}

// call runs one function; its error is logged and kept in the record, the call goes on.
func (w *watching) call(fn *lua.LFunction, h b2bua.Happening) {
	who := "caller"
	if h.Leg != nil && h.Leg.Seq() > 0 {
		who = "callee"
	}
	w.r.run(`call:on("`+h.Kind+`")`, fn, lua.LString(h.Value), lua.LString(who))
}

// close runs what still waits and ends the watching. The baton is free.
func (w *watching) close() {
	w.stop()
	w.hungUp() // when the script that serves a call returns, the call ends
	w.mu.Lock()
	w.ended = true
	w.mu.Unlock()
	w.ring()
	<-w.done
}
