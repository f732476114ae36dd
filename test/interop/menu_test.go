//go:build interop

package interop

import (
	"path/filepath"
	"slices"
	"testing"
	"time"

	"tandem/media/codec"
	"tandem/media/hear"
)

// TestPhoneUsesTheMenu: a phone calls 700 as it ships, hears the menu, presses
// a key in the middle of it and hears what that key stands for.
func TestPhoneUsesTheMenu(t *testing.T) {
	t.Parallel()
	for key, want := range map[string]string{"1": "the-time-is", "0": "goodbye", "9": "invalid"} {
		t.Run("key "+key, func(t *testing.T) {
			t.Parallel()
			srv := serve(t, setup{})
			p := newSoftphone(t, nil)
			p.login(t, account{user: "visitor", domain: srv.udp})
			p.call(t, srv.uri("700"))
			p.hears(t, 2*time.Second)
			p.command(t, "sndcode", key)
			if key == "0" {
				p.await(t, "CALL_CLOSED") // the script hangs up
			} else {
				p.hears(t, 5*time.Second)
			}
			recording := p.heard(t)

			const pressed = 2 * phoneRate // not before then
			begin := hear.Find(recording[:pressed], second(prompt(t, "main-menu"), 0), phoneRate)
			if begin.Share < 0.5 || begin.Score < 0.9 {
				t.Errorf("the recording does not begin with the menu: %+v", begin)
			}
			for _, name := range []string{"the-time-is", "goodbye", "invalid"} {
				f := hear.Find(recording, prompt(t, name), phoneRate)
				t.Logf("%-12s %.0f%% at correlation %.3f from %.2f s", name, 100*f.Share, f.Score, seconds(f.Offset))
				if name == want && (f.Share < 0.9 || f.Offset < pressed) {
					t.Errorf("%s is not heard after the key: %+v", name, f)
				}
				if name != want && f.Share > 0.5 {
					t.Errorf("%s is heard, and should not be: %+v", name, f)
				}
			}
			call := srv.finished(t, 1)[0]
			digits := srv.records(t, `select text from events where kind = 'dtmf' and call_id = ?`, call["id"])
			if !slices.ContainsFunc(digits, func(e map[string]any) bool { return e["text"] == key }) {
				t.Errorf("the timeline has no digit %s: %v", key, digits)
			}
		})
	}
}

// TestPhoneHearsItselfRecorded: key 2 of the menu records and plays back.
func TestPhoneHearsItselfRecorded(t *testing.T) {
	t.Parallel()
	srv := serve(t, setup{})
	says := chirp(300, 3400, 40*time.Second)
	p := newSoftphone(t, says)
	p.login(t, account{user: "visitor", domain: srv.udp})
	p.call(t, srv.uri("700"))
	p.hears(t, time.Second)
	p.command(t, "sndcode", "2")
	// After the words and the beep, some 6 s into what the phone says, the
	// recording begins; it ends in the tenth.
	p.says(t, 9*time.Second+500*time.Millisecond)
	p.command(t, "sndcode", "#")
	p.says(t, 15*time.Second)
	recording := p.heard(t)
	for _, name := range []string{"record-after-beep", "you-said"} {
		if f := hear.Find(recording, prompt(t, name), phoneRate); f.Share < 0.9 || !f.Order {
			t.Errorf("%s is not heard: %+v", name, f)
		}
	}
	holds(t, "what came back", recording, second(says, 8), second(says, 30))
	kept, err := filepath.Glob(filepath.Join(srv.dir, "data", "recordings", "*", "*.wav"))
	if err != nil || len(kept) != 1 {
		t.Errorf("recordings kept: %v, %v", kept, err)
	}
}

// TestMenuConnectsToAPhone: key 3 bridges a caller who has been answered long ago.
func TestMenuConnectsToAPhone(t *testing.T) {
	t.Parallel()
	srv := serve(t, setup{config: twoUsers})
	visitorSays, aliceSays := chirp(300, 3400, 40*time.Second), chirp(3400, 400, 40*time.Second)
	visitor, alice := newSoftphone(t, visitorSays), newSoftphone(t, aliceSays)
	alice.login(t, account{user: "1001", password: "first-secret", domain: srv.udp, register: true})
	visitor.login(t, account{user: "visitor", domain: srv.udp})
	visitor.call(t, srv.uri("700"))
	visitor.hears(t, time.Second)
	visitor.command(t, "sndcode", "3")
	alice.await(t, "CALL_ESTABLISHED")
	alice.hears(t, 9*time.Second)
	byVisitor := visitor.heard(t)
	byAlice := alice.heard(t)
	holds(t, "what the visitor heard", byVisitor, second(aliceSays, 2), second(visitorSays, 2))
	holds(t, "what Alice heard", byAlice, second(visitorSays, 8), second(aliceSays, 2))

	call := srv.finished(t, 1)[0]
	expect(t, call, "state", "answered")
	if legs := srv.legs(t, call); len(legs) != 2 || legs[1]["target"] != "user:1001" {
		t.Errorf("legs: %v", legs)
	}
}

// prompt is a shipped sound as a G.711 phone can hear it.
func prompt(t *testing.T, name string) []int16 {
	t.Helper()
	pcm, rate, err := readWAV(filepath.Join("..", "..", "scripts", "prompts", name+".wav"))
	if err != nil {
		t.Fatal(err)
	}
	pcm, err = codec.Resample(pcm, rate, phoneRate)
	if err != nil {
		t.Fatal(err)
	}
	return pcm
}
