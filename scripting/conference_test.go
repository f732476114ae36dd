package scripting

import (
	"context"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"tandem/b2bua"
	"tandem/b2bua/phone"
	"tandem/media"
	"tandem/media/hear"
)

// joins dials as a user, and goes on once the call is answered.
func (w *world) joins(user, number string) *phone.Call {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	c, err := w.phone(user, false).Dial(ctx, "sip:"+number+"@"+serverAddr, phone.DialOptions{})
	if err != nil {
		w.t.Fatalf("%s: %v", user, err)
	}
	time.Sleep(10 * time.Millisecond) // virtual: the script has gone on after the answer
	return c
}

// hums sends a tone until the call ends.
func (w *world) hums(c *phone.Call, hz string) {
	w.t.Helper()
	src, err := media.ParseTone("tone:" + hz + "/60000")
	if err != nil {
		w.t.Fatal(err)
	}
	go func() { _ = c.Play(w.ctx, src) }()
}

// hears records what a phone hears for a while.
func (w *world) hears(c *phone.Call, d time.Duration) string {
	w.t.Helper()
	path := filepath.Join(w.t.TempDir(), "heard.wav")
	r, err := c.Record(path)
	if err != nil {
		w.t.Fatal(err)
	}
	time.Sleep(d) // virtual
	r.Stop()
	<-r.Done()
	return path
}

// assertTones checks that a file holds tones of these frequencies, and of these only.
func assertTones(t *testing.T, who, file string, hz ...float64) {
	t.Helper()
	f, err := os.Open(file)
	heard := samples(t, f, err)
	heard = heard[len(heard)/4:]
	var got []float64
	for _, p := range hear.Tones(heard, 8000, len(hz)+2) {
		if p.Share > 0.02 {
			got = append(got, p.Hz)
		}
	}
	slices.Sort(got)
	if !slices.EqualFunc(got, hz, func(a, b float64) bool { return math.Abs(a-b) < 10 }) {
		t.Errorf("%s hears tones of %.0f Hz, want %v", who, got, hz)
	}
}

func TestConference(t *testing.T) {
	inWorld(t, report(`
		local r, why = call:conference("sales", { max = 3, announce = call.number == "6" })
		if r then say(r.room, r.by, r.seconds > 1) else say(why) end
	`), func(w *world) {
		a, b, c := w.joins("anne", "5"), w.joins("bert", "5"), w.joins("carl", "5")
		w.hums(a, "400")
		w.hums(b, "700")
		w.hums(c, "1100")
		time.Sleep(2 * time.Second)
		assertTones(t, "anne", w.hears(a, 2*time.Second), 700, 1100)
		assertTones(t, "bert", w.hears(b, 2*time.Second), 400, 1100)
		assertTones(t, "carl", w.hears(c, 2*time.Second), 400, 700)
		info, ok := w.server.ConferenceOf("sales")
		if !ok || len(info.Members) != 3 || info.Members[0].From.User != "anne" || !info.Members[2].Speaks || info.Members[0].Muted {
			t.Errorf("listed: %+v", info)
		}

		// One too many is turned away.
		full := w.joins("dora", "5")
		w.ended(full)
		if r := w.record(); says(r) != "full" {
			t.Errorf("the fourth: %q", says(r))
		}

		// Who puts the conference on hold is not heard, nor is who has been muted.
		if err := b.Hold(w.ctx); err != nil {
			t.Fatal(err)
		}
		if !w.server.MuteInConference("sales", info.Members[2].ID, true) {
			t.Error("not muted")
		}
		time.Sleep(time.Second)
		assertTones(t, "anne", w.hears(a, 2*time.Second))
		assertTones(t, "carl, who is muted,", w.hears(c, 2*time.Second), 400)
		if err := b.Resume(w.ctx); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Second)
		assertTones(t, "anne", w.hears(a, 2*time.Second), 700)

		w.hangup(b)
		if r := w.record(); says(r) != "sales caller true" || r.Call.ReleasedBy != "caller" {
			t.Errorf("bert: %q, released by %s", says(r), r.Call.ReleasedBy)
		}
		if !w.server.KickFromConference("sales", info.Members[2].ID, b2bua.BySystem) {
			t.Error("not kicked")
		}
		w.ended(c)
		if r := w.record(); says(r) != "sales system true" || r.Call.ReleasedBy != "script" {
			t.Errorf("carl: %q, released by %s", says(r), r.Call.ReleasedBy)
		}
		if w.server.KickFromConference("sales", info.Members[2].ID, b2bua.BySystem) || w.server.MuteInConference("nowhere", "x", true) {
			t.Error("who is gone can be kicked or muted")
		}
		assertTones(t, "anne, alone,", w.hears(a, time.Second))
		w.hangup(a)
		w.record()
		if list := w.server.Conferences(); len(list) != 0 {
			t.Errorf("left: %+v", list)
		}
	})
}

func TestConferenceAsksForThePIN(t *testing.T) {
	inWorld(t, report(`
		local r, why = call:conference("board", { pin = "4711", muted = true })
		if r then say("in", r.by) else say(why) end
	`), func(w *world) {
		c := w.joins("anne", "5")
		time.Sleep(5 * time.Second)
		w.press(c, "1234")
		time.Sleep(8 * time.Second)
		if len(w.server.Conferences()) > 0 {
			t.Fatal("a wrong PIN opens the door")
		}
		w.press(c, "4711")
		time.Sleep(2 * time.Second)
		list := w.server.Conferences()
		if len(list) != 1 || len(list[0].Members) != 1 || !list[0].Members[0].Muted {
			t.Fatalf("in use: %+v", list)
		}
		w.hangup(c)
		if r := w.record(); says(r) != "in caller" {
			t.Errorf("the one with the PIN: %q", says(r))
		}

		c = w.joins("bert", "5")
		for range 3 {
			time.Sleep(5 * time.Second)
			w.press(c, "99#")
		}
		w.ended(c)
		if r := w.record(); says(r) != "wrong pin" {
			t.Errorf("the one without: %q", says(r))
		}
		c = w.joins("carl", "5")
		time.Sleep(time.Second)
		w.hangup(c)
		if r := w.record(); says(r) != "in caller" {
			t.Errorf("who hangs up at the question: %q", says(r))
		}
	})
}

func TestConferenceAnnounces(t *testing.T) {
	inWorld(t, report(`
		local sound = true
		if call.number == "6" then sound = "tone:900/800" end
		call:conference("team", { announce = sound })
	`), func(w *world) {
		a := w.joins("anne", "5")
		assertHeard(t, w.hears(a, 4*time.Second), "conference-alone")
		path := filepath.Join(t.TempDir(), "all.wav")
		r, err := a.Record(path)
		if err != nil {
			t.Fatal(err)
		}
		b := w.joins("bert", "5")
		time.Sleep(4 * time.Second)
		w.hangup(b)
		time.Sleep(4 * time.Second)
		r.Stop()
		<-r.Done()
		assertHeard(t, path, "conference-joined", "conference-left")
		go func() {
			time.Sleep(300 * time.Millisecond)
			w.joins("carl", "6")
		}()
		assertTone(t, w.hears(a, 1500*time.Millisecond), 900)
	})
}

// TestConferenceModule lets one script keep order among the others.
func TestConferenceModule(t *testing.T) {
	inWorld(t, report(`
		if call.number ~= "9" then
			local r = call:conference("hall", { rate = 8000 })
			say(r.by)
			return
		end
		call:answer()
		local list = conference.list("hall")
		say(#list, list[1].from.user, list[1].muted, list[1].speaking, type(list[1].since), list[1].number)
		say(conference.mute("hall", list[1].id), conference.list("hall")[1].muted)
		say(conference.mute("hall", list[1].id, false), conference.list("hall")[1].muted)
		say(conference.kick("hall", list[1].id), conference.kick("hall", "nobody"), conference.mute("nowhere", "x"))
		call:sleep(1)
		say(#conference.list("hall"), #conference.list("nowhere"))
	`), func(w *world) {
		a, b := w.joins("anne", "5"), w.joins("bert", "5")
		w.hums(a, "400")
		time.Sleep(2 * time.Second)
		boss := w.joins("carl", "9")
		w.ended(a)
		if r := w.record(); says(r) != "script" {
			t.Errorf("the one who was kicked: %q", says(r))
		}
		w.ended(boss)
		want := "2 anne false true number 5\ntrue true\ntrue false\ntrue false false\n1 0"
		if r := w.record(); says(r) != want {
			t.Errorf("the module says:\n%s\nwant:\n%s", says(r), want)
		}
		w.hangup(b)
	})
}

func TestConferenceMisuse(t *testing.T) {
	inWorld(t, report(`
		for _, args in ipairs{ {}, { "" }, { ("x"):rep(129) }, { "x", { pin = "12a" } }, { "x", { rate = 44100 } }, { "x", { max = -1 } }, { "x", { loud = true } } } do
			local ok, why = pcall(call.conference, call, args[1], args[2])
			say(ok, why)
		end
		say(call.state)
		call:reject(486)
	`), func(w *world) {
		if code := w.refused("5"); code != 486 {
			t.Errorf("refused with %d", code)
		}
		lines := strings.Split(says(w.record()), "\n")
		if len(lines) != 8 || lines[7] != "new" {
			t.Fatalf("%q", lines)
		}
		for i, want := range []string{"room", "room", "room", "pin", "rate", "max", "loud"} {
			if !strings.HasPrefix(lines[i], "false") || !strings.Contains(lines[i], want) {
				t.Errorf("%d: %s", i, lines[i])
			}
		}
	})
}

// TestConferenceMemberIsTransferred lets an operator send a member elsewhere.
func TestConferenceMemberIsTransferred(t *testing.T) {
	inWorld(t, report(`
		local r, why = call:conference("sales")
		say(why or r.by)
	`), func(w *world) {
		calls := w.answers(w.phone("1001", true), time.Second)
		a, b := w.joins("anne", "5"), w.joins("bert", "5")
		w.hums(a, "400")
		w.hums(b, "700")
		time.Sleep(time.Second)
		info, _ := w.server.ConferenceOf("sales")
		call, ok := w.server.Call(info.Members[0].ID)
		if !ok {
			t.Fatal("no call")
		}
		if err := call.Transfer(w.ctx, "user:1001", "a"); err != nil {
			t.Fatal(err)
		}
		c := <-calls
		w.hums(c, "1100")
		time.Sleep(2 * time.Second)
		assertTones(t, "who was transferred", w.hears(a, time.Second), 1100)
		assertTones(t, "who was called", w.hears(c, time.Second), 400)
		assertTones(t, "who is left", w.hears(b, time.Second))
		if info, _ := w.server.ConferenceOf("sales"); len(info.Members) != 1 || info.Members[0].From.User != "bert" {
			t.Errorf("left: %+v", info)
		}
		if r := w.record(); says(r) != "moved" {
			t.Errorf("its script: %q", says(r))
		}
	})
}
