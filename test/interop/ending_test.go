//go:build interop

package interop

import (
	"encoding/json"
	"net/http"
	"syscall"
	"testing"
	"time"
)

const longCall = `return { on_call = function(call) call:answer(); call:play("tone:440", { loop = 1000 }) end }`

// TestKilledInMidCall: after kill -9 the store can be read at once, and the next
// start closes what was open as lost.
func TestKilledInMidCall(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := setup{dir: dir, scripts: map[string]string{"50-main.lua": longCall}}
	srv := serve(t, s)
	sipp(t, "uac", srv.udp, "-s", "before", "-d", "200").succeeds(t)
	srv.recorded(t, "before")
	caller := sipp(t, "uac_wait.xml", srv.udp, "-s", "cut-off")
	eventually(t, "the call is open in the store", func() bool {
		calls := srv.records(t, `select * from calls where to_user = 'cut-off'`)
		return len(calls) == 1 && calls[0]["state"] == "open" && number(calls[0], "answer_ms") > 0
	})

	srv.cmd.Process.Signal(syscall.SIGKILL)
	<-srv.exited
	caller.end()

	if ok := srv.records(t, `pragma integrity_check`); len(ok) != 1 || ok[0]["integrity_check"] != "ok" {
		t.Errorf("integrity_check: %v", ok)
	}
	if states := srv.listed(t); states["before"] != "answered" || states["cut-off"] != "open" {
		t.Errorf("tandem cdr list without a server: %v", states)
	}

	srv = serve(t, s)
	call := srv.recorded(t, "cut-off")
	expect(t, call, "state", "lost")
	if number(call, "end_ms") < number(call, "answer_ms") {
		t.Errorf("the lost call ends at %d, before its answer", number(call, "end_ms"))
	}
	if states := srv.listed(t); states["before"] != "answered" || states["cut-off"] != "lost" {
		t.Errorf("tandem cdr list after the next start: %v", states)
	}
	sipp(t, "uac", srv.udp, "-s", "after", "-d", "200").succeeds(t)
	expect(t, srv.recorded(t, "after"), "state", "answered")
}

// listed is the state of each number's call, as tandem cdr list tells it.
func (s *server) listed(t *testing.T) map[string]string {
	t.Helper()
	out, code := s.tandem(t, "cdr", "list", "--data", "data", "--format", "json")
	var rows []struct {
		ToUser string `json:"to_user"`
		State  string
	}
	if err := json.Unmarshal([]byte(out), &rows); err != nil || code != 0 {
		t.Fatalf("tandem cdr list: exit %d, %v:\n%s", code, err, out)
	}
	states := map[string]string{}
	for _, r := range rows {
		states[r.ToUser] = r.State
	}
	return states
}

// TestSIGTERMDrains: the call that stands goes on, the next is refused, and when
// the last has ended the server ends, its records written.
func TestSIGTERMDrains(t *testing.T) {
	t.Parallel()
	srv := serve(t, setup{scripts: map[string]string{"50-main.lua": longCall}})
	p := newSoftphone(t, nil)
	p.login(t, account{user: "visitor", domain: srv.udp})
	p.call(t, srv.uri("stays"))
	p.hears(t, time.Second)

	srv.cmd.Process.Signal(syscall.SIGTERM)
	eventually(t, "readyz says 503", func() bool {
		res, err := http.Get(srv.api + "/readyz")
		if err != nil {
			return false
		}
		res.Body.Close()
		return res.StatusCode == http.StatusServiceUnavailable
	})
	m := dialWire(t, "udp", srv.udp).ask(t, request{method: "INVITE", number: "too-late", body: offer("0")})
	answered(t, m, 503)
	if m.header("Retry-After") == "" {
		t.Errorf("no Retry-After in\n%s", m.text)
	}
	p.hears(t, 3*time.Second)
	if !srv.running() {
		t.Fatal("the server ended while a call was up")
	}
	p.heard(t) // hangs up
	if code := srv.wait(t); code != 0 {
		t.Errorf("exit code %d", code)
	}
	call := srv.recorded(t, "stays")
	expect(t, call, "state", "answered")
	expect(t, call, "released_by", "caller")
}

// TestSecondSIGTERMEndsAtOnce: everybody gets a BYE, and every record is kept.
func TestSecondSIGTERMEndsAtOnce(t *testing.T) {
	t.Parallel()
	srv := serve(t, setup{scripts: map[string]string{"50-main.lua": longCall}})
	caller := sipp(t, "uac_wait.xml", srv.udp, "-s", "cut-short")
	eventually(t, "the call is answered", func() bool {
		live := srv.live(t)
		return len(live) == 1 && live[0]["state"] == "answered"
	})
	srv.cmd.Process.Signal(syscall.SIGTERM)
	srv.waitOutput(t, "draining")
	srv.cmd.Process.Signal(syscall.SIGTERM)
	caller.succeeds(t) // it waits for the BYE
	if code := srv.wait(t); code != 0 {
		t.Errorf("exit code %d", code)
	}
	call := srv.recorded(t, "cut-short")
	expect(t, call, "state", "answered")
	expect(t, call, "released_by", "system")
}
