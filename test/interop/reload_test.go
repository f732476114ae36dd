//go:build interop

package interop

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"
)

// versioned is a script that marks each call's record with its own version. A
// call to "hold" does so only after a digit: what runs then, of a script that
// has been edited meanwhile, is the point.
func versioned(version int) string {
	return fmt.Sprintf(`return { on_call = function(call)
		call:answer()
		if call.number == "hold" then
			call:gather{ timeout = 60 }
		end
		call.vars.version = %d
	end }`, version)
}

// scriptState is what the API tells of the scripts.
type scriptState struct {
	Generation int64
	Errors     []struct {
		File string
		Line int
	}
}

func (s *server) scripts(t *testing.T) (st scriptState) {
	t.Helper()
	s.get(t, "/scripts", &st)
	return st
}

// TestEditingAScriptWhileACallIsUp: that call finishes on the script it began
// with, the next one gets the new one, and a broken one is not taken.
func TestEditingAScriptWhileACallIsUp(t *testing.T) {
	t.Parallel()
	srv := serve(t, setup{scripts: map[string]string{"50-main.lua": versioned(1)}})
	main := filepath.Join(srv.dir, "scripts", "50-main.lua")
	first := srv.scripts(t).Generation
	next := func(number string) { sipp(t, "uac_wait.xml", srv.udp, "-s", number).succeeds(t) }

	p := newSoftphone(t, nil)
	p.login(t, account{user: "visitor", domain: srv.udp})
	p.call(t, srv.uri("hold"))

	writeFile(t, main, versioned(2))
	eventually(t, "the edited script is in force", func() bool { return srv.scripts(t).Generation > first })
	second := srv.scripts(t).Generation
	next("after-edit")
	if len(srv.live(t)) != 1 {
		t.Fatal("the first call is not up any more")
	}

	writeFile(t, main, "return {\n  on_call = function(call) call:answer( end\n}\n")
	eventually(t, "the syntax error shows", func() bool { return len(srv.scripts(t).Errors) > 0 })
	st := srv.scripts(t)
	if st.Generation != second || !strings.HasSuffix(st.Errors[0].File, "50-main.lua") || st.Errors[0].Line != 2 {
		t.Errorf("after a syntax error in line 2: %+v, want generation %d still", st, second)
	}
	if _, code := srv.tandem(t, "reload"); code != 1 {
		t.Errorf("tandem reload of a broken script: exit %d, want 1", code)
	}
	if _, code := srv.tandem(t, "check", "--scripts", "scripts"); code != 1 {
		t.Errorf("tandem check of a broken script: exit %d, want 1", code)
	}
	next("after-mistake")

	p.command(t, "sndcode", "5")
	p.await(t, "CALL_CLOSED")

	for _, c := range []struct {
		to         string
		version    int
		generation int64
	}{{"hold", 1, first}, {"after-edit", 2, second}, {"after-mistake", 2, second}} {
		call := srv.recorded(t, c.to)
		if want := fmt.Sprintf(`{"version":%d}`, c.version); call["vars"] != want {
			t.Errorf("the call to %s has vars %v, want %s", c.to, call["vars"], want)
		}
		expect(t, call, "generation", c.generation)
	}

	writeFile(t, main, versioned(3))
	if _, code := srv.tandem(t, "reload"); code != 0 {
		t.Errorf("tandem reload: exit %d", code)
	}
	next("after-repair")
	if call := srv.recorded(t, "after-repair"); call["vars"] != `{"version":3}` {
		t.Errorf("after the repair vars are %v", call["vars"])
	}
}
