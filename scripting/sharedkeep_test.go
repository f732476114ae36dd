package scripting

import (
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"
)

// What is to be kept is told as it changes, in order, and comes back with the time it has left.
func TestSharedKeep(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	var told []string
	kept := map[string]SharedValue{}
	e := emptyEngine(t, func(o *Options) {
		o.OnShared = func(v SharedValue) {
			mu.Lock()
			defer mu.Unlock()
			told = append(told, fmt.Sprintf("%s=%v", v.Key, v.Value))
			kept[v.Key] = v
		}
	})
	if _, err := eval(t, e, `
		shared.set("not", 1)
		shared.set("a", { x = 1 }, { persist = true, ttl = 100 })
		shared.incr("n", 2, { persist = true })
		shared.incr("n")
		shared.update("n", function(n) return n * 2 end)
		shared.update("u", function() return "new" end, { persist = true })
		shared.set("u", "gone again")
		shared.set("d", 1, { persist = true })
		shared.delete("d")`); err != nil {
		t.Fatal(err)
	}
	want := "a=map[x:1] n=2 n=3 n=6 u=new u=<nil> d=1 d=<nil>"
	if got := strings.Join(told, " "); got != want {
		t.Errorf("told %s\nwant %s", got, want)
	}
	if left := time.Until(kept["a"].Expires); left < 50*time.Second || left > 101*time.Second {
		t.Errorf("a expires in %v", left)
	}
	again := emptyEngine(t, func(o *Options) { o.Shared = []SharedValue{kept["a"], kept["n"]} })
	if got, err := eval(t, again, `return shared.get("a").x .. " " .. shared.incr("n") .. tostring(shared.get("u"))`); err != nil || got != "1 7nil" {
		t.Errorf("after a restart: %s, %v", got, err)
	}
}

// What callers can make up is bounded, and what has expired makes room.
func TestSharedKeepIsBounded(t *testing.T) {
	t.Parallel()
	e := emptyEngine(t, nil)
	s := e.shared
	for i := range maxSharedKept {
		l := life{keep: true}
		if i == 7 {
			l.ttl = time.Nanosecond
		}
		if err := s.set(fmt.Sprint(i), true, l); err != nil {
			t.Fatal(i, err)
		}
	}
	time.Sleep(time.Microsecond)
	if err := s.set("one more", true, life{keep: true}); err != nil {
		t.Errorf("one has expired: %v", err)
	}
	if err := s.set("too many", true, life{keep: true}); err != errSharedFull {
		t.Errorf("too many: %v", err)
	}
	if err := s.set("5", false, life{keep: true}); err != nil {
		t.Errorf("one that is there: %v", err)
	}
	if err := s.set("not kept", true, life{}); err != nil {
		t.Error(err)
	}
}
