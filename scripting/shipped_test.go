package scripting

import (
	"bufio"
	"io/fs"
	"strings"
	"testing"
	"time"

	"tandem/b2bua/phone"
	"tandem/scripts"
	"tandem/store"
)

func shippedPrompt(name string) (fs.FileInfo, error) {
	return fs.Stat(scripts.FS, "prompts/"+name+".wav")
}

func TestShippedScriptsAreClean(t *testing.T) {
	t.Parallel()
	for _, fe := range Check(Options{Shipped: scripts.FS}) {
		t.Error(fe.Error())
	}
	list, err := scripts.FS.Open("prompts/prompts.txt")
	if err != nil {
		t.Fatal(err)
	}
	defer list.Close()
	for lines := bufio.NewScanner(list); lines.Scan(); {
		name, text, ok := strings.Cut(lines.Text(), "\t")
		if !ok || text == "" {
			t.Errorf("prompts.txt: %q", lines.Text())
		}
		if info, err := shippedPrompt(name); err != nil || info.Size() < 1000 {
			t.Errorf("%s.wav: %v", name, err)
		}
	}
}

func TestShippedUsers(t *testing.T) {
	inWorld(t, "", func(w *world) {
		calls := w.answers(w.phone("1001", true), 2*time.Second)
		w.incoming(w.phone("1002", true), rejects(486))
		w.incoming(w.phone("1003", true), rings)
		c := w.caller("1001")
		b := <-calls
		time.Sleep(3 * time.Second)
		w.hangup(b)
		w.ended(c)
		if r := w.record(); r.Call.State != store.StateAnswered || r.Call.Script != "50-main.lua" || len(r.Legs) != 2 {
			t.Errorf("1001: %+v", r.Call)
		}
		for number, want := range map[string]int{"1002": 486, "1003": 480, "1009": 480, "10": 404, "10010": 404, "800": 404} {
			if code := w.refused(number); code != want {
				t.Errorf("%s: %d; want %d", number, code, want)
			}
			w.record()
		}
	})
}

func TestShippedEcho(t *testing.T) {
	inWorld(t, "", func(w *world) {
		c := w.caller("600")
		time.Sleep(6 * time.Second) // the announcement
		file := t.TempDir() + "/echo.wav"
		rec, err := c.Record(file)
		if err != nil {
			t.Fatal(err)
		}
		speak(t, c.Session(), 3*time.Second)
		time.Sleep(time.Second)
		rec.Stop()
		w.hangup(c)
		w.record()
		assertTone(t, file, 440)
	})
}

func TestShippedMenu(t *testing.T) {
	inWorld(t, "", func(w *world) {
		w.incoming(w.phone("1001", true), func(c *phone.Call) {
			_ = c.Answer()
			time.Sleep(3 * time.Second)
			_ = c.Hangup(w.ctx)
		})
		c := w.caller("700")
		hears := func(keys string, d time.Duration, prompts ...string) {
			t.Helper()
			w.press(c, keys)
			file := t.TempDir() + "/heard.wav"
			rec, err := c.Record(file)
			if err != nil {
				t.Fatal(err)
			}
			time.Sleep(d)
			rec.Stop()
			assertHeard(t, file, prompts...)
		}
		hears("", 3*time.Second, "main-menu")
		hears("8", 5*time.Second, "invalid", "main-menu")
		hears("2", 6*time.Second, "record-after-beep")
		speak(t, c.Session(), 2*time.Second)
		hears("#", 2*time.Second, "you-said")
		hears(",,,1", 5*time.Second, "the-time-is", "main-menu")
		began := time.Now() // nothing more is pressed: the menu twice, and goodbye
		w.ended(c)
		if took := time.Since(began); took > 35*time.Second {
			t.Errorf("the menu went on for %v", took)
		}
		if r := w.record(); r.Call.State != store.StateAnswered || r.Call.ReleasedBy != store.ByScript || r.Call.ScriptError != "" {
			t.Errorf("record: %+v", r.Call)
		}

		c = w.caller("700")
		time.Sleep(2 * time.Second)
		began = time.Now()
		w.press(c, "0")
		w.ended(c)
		if took := time.Since(began); took > 3*time.Second {
			t.Errorf("0 took %v", took)
		}
		w.record()

		c = w.caller("700")
		time.Sleep(2 * time.Second)
		w.press(c, "3")
		w.ended(c)
		if r := w.record(); len(r.Legs) != 2 || r.Legs[1].Target != "user:1001" || r.Call.State != store.StateAnswered {
			t.Errorf("3: %+v", r)
		}
	})
}

// shippedScript is the text of a shipped file.
func shippedScript(t testing.TB, name string) string {
	t.Helper()
	b, err := fs.ReadFile(scripts.FS, name)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}
