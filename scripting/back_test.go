package scripting

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// version is a plugin that says which one it is, from a module, and tells when it is loaded.
func version(n int) map[string]string {
	return map[string]string{
		"50-main.lua": fmt.Sprintf(`return { on_call = function(call) call:answer() log.info("v%d " .. require("m")) call:sleep(10) end,
	on_load = function() shared.set("loaded", "v%d") assert(shared.get("refuse") ~= "v%d", "refused") end }`, n, n, n),
		"lib/m.lua": fmt.Sprintf("return 'm%d'", n),
	}
}

func (w *world) reload(n int) {
	w.t.Helper()
	for name, text := range version(n) {
		writeFile(w.t, filepath.Join(w.engine.o.Dir, name), text)
	}
	if errs := w.engine.Reload(); len(errs) > 0 {
		w.t.Fatal(errs)
	}
}

func (w *world) back() {
	w.t.Helper()
	if errs := w.engine.Back(); len(errs) > 0 {
		w.t.Fatal(errs)
	}
}

// runs dials and tells which version took the call.
func (w *world) runs(want string, generation int64) {
	w.t.Helper()
	c := w.caller("1")
	w.hangup(c)
	if r := w.record(); says(r) != want || r.Call.Generation != generation {
		w.t.Errorf("%q on generation %d; want %q on %d", says(r), r.Call.Generation, want, generation)
	}
}

func TestBack(t *testing.T) {
	t.Parallel()
	inWorldOf(t, version(1), func(w *world) {
		e := w.engine
		if errs := e.Back(); len(errs) != 1 || !strings.Contains(errs[0].Message, "1 is the first") || e.Status().Generation != 1 {
			t.Errorf("with nothing to go back to: %v, %+v", errs, e.Status())
		}
		w.reload(2)
		w.reload(3)
		w.reload(3) // nothing has changed: there is no going back to the same
		live := w.caller("1")
		w.back()
		st := e.Status()
		if st.Generation != 5 || st.Again != 2 || st.Back != 1 || len(st.Generations) != 2 || st.Generations[0] != (GenerationStatus{ID: 4, Calls: 1}) {
			t.Errorf("gone back: %+v", st)
		}
		if got, err := eval(w.t, e, "return shared.get('loaded')"); err != nil || got != "v2" {
			t.Errorf("on_load of the generation brought back: %s, %v", got, err)
		}
		w.runs("v2 m2", 5)
		w.ended(live)
		if r := w.record(); says(r) != "v3 m3" || r.Call.Generation != 4 {
			t.Errorf("the call from before: %q on generation %d", says(r), r.Call.Generation)
		}
		w.back()
		if st := e.Status(); st.Generation != 6 || st.Again != 1 || st.Back != 0 {
			t.Errorf("gone back twice: %+v", st)
		}
		w.runs("v1 m1", 6)
		if errs := e.Back(); len(errs) != 1 || e.Status().Generation != 6 {
			t.Errorf("a third time: %v", errs)
		}
		// The files have been those of v3 all along: asked to, they are read again.
		if errs := e.Reload(); len(errs) > 0 {
			t.Fatal(errs)
		}
		w.runs("v3 m3", 7)
		w.back()
		if st := e.Status(); st.Generation != 8 || st.Again != 1 {
			t.Errorf("back after a reload: %+v", st)
		}
	})
}

// An on_load that fails refuses the return, too, and it can be tried again.
func TestBackRefusedByOnLoad(t *testing.T) {
	t.Parallel()
	inWorldOf(t, version(1), func(w *world) {
		w.reload(2)
		if _, err := eval(w.t, w.engine, "shared.set('refuse', 'v1')"); err != nil {
			t.Fatal(err)
		}
		errs := w.engine.Back()
		if len(errs) != 1 || errs[0].Line != 2 || !strings.Contains(errs[0].Message, "refused") {
			t.Errorf("%v", errs)
		}
		if st := w.engine.Status(); st.Generation != 2 || len(st.Errors) != 1 || st.Back != 1 {
			t.Errorf("after a refused return: %+v", st)
		}
		w.runs("v2 m2", 2)
		if _, err := eval(w.t, w.engine, "shared.delete('refuse')"); err != nil {
			t.Fatal(err)
		}
		w.back()
		w.runs("v1 m1", 3)
	})
}

// While an old generation is in force, the files stay unread until one of them changes.
func TestBackAndTheWatcher(t *testing.T) {
	t.Parallel()
	o := testOptions(scriptDir(t, map[string]string{"50-main.lua": "return {}"}))
	o.Watch = true
	e := newTestEngine(t, o)
	writeFile(t, filepath.Join(o.Dir, "50-main.lua"), "return {} -- 2")
	waitGeneration(t, e, 2)
	if errs := e.Back(); len(errs) > 0 {
		t.Fatal(errs)
	}
	if e.changed() {
		t.Error("the files count as changed, though nobody has touched them")
	}
	writeFile(t, filepath.Join(o.Dir, "50-main.lua"), "return {} -- 4")
	waitGeneration(t, e, 4)
	if st := e.Status(); st.Again != 0 || st.Back != 1 {
		t.Errorf("after a file change: %+v", st)
	}
	// Broken files do not keep from going back.
	if err := os.Remove(filepath.Join(o.Dir, "50-main.lua")); err != nil {
		t.Fatal(err)
	}
	waitGeneration(t, e, 5)
	writeFile(t, filepath.Join(o.Dir, "60-broken.lua"), "return {")
	for len(e.Status().Errors) == 0 {
		waitGeneration(t, e, 5)
	}
	if errs := e.Back(); len(errs) > 0 || e.Status().Again != 4 || len(e.Status().Errors) > 0 {
		t.Errorf("%v, %+v", errs, e.Status())
	}
}
