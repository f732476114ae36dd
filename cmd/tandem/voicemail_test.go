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
	"tandem/media/hear"
	"tandem/media/wav"
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
	ctx, cancel := context.WithTimeout(s.t.Context(), time.Minute)
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
	for limit := time.After(2 * time.Minute); ; {
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

// heard is what a phone has recorded, at voiceRate.
func heard(t *testing.T, file string) []int16 {
	t.Helper()
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	audio, err := wav.Decode(file, bytes.NewReader(b), 10*time.Minute)
	if err != nil || audio.Rate != voiceRate {
		t.Fatalf("%s: %v, %d Hz", file, err, audio.Rate)
	}
	return audio.PCM
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
// and deletes it. Nothing in it has to be done in time: keys wait until they are taken.
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
silence = 60
`)
	s := serve(t, "-c", file, "--data", data)
	alice := s.lamp("1001", "pw")
	alice.shows("0/0")
	go func() {
		if c, err := alice.phone.Accept(t.Context()); err == nil {
			_ = c.Reject(486)
		}
	}()
	c, err := s.call(phoneAt(t, "127.0.0.1", phone.Options{User: "5551234"}), "1001")
	if err != nil {
		t.Fatal(err)
	}
	said := message(14 * time.Second)
	say(t, c, said) // over the greeting and the tone at first, 5 s; what comes later is compared
	press(t, c, "#")
	alice.shows("1/0")
	if code := s.stop(); code != 0 {
		t.Fatalf("exit %d\n%s", code, s.stderr)
	}

	again := serve(t, "-c", file, "--data", data)
	alice = again.lamp("1001", "pw")
	alice.shows("1/0")
	if c, err = again.call(alice.phone, "*97"); err != nil {
		t.Fatal(err)
	}
	listened := filepath.Join(dir, "heard.wav")
	rec, err := c.Record(listened)
	if err != nil {
		t.Fatal(err)
	}
	press(t, c, "1")
	alice.shows("0/1")
	hangUp(t, c)
	<-rec.Done()
	found := hear.Find(heard(t, listened), said[8*voiceRate:13*voiceRate], voiceRate)
	t.Logf("%.0f%% of what was said was heard, at correlation %.3f", 100*found.Share, found.Score)
	if found.Share < 0.6 || !found.Order {
		t.Errorf("what was heard is not what was said: %+v", found)
	}

	if c, err = again.call(alice.phone, "*97"); err != nil {
		t.Fatal(err)
	}
	press(t, c, "13")
	alice.shows("0/0")
	hangUp(t, c)
	for deadline := time.Now().Add(30 * time.Second); ; time.Sleep(50 * time.Millisecond) {
		left, err := filepath.Glob(filepath.Join(data, "recordings", "voicemail", "1001", "*"))
		if err == nil && len(left) == 0 {
			break
		}
		if err != nil || time.Now().After(deadline) {
			t.Fatalf("files left behind: %v %v", left, err)
		}
	}
}

func hangUp(t *testing.T, c *phone.Call) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	if err := c.Hangup(ctx); err != nil {
		t.Error(err)
	}
}
