package media

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"tandem/media/codec"
	"tandem/media/hear"
	"tandem/media/wav"
)

func readWAV(t *testing.T, path string) wav.Audio {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	a, err := wav.Decode(path, f, time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// decoded is pcm after µ-law: what can be heard of it.
func decoded(pcm []int16) []int16 {
	out := make([]int16, len(pcm))
	codec.DecodeMuLaw(out, muLawOf(pcm))
	return out
}

// say sends pcm in packets of 20 ms, each at its time.
func (p *peer) say(pcm []int16) {
	p.t.Helper()
	for b := muLawOf(pcm); len(b) > 0; {
		n := min(160, len(b))
		p.send(b[:n])
		b = b[n:]
		time.Sleep(20 * time.Millisecond)
	}
}

func record(t *testing.T, s *Session, o RecordOptions) (*Recording, string) {
	t.Helper()
	o.Path = filepath.Join(t.TempDir(), "x.wav")
	r, err := s.Record(o)
	if err != nil {
		t.Fatal(err)
	}
	return r, o.Path
}

func TestRecordIsExact(t *testing.T) {
	t.Parallel()
	inBubble(t, SessionOptions{}, func(t *testing.T, b *bubble) {
		r, path := record(t, b.Session, RecordOptions{})
		pcm := ramp(16000, 1)
		b.peer.say(pcm)
		r.Stop()
		r.Stop()
		<-r.Done()
		a := readWAV(t, path)
		if a.Rate != 8000 || len(a.PCM) != len(pcm) {
			t.Fatalf("%d samples at %d Hz, want %d", len(a.PCM), a.Rate, len(pcm))
		}
		for i, want := range decoded(pcm) {
			if a.PCM[i] != want {
				t.Fatalf("sample %d is %d, want %d", i, a.PCM[i], want)
			}
		}
		if res := r.Result(); res.Why != "stopped" || res.Seconds != 2 || res.Lost != 0 || res.Err != nil {
			t.Errorf("result %+v", res)
		}
		if k := b.kinds(); len(k) != 2 || k[1] != EventRecorded || b.events()[1].Recording != r {
			t.Errorf("events %v", k)
		}
	})
}

// TestRecordKeepsTime loses, reorders and delays packets: what is heard stands where it
// belongs and what is not is silence.
func TestRecordKeepsTime(t *testing.T) {
	t.Parallel()
	inBubble(t, SessionOptions{}, func(t *testing.T, b *bubble) {
		r, path := record(t, b.Session, RecordOptions{})
		pcm := ramp(250*160, 1)
		want := decoded(pcm)
		first, held := b.peer.h, -1
		send := func(i int) {
			b.peer.h.Sequence, b.peer.h.Timestamp = first.Sequence+uint16(i), first.Timestamp+uint32(160*i)
			b.peer.send(muLawOf(pcm[160*i:][:160]))
		}
		for i := range 250 {
			switch {
			case i%10 == 3 || i > 100 && i < 180: // lost, one by one and 1.6 s in a row
				clear(want[160*i:][:160])
			case i%10 == 5: // overtaken
				held = i
			default:
				send(i)
				if held >= 0 {
					send(held)
					held = -1
				}
			}
			time.Sleep(20 * time.Millisecond)
		}
		b.Close()
		<-r.Done()
		a := readWAV(t, path)
		if len(a.PCM) != len(want) {
			t.Fatalf("%d samples, want %d", len(a.PCM), len(want))
		}
		for i := range want {
			if a.PCM[i] != want[i] {
				t.Fatalf("sample %d (packet %d) is %d, want %d", i, i/160, a.PCM[i], want[i])
			}
		}
		if res := r.Result(); res.Why != "hangup" {
			t.Errorf("result %+v", res)
		}
	})
}

func TestRecordEnds(t *testing.T) {
	t.Parallel()
	speech := make([]int16, 8000)
	for i := range speech {
		speech[i] = int16(4000 * (i%20 - 10) / 10)
	}
	noise := make([]int16, 8000*10)
	for i := range noise {
		noise[i] = int16(i % 30)
	}
	for _, c := range []struct {
		name    string
		o       RecordOptions
		say     []int16
		why     string
		seconds float64
	}{
		{"at its limit", RecordOptions{Max: 700 * time.Millisecond}, speech, "max", 0.7},
		{"at its limit though nothing comes", RecordOptions{Max: 2 * time.Second, Silence: 3 * time.Second}, nil, "max", 2},
		{"by silence", RecordOptions{Max: time.Minute, Silence: 2 * time.Second}, speech, "silence", 2.98},
		{"by quiet noise", RecordOptions{Silence: 2 * time.Second}, append(speech[:8000:8000], noise...), "silence", 2.98},
		{"by silence from the start", RecordOptions{Silence: 3 * time.Second}, nil, "silence", 3},
	} {
		t.Run(c.name, func(t *testing.T) {
			inBubble(t, SessionOptions{}, func(t *testing.T, b *bubble) {
				r, path := record(t, b.Session, c.o)
				b.peer.say(c.say)
				<-r.Done()
				res := r.Result()
				if res.Why != c.why || res.Seconds < c.seconds-0.03 || res.Seconds > c.seconds+0.03 {
					t.Errorf("result %+v", res)
				}
				if n := len(readWAV(t, path).PCM); float64(n) != res.Seconds*8000 {
					t.Errorf("%d samples in the file of %v s", n, res.Seconds)
				}
			})
		})
	}
}

func TestRecordIsPlayableWhileItRuns(t *testing.T) {
	t.Parallel()
	inBubble(t, SessionOptions{}, func(t *testing.T, b *bubble) {
		r, path := record(t, b.Session, RecordOptions{})
		pcm := ramp(24000, 1)
		for i := range 3 {
			b.peer.say(pcm[8000*i:][:8000])
			synctest.Wait()
			a := readWAV(t, path)
			if least := 8000*(i+1) - 4000; len(a.PCM) < least {
				t.Errorf("after %d s only %d samples are in the file", i+1, len(a.PCM))
			}
		}
		r.Stop()
		<-r.Done()
	})
}

func TestRecordOfAChangingStream(t *testing.T) {
	t.Parallel()
	inBubble(t, SessionOptions{}, func(t *testing.T, b *bubble) {
		r, path := record(t, b.Session, RecordOptions{})
		pcm := ramp(32000, 1)
		b.peer.say(pcm[:16000])
		b.peer.h.SSRC, b.peer.h.Timestamp, b.peer.h.Sequence = 99, 4_000_000_000, 7
		b.peer.say(pcm[16000:24000])
		b.peer.h.Timestamp += 1_000_000 // a jump within the stream
		b.peer.say(pcm[24000:])
		r.Stop()
		<-r.Done()
		a := readWAV(t, path)
		if len(a.PCM) != 32000 {
			t.Fatalf("%d samples", len(a.PCM))
		}
		for i, want := range decoded(pcm) {
			if a.PCM[i] != want {
				t.Fatalf("sample %d is %d, want %d", i, a.PCM[i], want)
			}
		}
	})
}

func TestRecordWhereThereIsNoFolder(t *testing.T) {
	t.Parallel()
	inBubble(t, SessionOptions{}, func(t *testing.T, b *bubble) {
		if _, err := b.Record(RecordOptions{Path: filepath.Join(t.TempDir(), "no", "x.wav")}); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("error %v", err)
		}
	})
}

func TestRecordOntoAFullDisk(t *testing.T) {
	t.Parallel()
	if _, err := os.Stat("/dev/full"); err != nil {
		t.Skip("no /dev/full")
	}
	inBubble(t, SessionOptions{}, func(t *testing.T, b *bubble) {
		if _, err := b.Record(RecordOptions{Path: "/dev/full"}); err == nil {
			t.Error("recorded onto a full disk")
		}
		r, path := record(t, b.Session, RecordOptions{})
		r.tape.file.Close() // from here on each write fails
		b.peer.say(ramp(16000, 1))
		<-r.Done()
		if res := r.Result(); res.Why != "error" || res.Err == nil || res.Path != path {
			t.Errorf("result %+v", res)
		}
		b.Bridge(t) // the call goes on
	})
}

// Bridge lets the session echo and checks that it does.
func (b *bubble) Bridge(t *testing.T) {
	t.Helper()
	if err := Bridge(b.Session, b.Session); err != nil {
		t.Fatal(err)
	}
	b.peer.send(sound(3))
	if got := b.peer.next(); !bytes.Equal(got.payload, sound(3)) {
		t.Error("no echo")
	}
}

// TestWhatIsPlayedIsRecorded sends a clip at another rate from one engine to another and
// finds it in the recording. It keeps real time, so it runs apart from the other tests, and
// one of a few runs must not be disturbed by what else the machine does.
func TestWhatIsPlayedIsRecorded(t *testing.T) {
	setups(t, func(t *testing.T, o Options) {
		pcm := chirp(16000, time.Second)
		sent, err := codec.Resample(pcm, 16000, 8000)
		if err != nil {
			t.Fatal(err)
		}
		best := hear.Match{}
		for range 5 {
			m := hear.Correlate(playAndRecord(t, o, clipOf(pcm, 16000)), sent)
			if best = better(best, m); best.Score > 0.98 {
				return
			}
		}
		t.Errorf("what was played is not in what was recorded: %+v", best)
	})
}

func better(a, b hear.Match) hear.Match {
	if b.Score > a.Score {
		return b
	}
	return a
}

// playAndRecord lets one engine call another, plays to it and returns what it recorded.
func playAndRecord(t *testing.T, o Options, c *Clip) []int16 {
	t.Helper()
	alice, bob := open(t, newEngine(t, o), SessionOptions{KeepAlive: true}), open(t, newEngine(t, o), SessionOptions{KeepAlive: true})
	answer, err := bob.Answer(alice.Offer())
	if err != nil {
		t.Fatal(err)
	}
	if err := alice.SetAnswer(answer); err != nil {
		t.Fatal(err)
	}
	r, path := record(t, bob, RecordOptions{})
	<-alice.Play([]Source{c}, PlayOptions{}).Done()
	sent := alice.Stats().TxPackets
	for bob.Stats().RxPackets < sent {
		time.Sleep(time.Millisecond)
	}
	alice.Close()
	bob.Close()
	<-r.Done()
	return readWAV(t, path).PCM
}
