//go:build interop

package interop

import (
	"path/filepath"
	"slices"
	"testing"
	"time"
)

// TestPhoneUsesTheMenu: a phone calls 700 as it ships, hears the menu, presses
// a key in the middle of it and hears what that key stands for.
func TestPhoneUsesTheMenu(t *testing.T) {
	t.Parallel()
	for key, want := range map[string]string{"1": "the-time-is", "0": "goodbye", "9": "invalid"} {
		t.Run("key "+key, func(t *testing.T) {
			t.Parallel()
			srv := serve(t, setup{})
			p := softphoneAt(t, "")
			p.login(t, account{user: "visitor", domain: srv.udp})
			p.call(t, srv.uri("700"))
			p.hears(t, 2*time.Second)
			p.command(t, "sndcode", key)
			p.hears(t, 5*time.Second)
			recording := p.heard(t)

			menu := prompt(t, "main-menu")
			begin := find(menu[:8000], recording)
			if begin.score < 0.85 {
				t.Errorf("the menu does not begin in the recording: correlation %.3f", begin.score)
			}
			for _, name := range []string{"the-time-is", "goodbye", "invalid"} {
				f := find(prompt(t, name), recording)
				t.Logf("%-12s correlation %.3f at %.2f s", name, f.score, float64(f.at)/8000)
				if name == want && (f.score < 0.85 || f.at < begin.at+8000) {
					t.Errorf("%s is not heard after the key", name)
				}
				if name != want && f.score > 0.6 {
					t.Errorf("%s is heard, and should not be", name)
				}
			}
			digits := srv.records(t, `select text from events where kind = 'dtmf'`)
			if !slices.ContainsFunc(digits, func(e map[string]any) bool { return e["text"] == key }) {
				t.Errorf("the timeline has no digit %s: %v", key, digits)
			}
		})
	}
}

// prompt is a shipped sound as a G.711 phone can hear it.
func prompt(t *testing.T, name string) []int16 {
	t.Helper()
	return halve(readWAV(t, filepath.Join("..", "..", "scripts", "prompts", name+".wav")))
}
