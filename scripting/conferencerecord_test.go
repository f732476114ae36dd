package scripting

import (
	"path/filepath"
	"strings"
	"testing"
	"time"

	"tandem/media/hear"
)

// assertLevels checks that some seconds of a recording hold tones of these frequencies, each
// as loud as the others, and none else.
func assertLevels(t *testing.T, w *world, file string, from int, hz ...float64) {
	t.Helper()
	a := recorded(t, w, file)
	if len(a.PCM) < (from+2)*a.Rate {
		t.Fatalf("%s lasts %v", file, a.Duration())
	}
	pcm := a.PCM[from*a.Rate:][:2*a.Rate]
	found := 0
	for _, p := range hear.Tones(pcm, a.Rate, len(hz)+2) {
		near := false // of a tone that is wanted
		for _, want := range hz {
			near = near || p.Hz > want-10 && p.Hz < want+10 && p.Share > 0.8/float64(len(hz)) && p.Share < 1.2/float64(len(hz))
		}
		if near {
			found++
		}
		if !near && p.Share > 0.02 {
			t.Errorf("%s holds %v, want tones of %v Hz", file, p, hz)
		}
	}
	if found != len(hz) {
		t.Errorf("%s holds %d of the tones of %v Hz", file, found, hz)
	}
}

// TestConferenceIsRecorded: three say tones; the room is recorded for the first of them,
// stopped by a script, recorded again by it and over when the last one leaves.
func TestConferenceIsRecorded(t *testing.T) {
	inWorld(t, report(`
		if call.number ~= "9" then
			say(call:conference("sales", { record = "rooms/" .. call.from.user }).by)
			return
		end
		call:answer()
		say(conference.record("sales", "late"))
		local r = conference.stop_recording("sales")
		say(r.path, r.why, r.seconds > 3)
		say(conference.stop_recording("sales"))
		say(conference.record("sales", "rooms/again.wav"))
		say(conference.record("nowhere", "x"))
		say(conference.stop_recording("nowhere"))
		say(pcall(conference.record, "sales", "../out"))
		say(pcall(call.conference, call, "x", { record = "/etc/x" }))
	`), func(w *world) {
		a := w.joins("anne", "5")
		time.Sleep(100 * time.Millisecond) // virtual: the file has been made
		b, c := w.joins("bert", "5"), w.joins("carl", "5")
		w.hums(a, "400")
		w.hums(b, "700")
		w.hums(c, "1100")
		time.Sleep(4 * time.Second)
		boss := w.joins("dora", "9")
		w.ended(boss)
		r := w.record()
		want := []string{
			"nil not possible in this state of the call", "rooms/anne.wav stopped true", "nil not possible in this state of the call", "true",
			"nil nobody is in that conference", "nil nobody is in that conference",
			`false conference.record: file: "../out.wav" is not a path below the recordings folder`,
			`false call:conference: option record: "/etc/x.wav" is not a path below the recordings folder`,
		}
		if got := says(r); got != strings.Join(want, "\n") {
			t.Errorf("the script says:\n%s\nwant:\n%s", got, strings.Join(want, "\n"))
		}
		if r.Call.Recording != "rooms/again.wav" {
			t.Errorf("its record names %q", r.Call.Recording)
		}
		w.hangup(a)
		if r := w.record(); r.Call.Recording != "rooms/anne.wav" {
			t.Errorf("anne's record names %q", r.Call.Recording)
		}
		time.Sleep(4 * time.Second)
		w.hangup(b)
		if r := w.record(); r.Call.Recording != "" {
			t.Errorf("bert's record names %q", r.Call.Recording)
		}
		w.hangup(c)
		w.record()
		time.Sleep(time.Second) // virtual: the file is complete
		assertLevels(t, w, "rooms/anne.wav", 1, 400, 700, 1100)
		assertLevels(t, w, "rooms/again.wav", 1, 700, 1100)
		for _, name := range []string{"late.wav", "rooms/bert.wav", "x.wav"} {
			if found, _ := filepath.Glob(filepath.Join(w.recordings, name)); found != nil {
				t.Errorf("%s was made", name)
			}
		}
	})
}
