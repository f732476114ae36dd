package main

import (
	"context"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"tandem/b2bua/phone"
	"tandem/media"
	"tandem/media/hear"
	"tandem/media/tone"
	"tandem/media/wav"
)

// callee is a phone that somebody else would hold.
func callee(t *testing.T) *phone.Phone {
	t.Helper()
	p, err := phone.New(phone.Options{User: "bob"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.Close() })
	return p
}

// accepted waits for the call to p.
func accepted(t *testing.T, p *phone.Phone) *phone.Call {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	c, err := p.Accept(ctx)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// calling is `tandem call` running.
type calling struct {
	out, errs *output
	signals   chan os.Signal
	exit      chan int
}

func startCall(args ...string) *calling {
	c := &calling{newOutput(), newOutput(), make(chan os.Signal, 1), make(chan int, 1)}
	go func() { c.exit <- run(append([]string{"call"}, args...), c.out, c.errs, c.signals) }()
	return c
}

func (c *calling) wait(t *testing.T) int {
	t.Helper()
	select {
	case code := <-c.exit:
		return code
	case <-time.After(30 * time.Second):
		t.Fatalf("still running\n%s%s", c.out, c.errs)
		return -1
	}
}

// toneFile writes seconds of a tone as WAV.
func toneFile(t *testing.T, spec string) string {
	t.Helper()
	parsed, err := tone.Parse(spec)
	if err != nil {
		t.Fatal(err)
	}
	pcm, err := parsed.Render(16000)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "tone.wav")
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	w, err := wav.NewWriter(f, 16000, 1)
	if err == nil {
		err = w.Write(pcm)
	}
	if err != nil {
		t.Fatal(err)
	}
	return path
}

func toneIn(t *testing.T, path string) hear.Peak {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	audio, err := wav.Decode(path, f, time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	return hear.Tone(audio.PCM, audio.Rate)
}

func TestCallTalks(t *testing.T) {
	t.Parallel()
	bob, dir := callee(t), t.TempDir()
	c := startCall(bob.URI(), "--dtmf", "1,2#", "--play", toneFile(t, "tone:700/800"), "--record", filepath.Join(dir, "ours.wav"), "-v")
	call := accepted(t, bob)
	if err := call.Ring(); err != nil {
		t.Fatal(err)
	}
	if err := call.Answer(); err != nil {
		t.Fatal(err)
	}
	answered := time.Now()
	recording, err := call.Record(filepath.Join(dir, "theirs.wav"))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	if _, err := call.WaitDigits(ctx, 1); err != nil || time.Since(answered) < 900*time.Millisecond {
		t.Errorf("first digit after %v, %v", time.Since(answered), err)
	}
	first := time.Now()
	if keys, err := call.WaitDigits(ctx, 3); keys != "12#" || time.Since(first) < time.Second {
		t.Errorf("%q, the comma took %v, %v", keys, time.Since(first), err)
	}
	source, err := media.ParseTone("tone:500/600")
	if err != nil {
		t.Fatal(err)
	}
	if err := call.Play(ctx, source); err != nil {
		t.Error(err)
	}
	if err := call.Press(ctx, "7"); err != nil {
		t.Error(err)
	}
	for heard := ctx; !strings.Contains(c.out.String(), "heard key 7") && heard.Err() == nil; {
		select {
		case <-c.out.grow:
		case <-heard.Done():
		}
	}
	if err := call.Hangup(ctx); err != nil {
		t.Error(err)
	}
	if code := c.wait(t); code != 0 {
		t.Errorf("exit %d\n%s", code, c.errs)
	}
	<-recording.Done()
	for _, want := range []string{`^calling sip:bob@`, `ringing after \d+ ms \(180 Ringing\)`, `answered after \d+ ms, codec PCMU`,
		`pressed 1,2#`, `played .*tone.wav`, `heard key 7`, `ended after \d\.\d s by the far end`,
		`sent \d{2,} packets, received \d{2,}, lost 0,`, `recorded \d\.\d s in .*ours.wav`, `\|-- INVITE \(sdp\) -+>\|`, `\|-- ACK -+>\|`, `\|<-+ BYE --\|`} {
		if !regexp.MustCompile(`(?m)` + want).MatchString(c.out.String()) {
			t.Errorf("%q is not in\n%s", want, c.out)
		}
	}
	for path, hz := range map[string]float64{"theirs.wav": 700, "ours.wav": 500} {
		if got := toneIn(t, filepath.Join(dir, path)); got.Hz < hz-10 || got.Hz > hz+10 || got.Share < 0.5 {
			t.Errorf("%s holds %+v, want %v Hz", path, got, hz)
		}
	}
}

func TestCallEndsItself(t *testing.T) {
	t.Parallel()
	bob := callee(t)
	c := startCall(bob.URI(), "--duration", "300ms", "--user", "alice")
	call := accepted(t, bob)
	if from := call.Invite().From().Address.User; from != "alice" {
		t.Errorf("From %s", from)
	}
	if err := call.Answer(); err != nil {
		t.Fatal(err)
	}
	if code := c.wait(t); code != 0 || !strings.Contains(c.out.String(), "by us (--duration is over)") {
		t.Errorf("exit %d\n%s%s", code, c.out, c.errs)
	}
	<-call.Done()
	if s := call.Stats(); s.RxPackets == 0 {
		t.Errorf("no silence came: %+v", s)
	}
}

func TestCallInterrupted(t *testing.T) {
	t.Parallel()
	for _, answer := range []bool{false, true} {
		bob := callee(t)
		c := startCall(bob.URI())
		call := accepted(t, bob)
		if err := call.Ring(); err != nil {
			t.Fatal(err)
		}
		if answer {
			if err := call.Answer(); err != nil {
				t.Fatal(err)
			}
		}
		for want := map[bool]string{false: "ringing", true: "answered"}[answer]; !strings.Contains(c.out.String(), want); {
			<-c.out.grow
		}
		c.signals <- os.Interrupt
		code := c.wait(t)
		<-call.Done()
		if want := map[bool]int{false: 1, true: 0}[answer]; code != want {
			t.Errorf("answered %v: exit %d, want %d\n%s%s", answer, code, want, c.out, c.errs)
		}
		if e := call.End(); e.By != "remote" || (e.Code == 487) == answer {
			t.Errorf("answered %v: the far end saw %+v", answer, e)
		}
	}
}

func TestCallRefused(t *testing.T) {
	t.Parallel()
	bob := callee(t)
	c := startCall(bob.URI(), "--record", filepath.Join(t.TempDir(), "x.wav"))
	if err := accepted(t, bob).Reject(486); err != nil {
		t.Fatal(err)
	}
	if code := c.wait(t); code != 1 || c.errs.String() != "tandem: 486 Busy Here\n" {
		t.Errorf("exit %d, %q", code, c.errs)
	}
}

func TestCallMisused(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		args []string
		code int
		want string
	}{
		{[]string{}, 2, "uri"},
		{[]string{"not a uri"}, 2, "not a SIP URI"},
		{[]string{"sip:a@127.0.0.1", "--dtmf", "1x"}, 2, "--dtmf"},
		{[]string{"sip:a@127.0.0.1", "--duration", "soon"}, 2, "--duration"},
		{[]string{"sip:a@127.0.0.1", "--duration", "-5s"}, 2, "--duration"},
		{[]string{"sip:a@127.0.0.1", "--password", "x"}, 2, "--user"},
		{[]string{"sip:a@127.0.0.1", "--play", filepath.Join(t.TempDir(), "none.wav")}, 1, "none.wav"},
		{[]string{"sip:a@127.0.0.1", "--record", filepath.Join(t.TempDir(), "none", "x.wav")}, 1, "none"},
	} {
		code, _, errs := command(append([]string{"call"}, tt.args...)...)
		if code != tt.code || !strings.Contains(errs, tt.want) {
			t.Errorf("%q: exit %d, %q", tt.args, code, errs)
		}
	}
}
