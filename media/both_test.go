package media

import (
	"math"
	"os"
	"path/filepath"
	"testing"
	"time"

	"tandem/media/hear"
	"tandem/media/soundfile"
	"tandem/media/wav"
)

// stereoOf parts the channels of a file.
func stereoOf(t *testing.T, path string) (left, right []int16) {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if b[22] != 2 {
		t.Fatalf("%s has %d channels", path, b[22])
	}
	for i := 44; i+4 <= len(b); i += 4 {
		left = append(left, int16(uint16(b[i])|uint16(b[i+1])<<8))
		right = append(right, int16(uint16(b[i+2])|uint16(b[i+3])<<8))
	}
	return left, right
}

func sine(hz float64, amplitude float64, n int) []int16 {
	pcm := make([]int16, n)
	for i := range pcm {
		pcm[i] = int16(amplitude * math.Sin(2*math.Pi*hz*float64(i)/8000))
	}
	return pcm
}

// heardTone checks that pcm is one tone, or silence for 0 Hz.
func heardTone(t *testing.T, what string, pcm []int16, hz float64) {
	t.Helper()
	pcm = pcm[len(pcm)/8 : len(pcm)*7/8]
	if hz == 0 {
		if level := hear.Level(pcm); level > -60 {
			t.Errorf("%s is not silent: %.1f dB, %v", what, level, hear.Tone(pcm, 8000))
		}
		return
	}
	if got := hear.Tone(pcm, 8000); math.Abs(got.Hz-hz) > 5 || got.Share < 0.95 {
		t.Errorf("%s is %v, want %v Hz", what, got, hz)
	}
}

// TestRecordBothSides: the peer speaks for a second, hears a prompt for a second, and then
// both, while it is bridged with another who speaks. The recording goes on over all of it.
func TestRecordBothSides(t *testing.T) {
	t.Parallel()
	inBubble(t, SessionOptions{}, func(t *testing.T, b *bubble) {
		other := open(t, b.engine, SessionOptions{})
		bob := memoryPeer(t, b.mem, "127.0.0.1:4002")
		bob.call(other, "8")
		bob.h.PayloadType = 8
		dir := t.TempDir()
		files := map[string]RecordOptions{
			"stereo.wav": {Side: SideBoth, Stereo: true}, "mixed.wav": {Side: SideBoth},
			"peer.wav": {Side: SidePeer}, "heard.wav": {Side: SideHeard}, "mixed.opus": {Side: SideBoth},
			"stereo.ogg": {Side: SideBoth, Stereo: true},
		}
		var all []*Recording
		for name, o := range files {
			o.Path = filepath.Join(dir, name)
			r, err := b.Record(o)
			if err != nil {
				t.Fatal(err)
			}
			all = append(all, r)
		}
		b.peer.say(sine(440, 8000, 8000))
		<-b.Play([]Source{clipOf(sine(1000, 8000, 8000), 8000)}, PlayOptions{}).Done()
		if err := Bridge(b.Session, other); err != nil {
			t.Fatal(err)
		}
		said := sine(600, 8000, 8000)
		mine := sine(440, 8000, 8000)
		for i := 0; i < 8000; i += 160 {
			bob.send(aLawOf(said[i:][:160]))
			b.peer.send(muLawOf(mine[i:][:160]))
			time.Sleep(20 * time.Millisecond)
		}
		for _, r := range all {
			r.Stop()
			<-r.Done()
			if res := r.Result(); res.Err != nil || math.Abs(res.Seconds-3) > 0.05 || res.Lost != 0 {
				t.Errorf("%+v", res)
			}
		}
		other.Close()
		left, right := stereoOf(t, filepath.Join(dir, "stereo.wav"))
		peer, heard := readWAV(t, filepath.Join(dir, "peer.wav")).PCM, readWAV(t, filepath.Join(dir, "heard.wav")).PCM
		for name, side := range map[string][]int16{"left": left, "peer": peer} {
			heardTone(t, name+" in second 1", side[:8000], 440)
			heardTone(t, name+" in second 2", side[8000:16000], 0)
			heardTone(t, name+" in second 3", side[16000:24000], 440)
		}
		for name, side := range map[string][]int16{"right": right, "heard": heard} {
			heardTone(t, name+" in second 1", side[:8000], 0)
			heardTone(t, name+" in second 2", side[8000:16000], 1000)
			heardTone(t, name+" in second 3", side[16000:24000], 600)
		}
		for i, v := range readWAV(t, filepath.Join(dir, "mixed.wav")).PCM {
			if int(v) != int(left[i])+int(right[i]) {
				t.Fatalf("sample %d of the mix is %d, of the sides %d and %d", i, v, left[i], right[i])
			}
		}
		for _, name := range []string{"mixed.opus", "stereo.ogg"} {
			opus := readSound(t, filepath.Join(dir, name))
			if d := opus.Duration(); math.Abs(d.Seconds()-3) > 0.05 {
				t.Errorf("%s plays %v", name, d)
			}
			second := func(i int) []int16 { return opus.PCM[i*opus.Rate+opus.Rate/8 : (i+1)*opus.Rate-opus.Rate/8] }
			for i, hz := range []float64{440, 1000} {
				if got := hear.Tone(second(i), opus.Rate); math.Abs(got.Hz-hz) > 5 || got.Share < 0.9 {
					t.Errorf("%s, second %d: %v", name, i+1, got)
				}
			}
			if got := hear.Tones(second(2), opus.Rate, 2); len(got) != 2 || math.Abs(got[0].Hz+got[1].Hz-1040) > 10 {
				t.Errorf("%s, second 3: %v", name, got)
			}
		}
	})
}

func aLawOf(pcm []int16) []byte {
	b := make([]byte, len(pcm))
	enc, err := formatNamed("PCMA").NewEncoder()
	if err != nil {
		panic(err)
	}
	return b[:enc.Encode(b, pcm)]
}

func readSound(t *testing.T, path string) wav.Audio {
	t.Helper()
	file, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	a, err := soundfile.Decode(path, file, time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// TestRecordPauses speaks for five seconds, of which the second and the fourth are paused.
func TestRecordPauses(t *testing.T) {
	t.Parallel()
	for _, skip := range []bool{false, true} {
		inBubble(t, SessionOptions{}, func(t *testing.T, b *bubble) {
			r, path := record(t, b.Session, RecordOptions{Skip: skip, Side: SideBoth})
			for i, hz := range []float64{300, 400, 500, 600, 700} {
				switch i {
				case 1, 3:
					r.Pause()
					r.Pause()
				case 2, 4:
					r.Resume()
					r.Resume()
				}
				b.peer.say(sine(hz, 8000, 8000))
			}
			r.Pause()
			time.Sleep(time.Second)
			r.Stop() // in a pause
			<-r.Done()
			want := []float64{300, 0, 500, 0, 700, 0}
			if skip {
				want = []float64{300, 500, 700}
			}
			a := readWAV(t, path)
			if n := len(a.PCM) - len(want)*8000; n < -160 || n > 160 || r.Result().Why != "stopped" {
				t.Fatalf("skip %v: %d samples, %+v", skip, len(a.PCM), r.Result())
			}
			for i, hz := range want {
				heardTone(t, "second", a.PCM[i*8000:min((i+1)*8000, len(a.PCM))], hz)
			}
		})
	}
}

// TestRecordLimitsLeavePausesOut: a limit counts what is in the file, and a pause is no
// silence of the peer's.
func TestRecordLimitsLeavePausesOut(t *testing.T) {
	t.Parallel()
	inBubble(t, SessionOptions{}, func(t *testing.T, b *bubble) {
		r, _ := record(t, b.Session, RecordOptions{Skip: true, Max: 3 * time.Second, Silence: 2 * time.Second})
		b.peer.say(sine(300, 8000, 8000))
		r.Pause()
		time.Sleep(10 * time.Second)
		r.Resume()
		b.peer.say(sine(300, 8000, 24000))
		<-r.Done()
		if res := r.Result(); res.Why != "max" || math.Abs(res.Seconds-3) > 0.03 {
			t.Errorf("%+v", res)
		}
	})
}
