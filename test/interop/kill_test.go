//go:build interop

package interop

import (
	"fmt"
	"math/rand/v2"
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"
)

// What a crash may cost: calls and changes that are younger than this. A machine that did
// not run us for a while did not run the server either, so that is added, twice.
const mayBeLost = 250 * time.Millisecond

// TestKillUnderLoad kills the server at random moments while SIPp calls it, and holds the
// store to what SIPp saw: each call that it began more than mayBeLost before is there once,
// and as it was then. KILLS=50 is the full size; it needs a machine that has time for the
// server, where otherwise a call counts from the first answer to it.
func TestKillUnderLoad(t *testing.T) {
	t.Parallel()
	kills := 5
	if n, err := strconv.Atoi(os.Getenv("KILLS")); err == nil {
		kills = n
	}
	srv := serve(t, setup{scripts: map[string]string{"50-main.lua": `
		return { on_call = function(call)
			call:answer()
			call:play("silence:60")
		end }`}})
	var sum tally
	for round := range kills {
		run := fmt.Sprintf("k%d", round)
		load := sipp(t, "uac_random.xml", srv.udp, "-s", "5000", "-key", "run", run, "-r", "60", "-m", "100000", "-l", "1000")
		// The moment is what is random here.
		stalled := stalledFor(time.Duration(400+rand.IntN(900)) * time.Millisecond)
		killed := time.Now()
		srv.cmd.Process.Kill()
		<-srv.exited
		load.cmd.Process.Kill()
		<-load.exited
		witness := readWitness(t, load.file("messages"))
		srv = serve(t, setup{dir: srv.dir})
		sum.add(srv.account(t, run, witness, killed, mayBeLost+2*stalled))
		sum.Stalled = max(sum.Stalled, stalled)
	}
	t.Logf("%d kills: %+v", kills, sum)
	if sum.Due == 0 || sum.Ended == 0 || sum.Lost == 0 {
		t.Error("the load proves nothing")
	}
}

// seen is what SIPp saw of a call, and when.
type seen struct{ invited, heard, answered, ended time.Time }

// tally counts calls over the kills.
type tally struct {
	Due, Ended, Lost int // began early enough; ended before; were up
	Young, Missing   int // began too late to be sure of; of these not in the store
	Unread           int // not in the store, but the server had not said anything to them long enough before
	Stalled          time.Duration
}

// stalledFor lets a time pass and returns the longest that a sleep of a few milliseconds in
// it took beyond that.
func stalledFor(d time.Duration) (longest time.Duration) {
	const nap = 5 * time.Millisecond
	for end := time.Now().Add(d); time.Now().Before(end); {
		began := time.Now()
		time.Sleep(nap)
		longest = max(longest, time.Since(began)-nap)
	}
	return longest
}

func (s *tally) add(o tally) {
	s.Due += o.Due
	s.Ended += o.Ended
	s.Lost += o.Lost
	s.Young += o.Young
	s.Missing += o.Missing
	s.Unread += o.Unread
}

// account holds the records of a run to what was seen.
func (s *server) account(t *testing.T, run string, witness map[string]*seen, killed time.Time, young time.Duration) tally {
	t.Helper()
	rows := map[string][]map[string]any{}
	for _, r := range s.records(t, `select calls.*, (select count(*) from legs where call_id = id) as legs_kept,
		(select count(*) from events where call_id = id) as events_kept from calls where from_user glob ?`, run+"x*") {
		caller, _ := r["from_user"].(string)
		rows[caller] = append(rows[caller], r)
	}
	safe := killed.Add(-young)
	before := func(at time.Time) bool { return !at.IsZero() && at.Before(safe) }
	var sum tally
	for caller, call := range witness {
		found := rows[caller]
		age := killed.Sub(call.invited).Round(time.Millisecond)
		switch {
		case len(found) > 1:
			t.Errorf("%s is doubled: %v", caller, found)
			continue
		case !before(call.invited):
			sum.Young++
			if len(found) == 0 {
				sum.Missing++
			}
		case len(found) == 0 && !before(call.heard):
			sum.Unread++ // it lay in the socket of a server that got no time to read it
			if os.Getenv("KILLS") != "" {
				t.Errorf("%s began %v before the kill, was answered at %v, and is missing", caller, age, call.heard)
			}
		case len(found) == 0:
			t.Errorf("%s began %v before the kill, was answered %v before, and is missing", caller, age, killed.Sub(call.heard))
		default:
			sum.Due++
		}
		if len(found) == 1 {
			whole(t, found[0])
			switch state := found[0]["state"]; {
			case before(call.ended) && state != "answered":
				t.Errorf("%s ended %v before the kill and is %v", caller, killed.Sub(call.ended), state)
			case before(call.answered) && found[0]["answer_ms"] == nil:
				t.Errorf("%s was answered %v before the kill, its record does not know", caller, killed.Sub(call.answered))
			case state == "lost":
				sum.Lost++
			case state == "answered":
				sum.Ended++
			}
		}
	}
	return sum
}

// whole tells a record that is complete from half of one.
func whole(t *testing.T, r map[string]any) {
	t.Helper()
	start, end := number(r, "start_ms"), number(r, "end_ms")
	if end < start || number(r, "duration_ms") != end-start || r["to_user"] != "5000" {
		t.Errorf("times or numbers do not fit: %v", r)
	}
	switch r["state"] {
	case "answered":
		if number(r, "legs_kept") != 1 || number(r, "events_kept") == 0 || r["released_by"] != "caller" {
			t.Errorf("an answered call is half written: %v", r)
		}
	case "lost":
		if r["released_by"] != "system" || number(r, "legs_kept") != 0 {
			t.Errorf("a lost call: %v", r)
		}
	default:
		t.Errorf("state %v: %v", r["state"], r)
	}
}

var (
	sippStamp  = regexp.MustCompile(`(?m)^-{10,} (\d{4}-\d\d-\d\d[ T]\d\d:\d\d:\d\d\.\d+)`)
	sippCaller = regexp.MustCompile(`(?m)^(?:From|f): <sip:([^@]+)@`)
)

// readWitness reads SIPp's log of messages: what it sent and received, by caller.
func readWitness(t *testing.T, log string) map[string]*seen {
	t.Helper()
	calls := map[string]*seen{}
	marks := sippStamp.FindAllStringSubmatchIndex(log, -1)
	for i, m := range marks {
		end := len(log)
		if i+1 < len(marks) {
			end = marks[i+1][0]
		}
		text := log[m[1]:end]
		stamp := strings.Replace(log[m[2]:m[3]], "T", " ", 1)
		at, err := time.ParseInLocation("2006-01-02 15:04:05.000000", stamp, time.Local)
		caller := sippCaller.FindStringSubmatch(text)
		if err != nil || caller == nil {
			continue // the message on which it was cut off
		}
		call := calls[caller[1]]
		if call == nil {
			call = &seen{}
			calls[caller[1]] = call
		}
		first := func(t *time.Time) {
			if t.IsZero() {
				*t = at
			}
		}
		switch {
		case strings.Contains(text, "\nINVITE sip:"):
			first(&call.invited)
		case strings.Contains(text, "\nSIP/2.0 200") && strings.Contains(text, "CSeq: 2 BYE"):
			first(&call.ended)
		case strings.Contains(text, "\nSIP/2.0 200"):
			first(&call.answered)
			first(&call.heard)
		case strings.Contains(text, "\nSIP/2.0 1"):
			first(&call.heard)
		}
	}
	if len(calls) == 0 {
		t.Fatalf("SIPp's log tells of no call:\n%.2000s", log)
	}
	return calls
}
