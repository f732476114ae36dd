package scripting

import (
	"slices"
	"testing"
	"time"
)

// TestSecretKeys: the timeline does not tell the keys that a gather with secret takes, nor those
// of a conference's PIN, and tells all others.
func TestSecretKeys(t *testing.T) {
	inWorld(t, `return { on_call = function(call)
		call.vars.first = call:gather{ max = 2 }
		call.vars.pin = call:gather{ max = 4, secret = true, timeout = 20 }
		call.vars.last = call:gather{ max = 2 }
		call:conference("room", { pin = "77" })
	end }`, func(w *world) {
		c := w.caller("1")
		w.press(c, "12")
		w.press(c, ",4711")
		w.press(c, ",56")
		w.press(c, ",,,78")
		time.Sleep(10 * time.Second)
		w.hangup(c)
		r := w.record()
		const hidden = "a digit of a secret"
		want := []string{"1", "2", hidden, hidden, hidden, hidden, "5", "6", hidden, hidden}
		if got := events(r, "dtmf"); !slices.Equal(got, want) {
			t.Errorf("the timeline tells %q", got)
		}
		if r.Call.Vars != `{"first":"12","last":"56","pin":"4711"}` {
			t.Errorf("the script got %s", r.Call.Vars)
		}
	})
}

// TestRecordingToKeep: a recording with keep is none of those that are removed with the record.
func TestRecordingToKeep(t *testing.T) {
	inWorld(t, `return { on_call = function(call)
		call:record("greetings/1001", { max = 1, keep = true })
		call:record("messages/1", { max = 1 })
	end }`, func(w *world) {
		w.ended(w.caller("1"))
		if r := w.record(); r.Call.Recording != "messages/1.wav" {
			t.Errorf("the record names %q", r.Call.Recording)
		}
		if recordingFile(t, w, "greetings/1001.wav") == 0 {
			t.Error("nothing was recorded")
		}
	})
}
