package main

import (
	"bytes"
	"context"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/emiago/sipgo/sip"

	"tandem/b2bua/phone"
	"tandem/media"
	"tandem/media/codec"
	"tandem/media/hear"
	"tandem/media/wav"
	"tandem/scripts"
)

// voiceRate is that of what telephones say, in Hz.
const voiceRate = 8000

// lamp is a phone that has subscribed to its waiting messages.
type lamp struct {
	t     *testing.T
	phone *phone.Phone
	told  chan string
}

func (s *served) lamp(user, password string) *lamp {
	s.t.Helper()
	l := &lamp{t: s.t, told: make(chan string, 16)}
	l.phone = phoneAt(s.t, "127.0.0.1", phone.Options{User: user, Password: password, Server: "sip:" + s.sip,
		OnRequest: func(_ *phone.Call, req *sip.Request) int {
			if req.Method == sip.NOTIFY {
				l.told <- string(req.Body())
			}
			return 0
		}})
	ctx, cancel := context.WithTimeout(s.t.Context(), 20*time.Second)
	defer cancel()
	if err := l.phone.Register(ctx); err != nil {
		s.t.Fatal(err)
	}
	if err := l.phone.Subscribe(ctx, "message-summary"); err != nil {
		s.t.Fatal(err)
	}
	return l
}

// shows waits until the phone is told that so many messages wait: new ones, and heard ones.
func (l *lamp) shows(want string) {
	l.t.Helper()
	last := "nothing"
	for limit := time.After(30 * time.Second); ; {
		select {
		case last = <-l.told:
			if strings.Contains(last, "Voice-Message: "+want+" ") {
				return
			}
		case <-limit:
			l.t.Fatalf("the lamp does not show %s; the last it was told:\n%s", want, last)
		}
	}
}

// hearing records what a phone hears and waits for sounds in it.
type hearing struct {
	t    *testing.T
	file string
	rec  *media.Recording
	from int // samples that were looked through
}

func listens(t *testing.T, c *phone.Call) *hearing {
	t.Helper()
	h := &hearing{t: t, file: filepath.Join(t.TempDir(), "heard.wav")}
	var err error
	if h.rec, err = c.Record(h.file); err != nil {
		t.Fatal(err)
	}
	return h
}

// heard is all that came so far, or nothing while the file is not readable.
func (h *hearing) heard() []int16 {
	b, err := os.ReadFile(h.file)
	if err != nil {
		return nil
	}
	audio, err := wav.Decode(h.file, bytes.NewReader(b), 10*time.Minute)
	if err != nil || audio.Rate != voiceRate {
		return nil
	}
	return audio.PCM
}

// waits until the phone has heard a sound after the one before.
func (h *hearing) waits(what string, sound []int16) {
	h.t.Helper()
	var found hear.Found
	for deadline := time.Now().Add(60 * time.Second); time.Now().Before(deadline); time.Sleep(300 * time.Millisecond) {
		heard := h.heard()
		heard = heard[min(h.from, len(heard)):]
		if found = hear.Find(heard, sound, voiceRate); found.Share >= 0.7 && found.Order {
			h.t.Logf("%s: %.0f%% of it heard at correlation %.3f", what, 100*found.Share, found.Score)
			h.from += max(found.Offset, 0) + len(sound)
			return
		}
	}
	h.t.Fatalf("%s was not heard: %+v", what, found)
}

// shipped waits for the end of a shipped prompt.
func (h *hearing) shipped(name string) {
	h.t.Helper()
	b, err := scripts.FS.ReadFile("prompts/" + name + ".wav")
	if err != nil {
		h.t.Fatal(err)
	}
	audio, err := wav.Decode(name, bytes.NewReader(b), time.Minute)
	pcm := audio.PCM
	if err == nil {
		pcm, err = codec.Resample(pcm, audio.Rate, voiceRate)
	}
	if err != nil {
		h.t.Fatal(err)
	}
	h.waits(name, pcm[max(0, len(pcm)-voiceRate):])
}

// message is what the caller says: a tone that glides up, so that each piece of it is found in
// one place only.
func message(d time.Duration) []int16 {
	out, phase := make([]int16, int(d.Seconds()*voiceRate)), 0.0
	for i := range out {
		phase += 2 * math.Pi * (400 + 1200*float64(i)/float64(len(out))) / voiceRate
		out[i] = int16(8000 * math.Sin(phase))
	}
	return out
}

// say speaks a sound and returns when it has been said.
func say(t *testing.T, c *phone.Call, pcm []int16) {
	t.Helper()
	dir := t.TempDir()
	f, err := os.Create(filepath.Join(dir, "say.wav"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	w, err := wav.NewWriter(f, voiceRate, 1)
	if err == nil {
		err = w.Write(pcm)
	}
	if err != nil {
		t.Fatal(err)
	}
	clip, err := media.LoadClip(os.DirFS(dir), "say.wav")
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Play(t.Context(), clip); err != nil {
		t.Fatal(err)
	}
}

func press(t *testing.T, c *phone.Call, keys string) {
	t.Helper()
	if err := c.Press(t.Context(), keys); err != nil {
		t.Fatal(err)
	}
}

// TestVoicemail leaves a message, sees the lamp, restarts the server, listens to what was said
// and deletes it.
func TestVoicemail(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	data := filepath.Join(dir, "data")
	file := write(t, filepath.Join(dir, "tandem.toml"), `[[user]]
name = "1001"
password = "pw"
[[acl]]
allow = ["127.0.0.1"]
[scripts.settings.voicemail]
`)
	s := serve(t, "-c", file, "--data", data)
	alice := s.lamp("1001", "pw")
	alice.shows("0/0")
	incoming := make(chan struct{})
	go func() {
		defer close(incoming)
		if c, err := alice.phone.Accept(t.Context()); err == nil {
			_ = c.Reject(486)
		}
	}()

	caller := phoneAt(t, "127.0.0.1", phone.Options{User: "5551234"})
	c, err := s.call(caller, "1001")
	if err != nil {
		t.Fatal(err)
	}
	<-incoming
	h := listens(t, c)
	h.shipped("vm-unavailable")
	said := message(6 * time.Second)
	say(t, c, said) // over the tone at first; what comes after it is compared
	press(t, c, "#")
	h.shipped("vm-sent")
	<-c.Done()
	alice.shows("1/0")
	if code := s.stop(); code != 0 {
		t.Fatalf("exit %d\n%s", code, s.stderr)
	}

	again := serve(t, "-c", file, "--data", data)
	alice = again.lamp("1001", "pw")
	alice.shows("1/0")
	c, err = again.call(alice.phone, "*97")
	if err != nil {
		t.Fatal(err)
	}
	h = listens(t, c)
	h.shipped("vm-you-have")
	h.shipped("vm-new-message")
	press(t, c, "1")
	h.shipped("vm-received")
	h.waits("the message", said[2*voiceRate:5*voiceRate])
	h.shipped("vm-after")
	press(t, c, "3")
	h.shipped("vm-deleted")
	alice.shows("0/0")
	if err := c.Hangup(t.Context()); err != nil {
		t.Error(err)
	}
	if left, err := filepath.Glob(filepath.Join(data, "recordings", "voicemail", "1001", "*")); err != nil || len(left) != 0 {
		t.Errorf("files left behind: %v %v", left, err)
	}
	if code, stdout, stderr := command("cdr", "list", "--data", data, "--state", "answered", "--format", "csv"); code != 0 || strings.Count(stdout, "\n") != 3 {
		t.Errorf("records: exit %d\n%s%s", code, stdout, stderr)
	}
}
