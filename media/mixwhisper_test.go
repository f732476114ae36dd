package media

import (
	"math"
	"testing"
)

// TestMixWhispers: what one says to another alone is heard by nobody else.
func TestMixWhispers(t *testing.T) {
	t.Parallel()
	inRoom(t, 3, 16000, []string{"PCMU", "PCMA", "PCMU"}, func(t *testing.T, r *room) {
		options := []JoinOptions{{}, {}, {Only: r.parties[1].session}}
		for i, p := range r.parties {
			if err := r.Join(p.session, options[i]); err != nil {
				t.Fatal(err)
			}
		}
		hears := [][]bool{{false, true, false}, {true, false, true}, {true, true, false}} // who hears whom
		check := func() {
			t.Helper()
			r.talk(75)
			for i, p := range r.parties {
				for k, q := range r.parties {
					got := levelOf(p.end(1), q.hz, 8000)
					if hears[i][k] && math.Abs(got-q.level) > 1 || !hears[i][k] && got > -50 {
						t.Errorf("party %d hears party %d at %.1f dB", i, k, got)
					}
				}
			}
		}
		check()
		if err := r.Join(r.parties[2].session, JoinOptions{}); err != nil { // speaks up
			t.Fatal(err)
		}
		hears[0][2] = true
		check()
		if err := r.Join(r.parties[2].session, JoinOptions{Muted: true}); err != nil {
			t.Fatal(err)
		}
		hears[0][2], hears[1][2] = false, false
		check()
	})
}
