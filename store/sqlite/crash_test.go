package sqlite

import (
	"bufio"
	"context"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"testing"
	"time"

	"tandem/store"
)

// crashEnv names the store to a child of this test binary, which then is the server
// that gets killed.
const crashEnv = "TANDEM_TEST_CRASH_STORE"

func TestMain(m *testing.M) {
	if path := os.Getenv(crashEnv); path != "" {
		if err := callsUntilKilled(path); err != nil {
			fmt.Fprintln(os.Stderr, err)
		}
		os.Exit(1)
	}
	os.Exit(m.Run())
}

// flushed is printed in place of a call: what was handed over before that time is on disk.
const flushed = "flushed"

// callsUntilKilled begins a call every millisecond, ends every second one, and prints
// what it hands over; now and then it waits for the disk, and prints that too.
func callsUntilKilled(path string) error {
	s, err := Open(context.Background(), path, Options{Serve: true, Node: "test", Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		return err
	}
	go func() {
		for {
			time.Sleep(100 * time.Millisecond) // between two, batches go by themselves
			asked := time.Now().UnixMilli()
			if s.Flush(context.Background()) == nil {
				fmt.Println(asked, flushed, flushed)
			}
		}
	}()
	for i := 0; ; i++ {
		c := testCall(i)
		c.StartMS = time.Now().UnixMilli()
		s.Open(c)
		fmt.Println(time.Now().UnixMilli(), c.ID, store.StateOpen)
		time.Sleep(time.Millisecond)
		if i%2 == 1 {
			c.State, c.EndMS = store.StateAnswered, time.Now().UnixMilli()
			c.DurationMS = c.EndMS - c.StartMS
			s.Finish(c, []store.Leg{{Seq: 1}, {Seq: 2}}, []store.Event{{AtMS: c.StartMS, Text: "INVITE"}})
			fmt.Println(time.Now().UnixMilli(), c.ID, store.StateAnswered)
		}
	}
}

func TestKill(t *testing.T) {
	t.Parallel()
	_, path := newStore(t, Options{}) // exists, so that a reader may come at any time
	elsewhere := testCall(9_000_000)
	elsewhere.Node = "another-node"
	other := reopen(t, path, Options{})
	other.Open(elsewhere)
	if err := other.Close(); err != nil {
		t.Fatal(err)
	}
	for round := range 3 {
		began := time.Now().UnixMilli()
		k := killed(t, path, time.Duration(400+150*round)*time.Millisecond)
		if k.safe < began {
			t.Fatal("the child was killed before its first flush")
		}
		// With no server running, a reader sees the store as it was left.
		r := reader(t, path)
		if n := count(t, r.db, "SELECT count(*) FROM calls WHERE state = 'open' AND node = 'test'"); n == 0 {
			t.Fatal("no call was open")
		}
		r.Close()
		s := reopen(t, path, Options{Serve: true})
		account(t, s, k)
		if c, _, _, err := s.Call(t.Context(), elsewhere.ID); err != nil || c.State != store.StateOpen {
			t.Errorf("the call of another node: %+v %v", c, err)
		}
		if _, err := s.db.Exec("DELETE FROM calls WHERE node = 'test'; DELETE FROM legs; DELETE FROM timelines"); err != nil {
			t.Fatal(err)
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

// victim is what the child had handed over: when each call began and ended, the last
// time before which all was on disk, and when it was dead.
type victim struct {
	begun, ended map[string]int64
	safe, dead   int64
}

// killed runs the child for a while, reads beside it, and kills it.
func killed(t *testing.T, path string, after time.Duration) victim {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	child := exec.Command(exe)
	child.Env = append(os.Environ(), crashEnv+"="+path)
	child.Stderr = os.Stderr
	out, err := child.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	k := victim{begun: map[string]int64{}, ended: map[string]int64{}}
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		var at int64
		var id, state string
		if n, _ := fmt.Sscan(lines.Text(), &at, &id, &state); n != 3 {
			continue // the line on which it died
		}
		switch state {
		case flushed:
			if k.safe == 0 { // it is up: the clock runs
				time.AfterFunc(after, func() { child.Process.Kill() })
			}
			k.safe = at
		case store.StateOpen:
			k.begun[id] = at
		case store.StateAnswered:
			k.ended[id] = at
		}
		if len(k.begun) == 50 {
			r := reader(t, path)
			if _, _, err := r.Calls(t.Context(), store.Filter{}); err != nil {
				t.Errorf("reading beside the server: %v", err)
			}
			r.Close()
		}
	}
	child.Wait()
	k.dead = time.Now().UnixMilli()
	if child.ProcessState.ExitCode() != -1 {
		t.Fatalf("the child ended by itself: %s", child.ProcessState)
	}
	return k
}

// account holds the store to what was handed over: everything that was safe is there,
// once, whole and in the right state; what was younger may be missing.
func account(t *testing.T, s *Store, k victim) {
	t.Helper()
	missing := 0
	for id, at := range k.begun {
		c, legs, events, err := s.Call(t.Context(), id)
		if err != nil {
			missing++
			if at < k.safe {
				t.Errorf("%s began %d ms before the last flush: %v", id, k.safe-at, err)
			}
			continue
		}
		endedAt, done := k.ended[id]
		switch c.State {
		case store.StateAnswered:
			if len(legs) != 2 || len(events) != 1 {
				t.Errorf("%s is answered with %d legs and %d events", id, len(legs), len(events))
			}
		case store.StateLost:
			if done && endedAt < k.safe {
				t.Errorf("%s is lost though it ended %d ms before the last flush", id, k.safe-endedAt)
			}
			if c.EndMS < k.safe && c.StartMS < k.safe || c.EndMS < c.StartMS || c.EndMS > k.dead {
				t.Errorf("%s is lost at %d: start %d, last flush %d, dead %d", id, c.EndMS, c.StartMS, k.safe, k.dead)
			}
			if c.DurationMS != c.EndMS-c.StartMS || c.ReleasedBy != store.BySystem {
				t.Errorf("%s is lost with duration %d, released by %q", id, c.DurationMS, c.ReleasedBy)
			}
		default:
			t.Errorf("%s is %s", id, c.State)
		}
	}
	t.Logf("%d calls begun, %d ended, %d missing; the last flush was %d ms before the end", len(k.begun), len(k.ended), missing, k.dead-k.safe)
	if n := count(t, s.db, "SELECT count(*) - count(DISTINCT id) FROM calls"); n != 0 {
		t.Errorf("%d calls are doubled", n)
	}
}
