package scripting

import (
	"context"
	"os"
	"strings"
	"testing"
	"time"

	"tandem/media"
	"tandem/scripts"
	"tandem/store"
)

// report is a script around a few lines: what they log is what the tests look at.
func report(lines string) string {
	return "local function say(...) local t = {} for i = 1, select('#', ...) do t[i] = (tostring((select(i, ...))):gsub('^50%-main.lua:%d+: ', '')) end log.info(table.concat(t, ' ')) end\n" +
		"return { on_call = function(call)\n" + lines + "\nend }"
}

func TestPlay(t *testing.T) {
	inWorld(t, report(`
		say(call:play("goodbye"))
		say(call.state)
		say(call:play({ "nowhere", "goodbye", "silence:0.1", "tone:busy" == "" and "" or "silence:0.2" }))
		say(call:play("nowhere"))
		say(call:play({ "nowhere", "neither" }))
		say(call:play("main-menu", { stop = "any" }))
		say(call:play("main-menu", { stop = "12" }))
		say(call:gather{ max = 2 })
		say(call:play("silence:1", { loop = 3 }))
		say(pcall(call.play, call, "../secret"))
		say(pcall(call.play, call, "tone:loud"))
		say(pcall(call.play, call, 7))
		say(pcall(call.play, call, "goodbye", { stp = "1" }))
		say(pcall(call.play, call, "goodbye", { stop = "x" }))
		say(pcall(call.play))
	`), func(w *world) {
		c := w.caller("1")
		start := time.Now()
		time.Sleep(7 * time.Second) // within the first main-menu
		w.press(c, "5")
		time.Sleep(2 * time.Second)
		w.press(c, "9") // does not stop it, and waits
		w.press(c, "2")
		w.press(c, "1")
		w.ended(c)
		want := []string{
			"done", "answered",
			"50-main.lua:6: prompt not found: nowhere", "done",
			"50-main.lua:7: prompt not found: nowhere", "nil not found",
			"50-main.lua:8: prompt not found: nowhere", "50-main.lua:8: prompt not found: neither", "nil not found",
			"digit 5", "digit 2", "91 max", "done",
			`false call:play: source: "../secret" is not a path below prompts/ or the recordings`,
			`false call:play: source: `,
			"false call:play: source must be a source or a list of sources, got number",
			`false call:play: unknown option "stp" (did you mean stop?)`,
			`false call:play: option stop: "x" has something that is no key`,
			"false call:play: write a colon before the method's name, not a point",
		}
		got := events(w.record(), "script")
		for i := range want {
			if i >= len(got) || !strings.HasPrefix(got[i], want[i]) {
				t.Fatalf("line %d: got\n%s\nwant\n%s", i, strings.Join(got, "\n"), strings.Join(want, "\n"))
			}
		}
		if took := time.Since(start); took < 10*time.Second || took > 25*time.Second {
			t.Errorf("took %v", took)
		}
	})
}

// The caller hears what the script plays: the samples that arrive are those of the prompt.
func TestPlayIsHeard(t *testing.T) {
	inWorld(t, report(`call:answer() call:sleep(1) call:play{ "invalid", "you-said" } call:sleep(1)`), func(w *world) {
		c := w.caller("1")
		file := t.TempDir() + "/heard.wav"
		rec, err := c.Record(file)
		if err != nil {
			t.Fatal(err)
		}
		w.ended(c)
		rec.Stop()
		assertHeard(t, file, "invalid", "you-said")
	})
}

func TestGather(t *testing.T) {
	inWorld(t, report(`
		call:answer()
		say(call:gather{ prompt = "main-menu", max = 3 })
		say(call:gather{ max = 8 })
		say(call:gather{ max = 8, finish = "" , digit_timeout = 1})
		say(call:gather{ timeout = 3 })
		say(call:gather{ min = 3, max = 4, digit_timeout = 1 })
		say(call:gather{ max = 4, min = 4, pattern = "1\\d{3}", tries = 2, invalid = "invalid" })
		say(call:gather{ min = 0, max = 4 })
		say(pcall(call.gather, call, { min = 3, max = 2 }))
		say(pcall(call.gather, call, { pattern = "(" }))
		say(pcall(call.gather, call, { promt = "x" }))
		say(pcall(call.gather, call, { max = 1.5 }))
		say(pcall(call.gather, call, { timeout = "5" }))
		say(call:gather{ prompt = "nowhere", timeout = 0 })
		call:flush()
		call:sleep(1)
	`), func(w *world) {
		c := w.caller("1")
		time.Sleep(3 * time.Second)
		w.press(c, "123") // barges in
		time.Sleep(time.Second)
		w.press(c, "42#")
		time.Sleep(time.Second)
		w.press(c, "7#")
		time.Sleep(2 * time.Second)
		time.Sleep(4 * time.Second) // nothing
		w.press(c, "12")
		time.Sleep(3 * time.Second)
		w.press(c, "2222")
		time.Sleep(4 * time.Second)
		w.press(c, "1234")
		time.Sleep(time.Second)
		w.press(c, "#")
		w.ended(c)
		want := []string{
			"123 max", "42 finish", "7# timeout", "nil timeout", "nil invalid", "1234 max", " finish",
			"false call:gather: option min (3) is more than max (2)",
			`false call:gather: option pattern is not an RE2 pattern: "("`,
			`false call:gather: unknown option "promt" (did you mean prompt?)`,
			"false call:gather: option max must be a whole number of at least 1, got 1.5",
			"false call:gather: option timeout must be a number, got string",
			"50-main.lua:17: prompt not found: nowhere", "nil timeout",
		}
		if got := says(w.record()); got != strings.Join(want, "\n") {
			t.Errorf("got\n%s\nwant\n%s", got, strings.Join(want, "\n"))
		}
	})
}

func TestRecord(t *testing.T) {
	inWorld(t, report(`
		call:answer()
		local r = call:record("notes/" .. call.number)
		say(r.path, r.why, r.seconds > 2 and r.seconds < 3.5)
		say(call:play(r.path))
		say(call:play("notes/1"))
		local m = call:record("max.wav", { max = 1, beep = false, silence = 0 })
		say(m.why, m.seconds > 0.9 and m.seconds < 1.2)
		local q = call:record("quiet", { silence = 2 })
		say(q.path, q.why)
		say(pcall(call.record, call, "../out"))
		say(pcall(call.record, call, "/etc/out"))
		local h = call:record("last")
		log.info(json.encode(h.why))
		say(call:play("goodbye"))
		say(call:record("later").why)
	`), func(w *world) {
		c := w.caller("1")
		time.Sleep(time.Second)
		speak(t, c.Session(), 2*time.Second)
		w.press(c, "#")
		time.Sleep(10 * time.Second)
		speak(t, c.Session(), time.Second)
		time.Sleep(500 * time.Millisecond)
		w.hangup(c)
		r := w.record()
		want := []string{
			"notes/1.wav finish true", "done", "done", "max true", "quiet.wav silence",
			`false call:record: file: "../out.wav" is not a path below the recordings folder`,
			`false call:record: file: "/etc/out.wav" is not a path below the recordings folder`,
			`"hangup"`, "nil hangup", "hangup",
		}
		if got := says(r); got != strings.Join(want, "\n") {
			t.Errorf("got\n%s\nwant\n%s", got, strings.Join(want, "\n"))
		}
		for _, name := range []string{"notes/1.wav", "max.wav", "last.wav"} {
			if size := recordingFile(t, w, name); size < 1000 {
				t.Errorf("%s has %d bytes", name, size)
			}
		}
		if r.Call.ReleasedBy != store.ByCaller || r.Call.ScriptError != "" {
			t.Errorf("record: %+v", r.Call)
		}
	})
}

// A recording that is a link out of the folder is not played.
func TestRecordingLinks(t *testing.T) {
	inWorld(t, report(`say(call:play("inside")) say(call:play("outside")) say(call:play("folder/goodbye"))`), func(w *world) {
		wav, err := scripts.FS.ReadFile("prompts/goodbye.wav")
		if err != nil {
			t.Fatal(err)
		}
		elsewhere := t.TempDir()
		writeFile(t, w.recordings+"/inside.wav", string(wav))
		writeFile(t, elsewhere+"/goodbye.wav", string(wav))
		for link, to := range map[string]string{"outside.wav": elsewhere + "/goodbye.wav", "folder": elsewhere} {
			if err := os.Symlink(to, w.recordings+"/"+link); err != nil {
				t.Fatal(err)
			}
		}
		w.ended(w.caller("1"))
		got := events(w.record(), "script")
		if got[0] != "done" || got[2] != "nil not found" || got[4] != "nil not found" {
			t.Errorf("got %q", got)
		}
	})
}

// A prompt edited on disk is heard by the next play.
func TestEditedPrompt(t *testing.T) {
	goodbye, err := scripts.FS.ReadFile("prompts/goodbye.wav")
	if err != nil {
		t.Fatal(err)
	}
	menu, err := scripts.FS.ReadFile("prompts/main-menu.wav")
	if err != nil {
		t.Fatal(err)
	}
	t.Parallel()
	inWorldOf(t, map[string]string{
		"50-main.lua":          report(`call:play("greeting")`),
		"prompts/greeting.wav": string(goodbye),
	}, func(w *world) {
		began := time.Now()
		w.ended(w.caller("1"))
		first := time.Since(began)
		writeFile(t, w.engine.o.Dir+"/prompts/greeting.wav", string(menu))
		began = time.Now()
		w.ended(w.caller("1"))
		if second := time.Since(began); first > 3*time.Second || second < 5*time.Second {
			t.Errorf("the first play took %v, the one after the edit %v", first, second)
		}
		if _, ok := w.engine.clips.all[clipKey{false, "prompts/greeting.wav"}]; !ok || len(w.engine.clips.all) != 1 {
			t.Errorf("clips kept: %v", w.engine.clips.all)
		}
	})
}

func TestSay(t *testing.T) {
	inWorld(t, report(`
		say(call:say(105.2, { as = "number" }))
		say(call:say("+44 20#", { as = "digits" }))
		say(call:say("2026-11-22", { as = "date" }))
		say(call:say(time.now(), { as = "time" }))
		say(call:say("hello"))
		say(pcall(call.say, call, "x", { as = "digits" }))
		say(pcall(call.say, call, "1", { as = "digit" }))
		say(call:play("say:hello"))
	`), func(w *world) {
		w.ended(w.caller("1"))
		got := events(w.record(), "script")
		for i, want := range []string{"done", "done", "done", "done", "50-main.lua:8: prompt cannot be played: there is no voice", "nil not found",
			`false call:say: "x" has something that is no digit`, `false call:say: option as: "digit" is not one of`,
			"50-main.lua:11: prompt cannot be played: there is no voice", "nil not found"} {
			if i >= len(got) || !strings.HasPrefix(got[i], want) {
				t.Fatalf("line %d of\n%s\nwant %s", i, strings.Join(got, "\n"), want)
			}
		}
	})
}

func TestHangupEndsWaiting(t *testing.T) {
	for name, wait := range map[string]string{
		"play": `call:play("main-menu", { loop = -1 })`, "gather": `call:gather{ timeout = 60 }`, "sleep": `call:sleep(60)`, "echo": `call:echo()`,
		"menu": `call:menu{ prompt = "main-menu", ["1"] = "repeat", tries = 9 }`, "say": `call:say(("1"):rep(200), { as = "digits" })`,
		"send_dtmf": `call:send_dtmf((","):rep(60))`,
	} {
		t.Run(name, func(t *testing.T) {
			inWorld(t, report(`
				call:answer()
				local a, b = `+wait+`
				say(a, b)
				say(call.state)
				say(call:sleep(1))
				say(call:answer())
				shared.set("tidied", call.id)
				say(shared.get("tidied") == call.id)
			`), func(w *world) {
				c := w.caller("1")
				time.Sleep(2 * time.Second)
				began := time.Now()
				w.hangup(c)
				r := w.record()
				if took := time.Since(began); took > 300*time.Millisecond {
					t.Errorf("the script went on for %v", took)
				}
				if got, want := says(r), "nil hangup\nended\nnil hangup\nnil hangup\ntrue"; got != want {
					t.Errorf("got\n%s\nwant\n%s", got, want)
				}
			})
		})
	}
}

func speak(t *testing.T, s *media.Session, d time.Duration) {
	t.Helper()
	tone, err := media.ParseTone("tone:440/10000")
	if err != nil {
		t.Fatal(err)
	}
	pb := s.Play([]media.Source{tone}, media.PlayOptions{})
	select {
	case <-pb.Done():
	case <-time.After(d):
		pb.Stop()
	case <-context.Background().Done():
	}
}
