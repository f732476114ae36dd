package phone

import (
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"tandem/b2bua/transport"
	"tandem/media"
	"tandem/media/hear"
	"tandem/media/wav"
)

// Real sockets, both ways: ring, answer, digits, sound, BYE, and nothing left.
func TestPhoneToPhone(t *testing.T) {
	t.Parallel()
	for _, proto := range []string{"udp", "tcp"} {
		for _, caller := range []bool{true, false} {
			t.Run(proto+map[bool]string{true: " caller hangs up", false: " callee hangs up"}[caller], func(t *testing.T) {
				t.Parallel()
				talk(t, proto, caller)
			})
		}
	}
}

func talk(t *testing.T, proto string, callerHangsUp bool) {
	end, err := transport.ParseEndpoint(proto + "://127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var mu sync.Mutex
	var lines []string
	alice := newPhone(t, Options{User: "alice", Display: `Al "I" ce`, Listen: []transport.Endpoint{end}, Trace: func(l string) {
		mu.Lock()
		defer mu.Unlock()
		lines = append(lines, l)
	}})
	bob := newPhone(t, Options{User: "bob", Listen: []transport.Endpoint{end}})
	a, b := connected(t, alice, bob, DialOptions{})
	ctx := within(t, 30*time.Second)

	if from := b.Invite().From(); from.Address.User != "alice" {
		t.Errorf("From %s", from.Value())
	}
	path := filepath.Join(t.TempDir(), "heard.wav")
	recording, err := b.Record(path)
	if err != nil {
		t.Fatal(err)
	}
	tone, err := media.ParseTone("tone:440/600")
	if err != nil {
		t.Fatal(err)
	}
	if err := a.Play(ctx, tone); err != nil {
		t.Errorf("play: %v", err)
	}
	if err := a.Press(ctx, "12#"); err != nil {
		t.Errorf("press: %v", err)
	}
	if err := b.Press(ctx, "*0"); err != nil {
		t.Errorf("press: %v", err)
	}
	if got, err := b.WaitDigits(ctx, 3); got != "12#" {
		t.Errorf("bob heard %q, %v", got, err)
	}
	if got, err := a.WaitDigits(ctx, 2); got != "*0" {
		t.Errorf("alice heard %q, %v", got, err)
	}
	first, second := a, b
	if !callerHangsUp {
		first, second = b, a
	}
	if err := first.Hangup(ctx); err != nil {
		t.Errorf("hang up: %v", err)
	}
	if e1, e2 := ended(t, first), ended(t, second); e1.By != "local" || e2.By != "remote" || e1.Err != nil || e2.Err != nil {
		t.Errorf("ended by %+v and %+v", e1, e2)
	}
	if err := second.Hangup(ctx); err != nil {
		t.Errorf("hanging up what has ended: %v", err)
	}
	for _, c := range []*Call{a, b} {
		if s := c.Stats(); s.RxPackets < 20 || s.TxPackets < 20 || s.Lost > 0 || c.State() != Ended {
			t.Errorf("%+v", s)
		}
	}
	<-recording.Done()
	heardTone(t, path, 440)
	mu.Lock()
	defer mu.Unlock()
	drawn := strings.Join(lines, "\n")
	for _, want := range []string{"-- INVITE (sdp) -", " 180 Ringing --", " 200 OK (sdp) --", "-- ACK -", "BYE"} {
		if !strings.Contains(drawn, want) {
			t.Errorf("%q is not in the ladder\n%s", want, drawn)
		}
	}
}

func heardTone(t *testing.T, path string, want float64) {
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
	if got := hear.Tone(audio.PCM, audio.Rate); got.Hz < want-5 || got.Hz > want+5 || got.Share < 0.5 {
		t.Errorf("heard %+v, want %v Hz", got, want)
	}
}

func TestManyPhonesInOneProcess(t *testing.T) {
	t.Parallel()
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			a, b := newPhone(t, Options{}), newPhone(t, Options{})
			ca, cb := connected(t, a, b, DialOptions{})
			if err := a.Close(); err != nil {
				t.Errorf("close: %v", err)
			}
			if e := ended(t, cb); e.By != "remote" {
				t.Errorf("closing a phone ended the other's call by %+v", e)
			}
			ended(t, ca)
		})
	}
	all.Wait()
}

func TestBadOptionsAndURIs(t *testing.T) {
	t.Parallel()
	if _, err := New(Options{Server: "sip:"}); err == nil {
		t.Error("a server without a host is accepted")
	}
	p := newPhone(t, Options{})
	for _, uri := range []string{"", "sip:", "tel:+1555", "sip:a@b c", "sip:x@y\r\nVia: z", "sip:a@127.0.0.1;transport=carrier-pigeon"} {
		if c, err := p.Invite(t.Context(), uri, DialOptions{}); err == nil {
			t.Errorf("%q was called: %v", uri, c)
		}
	}
	if err := p.Register(t.Context()); err == nil {
		t.Error("registered without a server")
	}
	taken := p.layer.Endpoints()[:1]
	if _, err := New(Options{Listen: taken}); err == nil {
		t.Error("bound a port that is taken")
	}
}
