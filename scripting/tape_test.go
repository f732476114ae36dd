package scripting

import (
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"tandem/b2bua/phone"
	"tandem/media"
	"tandem/media/hear"
	"tandem/media/soundfile"
	"tandem/media/wav"
	"tandem/store"
)

// sing plays a tone to the other side until stop is called.
func sing(t *testing.T, c *phone.Call, hz string) (stop func()) {
	t.Helper()
	tone, err := media.ParseTone(hz)
	if err != nil {
		t.Fatal(err)
	}
	return c.Session().Play([]media.Source{tone}, media.PlayOptions{Loop: -1}).Stop
}

func recorded(t *testing.T, w *world, name string) wav.Audio {
	t.Helper()
	file, err := os.Open(filepath.Join(w.recordings, name))
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	a, err := soundfile.Decode(name, file, time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// hums tells which of the tones are heard in a second of a sound.
func hums(a wav.Audio, second int) (hz []float64) {
	pcm := a.PCM[min(len(a.PCM), second*a.Rate+a.Rate/4):min(len(a.PCM), (second+1)*a.Rate-a.Rate/4)]
	for _, p := range hear.Tones(pcm, a.Rate, 2) {
		if p.Share > 0.2 {
			hz = append(hz, math.Round(p.Hz/50)*50)
		}
	}
	slices.Sort(hz)
	return hz
}

// TestRecordingOfAConversation: the caller is recorded while a prompt plays, while it talks
// with another phone, over a pause, and while it leaves a message at the same time.
func TestRecordingOfAConversation(t *testing.T) {
	inWorld(t, report(`
		say(call:pause_recording())
		say(call:stop_recording())
		say(call:start_recording("calls/both", { stereo = true }))
		say(call:start_recording("calls/again"))
		say(pcall(call.start_recording, call, "../out"))
		say(pcall(call.start_recording, call, "out.mp3"))
		say(pcall(call.start_recording, call, "x", { only = "caller", stereo = true }))
		call:answer()
		call:play("tone:800/2000")
		local r = call:bridge("user:bob")
		say(r.state, r.by)
		say(call:pause_recording())
		call:sleep(2)
		say(call:resume_recording())
		local m = call:record("message", { max = 2, silence = 0, beep = false })
		say(m.why)
		local done = call:stop_recording()
		say(done.path, done.why, math.floor(done.seconds))
		say(call:start_recording("calls/mixed.opus"))
		call:sleep(2)
	`), func(w *world) {
		bob := w.phone("bob", true)
		calls := w.answers(bob, 100*time.Millisecond)
		c := w.caller("1")
		sing(t, c, "400")
		b := <-calls
		stop := sing(t, b, "600")
		time.Sleep(3 * time.Second)
		stop()
		w.hangup(b)
		w.ended(c)
		r := w.record()
		for r.Call.FromUser != "alice" {
			r = w.record()
		}
		want := []string{
			"nil not possible in this state of the call", "nil not possible in this state of the call",
			"true", "nil not possible in this state of the call",
			`false call:start_recording: file: "../out.wav" is not a path below the recordings folder`,
			`false call:start_recording: file: "out.mp3" is not a path below the recordings folder: recordings end in .wav, .opus, .ogg`,
			"false call:start_recording: option stereo needs both sides; leave out option only",
			"answered callee", "true", "true", "max", "calls/both.wav stopped 9", "true",
		}
		if got := says(r); got != strings.Join(want, "\n") {
			t.Errorf("got\n%s\nwant\n%s", got, strings.Join(want, "\n"))
		}
		if r.Call.Recording != "calls/both.wav\nmessage.wav\ncalls/mixed.opus" {
			t.Errorf("recording %q", r.Call.Recording)
		}
		both := recorded(t, w, "calls/both.wav") // mixed by the reader
		for second, want := range map[int][]float64{1: {400, 800}, 3: {400, 600}, 4: {400, 600}, 6: nil, 8: {400}} {
			if got := hums(both, second); !slices.Equal(got, want) {
				t.Errorf("second %d of the conversation hums %v, want %v", second, got, want)
			}
		}
		if got := hums(recorded(t, w, "message.wav"), 1); !slices.Equal(got, []float64{400}) {
			t.Errorf("the message hums %v", got)
		}
		if mixed := recorded(t, w, "calls/mixed.opus"); math.Abs(mixed.Duration().Seconds()-2) > 0.1 || !slices.Equal(hums(mixed, 1), []float64{400}) {
			t.Errorf("the last recording plays %v and hums %v", mixed.Duration(), hums(mixed, 1))
		}
		notes := events(r, store.EventMedia)
		if !slices.ContainsFunc(notes, func(s string) bool { return strings.HasPrefix(s, "recorded calls/both.wav: 9.") }) {
			t.Errorf("media events %q", notes)
		}
	})
}

// TestPromptsOfAllKinds plays what its name finds, whatever kind of file it is.
func TestPromptsOfAllKinds(t *testing.T) {
	var files = map[string]string{"50-main.lua": report(`
		call:answer()
		local function took(name)
			local start = time.now()
			say(call:play(name), math.abs(time.now() - start - 1.6) < 0.3)
		end
		took("song") took("talk") took("talk.opus")
		say(call:play("song.ogg"))
	`)}
	for to, from := range map[string]string{"song.mp3": "tones.mp3", "talk.opus": "tones.opus"} {
		b, err := os.ReadFile("../media/soundfile/testdata/" + from)
		if err != nil {
			t.Fatal(err)
		}
		files["prompts/"+to] = string(b)
	}
	t.Parallel()
	inWorldOf(t, files, func(w *world) {
		w.ended(w.caller("1"))
		got := says(w.record())
		if want := "done true\ndone true\ndone true\n50-main.lua:10: prompt not found: song.ogg\nnil not found"; got != want {
			t.Errorf("got\n%s\nwant\n%s", got, want)
		}
	})
}

// TestPromptEditedOnDisk is heard by the next play.
func TestPromptEditedOnDisk(t *testing.T) {
	read := func(name string) string {
		b, err := os.ReadFile("../media/soundfile/testdata/" + name)
		if err != nil {
			t.Fatal(err)
		}
		return string(b)
	}
	t.Parallel()
	files := map[string]string{"prompts/note.opus": read("tones.opus"), "50-main.lua": report(`
		call:answer()
		local function took()
			local start = time.now()
			call:play("note")
			say(math.floor((time.now() - start) * 10 + 0.5))
		end
		took()
		call:sleep(10)
		took()
	`)}
	inWorldOf(t, files, func(w *world) {
		c := w.caller("1")
		time.Sleep(5 * time.Second)
		short := read("tones.opus")
		if err := os.WriteFile(filepath.Join(w.engine.o.Dir, "prompts/note.opus"), []byte(short[:len(short)/2+600]), 0o600); err != nil {
			t.Fatal(err)
		}
		w.ended(c)
		got := strings.Fields(says(w.record()))
		if len(got) != 2 || got[0] != "16" || got[1] >= "16" {
			t.Errorf("tenths of a second: %q, then less", got)
		}
	})
}
