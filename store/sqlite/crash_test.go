package sqlite

import (
	"bufio"
	"context"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"strings"
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

// callsUntilKilled begins a call every millisecond, ends every second one, and prints
// what it hands over.
func callsUntilKilled(path string) error {
	s, err := Open(context.Background(), path, Options{Serve: true, Node: "test", Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		return err
	}
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
		begun, ended := killed(t, path, time.Duration(400+150*round)*time.Millisecond)
		killedAt := time.Now().UnixMilli()
		// With no server running, a reader sees the store as it was left.
		r := reader(t, path)
		if n := count(t, r.db, "SELECT count(*) FROM calls WHERE state = 'open' AND node = 'test'"); n == 0 {
			t.Fatal("no call was open")
		}
		r.Close()
		s := reopen(t, path, Options{Serve: true})
		account(t, s, begun, ended, killedAt)
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

// killed runs the child for a while, reads beside it, kills it, and returns what it had
// handed over, with the time of each.
func killed(t *testing.T, path string, after time.Duration) (begun, ended map[string]int64) {
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
	time.AfterFunc(after, func() { child.Process.Kill() })
	begun, ended = map[string]int64{}, map[string]int64{}
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		var at int64
		var id, state string
		if n, _ := fmt.Sscan(lines.Text(), &at, &id, &state); n != 3 || !strings.HasPrefix(id, "call") || len(id) != 12 {
			continue // the line on which it died
		}
		if state == store.StateOpen {
			begun[id] = at
		} else {
			ended[id] = at
		}
		if len(begun) == 50 {
			r := reader(t, path)
			if _, _, err := r.Calls(t.Context(), store.Filter{}); err != nil {
				t.Errorf("reading beside the server: %v", err)
			}
			r.Close()
		}
	}
	child.Wait()
	if child.ProcessState.ExitCode() != -1 {
		t.Fatalf("the child ended by itself: %s", child.ProcessState)
	}
	return begun, ended
}

// account holds the store to what was handed over: everything older than the last
// batch is there, once, whole and in the right state.
func account(t *testing.T, s *Store, begun, ended map[string]int64, killedAt int64) {
	t.Helper()
	if len(begun) < 100 {
		t.Fatalf("the child began only %d calls", len(begun))
	}
	const grace = 250 // ms: 50 to gather, the rest for the disk of a busy machine
	missing := 0
	for id, at := range begun {
		c, legs, events, err := s.Call(t.Context(), id)
		if err != nil {
			missing++
			if at < killedAt-grace {
				t.Errorf("%s began %d ms before the kill: %v", id, killedAt-at, err)
			}
			continue
		}
		endedAt, done := ended[id]
		switch c.State {
		case store.StateAnswered:
			if !done && at < killedAt-grace || len(legs) != 2 || len(events) != 1 {
				t.Errorf("%s is answered with %d legs and %d events", id, len(legs), len(events))
			}
		case store.StateLost:
			if done && endedAt < killedAt-grace {
				t.Errorf("%s is lost though it ended %d ms before the kill", id, killedAt-endedAt)
			}
			if c.EndMS < c.StartMS || c.EndMS > killedAt || c.DurationMS != c.EndMS-c.StartMS || c.ReleasedBy != store.BySystem {
				t.Errorf("%s is lost with end %d, start %d, duration %d, released by %q", id, c.EndMS, c.StartMS, c.DurationMS, c.ReleasedBy)
			}
			if c.StartMS < killedAt-2*grace && c.EndMS < killedAt-grace-batchWait.Milliseconds() {
				t.Errorf("%s ended %d ms before the kill: more is known", id, killedAt-c.EndMS)
			}
		default:
			t.Errorf("%s is %s", id, c.State)
		}
	}
	t.Logf("%d calls begun, %d ended, %d of the last batch missing", len(begun), len(ended), missing)
	if n := count(t, s.db, "SELECT count(*) - count(DISTINCT id) FROM calls"); n != 0 {
		t.Errorf("%d calls are doubled", n)
	}
}
