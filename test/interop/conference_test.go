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

const roomScript = `
return { on_call = function(call)
  call:conference("room", { record = "room.wav" })
end }
`

// TestPhonesConfer: of three baresips in a conference each hears the other two and not
// itself, and the recording holds all.
func TestPhonesConfer(t *testing.T) {
	t.Parallel()
	srv := serve(t, setup{scripts: map[string]string{"50-main.lua": roomScript}})
	// In the first ten seconds no two are at the same frequency.
	sounds := [][]int16{
		chirp(300, 3000, 30*time.Second), chirp(3000, 400, 30*time.Second),
		slices.Concat(chirp(1900, 1300, 12*time.Second), chirp(1300, 1900, 18*time.Second)),
	}
	var phones []*softphone
	for i, says := range sounds {
		p := newSoftphone(t, says)
		p.login(t, account{user: "visitor", domain: srv.udp, codecs: []string{"pcmu", "pcma", "pcmu"}[i]})
		phones = append(phones, p)
	}
	for _, p := range phones {
		p.command(t, "dial", srv.uri("800"))
	}
	for _, p := range phones {
		p.await(t, "CALL_ESTABLISHED")
	}
	for _, p := range phones {
		p.hears(t, 9*time.Second)
	}
	var heard [][]int16
	for _, p := range phones {
		heard = append(heard, p.heard(t))
	}
	// Of n sounds that are equally loud each correlates with their sum at 1/√n, here 0.71 and
	// for the recording 0.58.
	for i := range phones {
		for k, says := range sounds {
			found, score := within(heard[i], says, 0.5)
			t.Logf("phone %d hears %d of 4 pieces of phone %d, at correlation %.2f", i, found, k, score)
			switch {
			case i == k && score > 0.2:
				t.Errorf("phone %d hears itself", i)
			case i != k && found < 3:
				t.Errorf("phone %d does not hear phone %d", i, k)
			}
		}
	}
	srv.finished(t, 3)
	kept := srv.records(t, `select recording from calls where recording != ''`)
	if len(kept) != 1 || kept[0]["recording"] != "room.wav" {
		t.Errorf("the records name %v", kept)
	}
	pcm, rate, err := readWAV(filepath.Join(srv.dir, "data", "recordings", "room.wav"))
	if err == nil {
		pcm, err = codec.Resample(pcm, rate, phoneRate)
	}
	if err != nil {
		t.Fatal(err)
	}
	for k, says := range sounds {
		if found, score := within(pcm, says, 0.4); found < 3 {
			t.Errorf("the recording holds %d of 4 pieces of phone %d, at correlation %.2f", found, k, score)
		}
	}
}

// within counts the pieces of a sound, 0.6 s each 1.2 s from its third second on, that correlate with
// what was heard at least so much. score is the mean of all four.
func within(heard, sound []int16, least float64) (found int, score float64) {
	const size = 6 * phoneRate / 10
	for i := range 4 {
		at := 2*phoneRate + 2*i*size
		m := hear.Correlate(heard, sound[at:at+size])
		if m.Score >= least {
			found++
		}
		score += m.Score / 4
	}
	return found, score
}
