package media

import (
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"tandem/media/hear"
	"tandem/media/soundfile"
)

// TestMixRecordHoldsAll records three who say tones, with a pause, until the conference is
// closed: each tone is in the file as loud as it was said.
func TestMixRecordHoldsAll(t *testing.T) {
	t.Parallel()
	for _, rate := range []int{8000, 16000, 48000} {
		for _, name := range []string{"room.wav", "room.opus"} {
			if name == "room.opus" && rate != 48000 {
				continue // its coder costs more than the rest of the test
			}
			t.Run(fmt.Sprint(rate, " ", name), func(t *testing.T) {
				t.Parallel()
				inRoom(t, 1, rate, []string{"PCMU", "PCMA", "G722"}, func(t *testing.T, r *room) {
					path := filepath.Join(t.TempDir(), name)
					r.joinAll()
					r.talk(50)
					rec, err := r.Record(RecordOptions{Path: path})
					if err != nil {
						t.Fatal(err)
					}
					synctest.Wait()
					r.talk(100)
					rec.Pause()
					r.talk(50)
					rec.Resume()
					r.talk(50)
					r.Close()
					<-rec.Done()
					if res := rec.Result(); res.Why != recordHangup || math.Abs(res.Seconds-4) > 0.041 || res.Lost != 0 || res.Err != nil {
						t.Errorf("result %+v", res)
					}
					f, err := os.Open(path)
					if err != nil {
						t.Fatal(err)
					}
					defer f.Close()
					a, err := soundfile.Decode(name, f, time.Hour)
					if err != nil {
						t.Fatal(err)
					}
					if name == "room.wav" && a.Rate != rate {
						t.Errorf("the file has %d Hz", a.Rate)
					}
					for _, p := range r.parties {
						for _, second := range []float64{1, 3.5} {
							pcm := a.PCM[int(second*float64(a.Rate)):][:a.Rate/2-a.Rate/20]
							if got := levelOf(pcm, p.hz, a.Rate); math.Abs(got-p.level) > map[string]float64{"room.wav": 1, "room.opus": 2.5}[name] {
								t.Errorf("at %.1f s %v Hz is %.1f dB, said at %.1f", second, p.hz, got, p.level)
							}
						}
					}
					if got := hear.Level(a.PCM[a.Rate*22/10 : a.Rate*28/10]); got > -60 {
						t.Errorf("the pause sounds at %.1f dB", got)
					}
				})
			})
		}
	}
}

// TestMixRecordEnds stops one recording while another goes on, over a time when nobody is in
// the conference, and none begins in one that is over.
func TestMixRecordEnds(t *testing.T) {
	t.Parallel()
	inRoom(t, 1, 8000, []string{"PCMU"}, func(t *testing.T, r *room) {
		dir := t.TempDir()
		begin := func(name string) *Recording {
			rec, err := r.Record(RecordOptions{Path: filepath.Join(dir, name)})
			if err != nil {
				t.Fatal(err)
			}
			synctest.Wait()
			return rec
		}
		long := begin("long.wav") // nobody is there yet
		time.Sleep(time.Second)
		r.joinAll()
		short := begin("short.wav")
		r.talk(50)
		short.Stop()
		short.Stop()
		<-short.Done()
		if res := short.Result(); res.Why != recordStopped || math.Abs(res.Seconds-1) > 0.041 {
			t.Errorf("the first one stopped: %+v", res)
		}
		r.Leave(r.parties[0].session)
		r.talk(50)
		r.joinAll()
		r.talk(50)
		r.Close()
		<-long.Done()
		if res := long.Result(); math.Abs(res.Seconds-4) > 0.041 {
			t.Errorf("the one that went on: %+v", res)
		}
		pcm := readWAV(t, filepath.Join(dir, "long.wav")).PCM
		for second, want := range []bool{false, true, false, true} {
			if got := levelOf(pcm[second*8000+1600:][:4800], 300, 8000); (math.Abs(got+20) < 1) != want || !want && got > -60 {
				t.Errorf("second %d holds the tone at %.1f dB", second, got)
			}
		}
		late := begin("late.wav")
		<-late.Done()
		if res := late.Result(); res.Why != recordHangup || res.Seconds != 0 {
			t.Errorf("after the end: %+v", res)
		}
		if _, err := r.Record(RecordOptions{Path: filepath.Join(dir, "no", "x.wav")}); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("where no folder is: %v", err)
		}
		ends := begin("engine.wav")
		r.bubble.engine.Close()
		<-ends.Done()
		if _, err := r.Record(RecordOptions{Path: filepath.Join(dir, "x.wav")}); !errors.Is(err, ErrClosed) {
			t.Errorf("of a closed engine: %v", err)
		}
	})
}
