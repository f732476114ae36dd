package media

import (
	"bytes"
	"math"
	"runtime"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"tandem/media/hear"
)

const half = 500 * time.Millisecond

func TestPlayFromTheMiddle(t *testing.T) {
	t.Parallel()
	one, two := ramp(8000, 1), ramp(8000, 2)
	list := []Source{clipOf(one, 8000), clipOf(two, 8000)}
	for name, c := range map[string]struct {
		o    PlayOptions
		want []int16
	}{
		"start":             {PlayOptions{}, slices.Concat(one, two)},
		"middle of one":     {PlayOptions{Seek: half}, slices.Concat(one[4000:], two)},
		"middle of two":     {PlayOptions{Seek: 3 * half}, two[4000:]},
		"border":            {PlayOptions{Seek: time.Second}, two},
		"end":               {PlayOptions{Seek: 2 * time.Second}, nil},
		"middle, then loop": {PlayOptions{Seek: 3 * half, Loop: 2}, slices.Concat(two[4000:], one, two)},
	} {
		inBubble(t, SessionOptions{}, func(t *testing.T, b *bubble) {
			pb := b.Play(list, c.o)
			<-pb.Done()
			if got := payloads(b.peer.collect()); !bytes.Equal(got, muLawOf(c.want)) || pb.Err() != nil {
				t.Errorf("%s: %d bytes, want %d, %v", name, len(got), len(c.want), pb.Err())
			}
		})
	}
}

func TestSeekAndPauseWhilePlaying(t *testing.T) {
	t.Parallel()
	inBubble(t, SessionOptions{}, func(t *testing.T, b *bubble) {
		pcm := ramp(16000, 3)
		pb := b.Play([]Source{clipOf(pcm, 8000)}, PlayOptions{})
		take := func(n int) (got []byte) {
			for range n {
				got = append(got, b.peer.next().payload...)
			}
			return got
		}
		if got := take(10); !bytes.Equal(got, muLawOf(pcm[:1600])) {
			t.Fatal("the beginning is wrong")
		}
		pb.Pause()
		synctest.Wait()
		b.peer.next() // may have been under way
		if got := take(10); !silent(got) {
			t.Fatalf("paused, but heard % x", got[:8])
		}
		pb.Seek(1500 * time.Millisecond)
		synctest.Wait()
		if got := take(3); !silent(got) {
			t.Fatal("a seek resumes")
		}
		pb.Resume()
		<-pb.Done()
		rest := payloads(b.peer.collect())
		want := muLawOf(pcm[12000:])
		if at := bytes.Index(rest, want[:160]); at < 0 || at > 320 || !bytes.Equal(rest[at:], want) {
			t.Errorf("after the seek: %d bytes, the rest at %d", len(rest), at)
		}
		pb.Seek(0)
		pb.Pause() // after the end they do nothing
		if more := b.peer.collect(); len(more) != 0 {
			t.Errorf("%d packets after the end", len(more))
		}
	})
}

func silent(b []byte) bool {
	return !slices.ContainsFunc(b, func(v byte) bool { return v != 0xFF })
}

func TestVolume(t *testing.T) {
	t.Parallel()
	tone, err := ParseTone("440/1000")
	if err != nil {
		t.Fatal(err)
	}
	pcm := make([]int16, 8000)
	for i := range pcm {
		pcm[i] = int16(3000 * math.Sin(2*math.Pi*440*float64(i)/8000))
	}
	for name, src := range map[string]Source{"clip": clipOf(pcm, 8000), "clip at 16 kHz": clipOf(append(pcm, pcm...), 16000), "tone": tone} {
		level := func(volume int) (db float64) {
			inBubble(t, SessionOptions{}, func(t *testing.T, b *bubble) {
				<-b.Play([]Source{src}, PlayOptions{Volume: volume}).Done()
				heard := make([]int16, 8000)
				expand(heard, payloads(b.peer.collect())[:8000], muLaw)
				db = hear.Level(heard[800:7200])
			})
			return db
		}
		plain := level(0)
		for _, volume := range []int{-20, -6, 6} {
			if got := level(volume) - plain; math.Abs(got-float64(volume)) > 0.7 {
				t.Errorf("%s by %d dB is louder by %.1f", name, volume, got)
			}
		}
		if plain != level(0) {
			t.Errorf("%s: the source itself has changed", name)
		}
	}
	loud := clipOf(pcm, 8000)
	if loud.louder(6) != loud.louder(6) || loud.louder(0) != loud {
		t.Error("a volume is encoded for each play")
	}
}

func TestSeekIntoTones(t *testing.T) {
	t.Parallel()
	for spec, want := range map[string]time.Duration{
		"425/1000,0/500": 700 * time.Millisecond, "425/300,0/200,425/1000": 700 * time.Millisecond,
	} {
		src, err := ParseTone(spec)
		if err != nil {
			t.Fatal(err)
		}
		if d, ends := src.from(800 * time.Millisecond).length(); d != want || !ends {
			t.Errorf("%s after 800 ms: %v, %v", spec, d, ends)
		}
	}
	for _, spec := range []string{"ring", "425"} {
		src, err := ParseTone(spec)
		if err != nil {
			t.Fatal(err)
		}
		if got := src.from(time.Hour); got != src {
			t.Errorf("%s has an end", spec)
		}
	}
	if got := after([]Source{Silence(time.Second)}, 400*time.Millisecond); len(got) != 1 || got[0] != Silence(600*time.Millisecond) {
		t.Errorf("%v", got)
	}
}

// TestPlayStartsAtOnce measures from the call of Play to the first packet at the peer: less
// than 20 ms for most of a batch of starts. Others may keep the machine busy, so what it
// takes for the least of such work is forgiven, and more batches follow: a slow engine has
// no fast one.
func TestPlayStartsAtOnce(t *testing.T) {
	if runtime.GOMAXPROCS(0) == 1 {
		t.Skip("the only processor is busy encoding")
	}
	for _, setup := range engines() {
		t.Run(setup.name, func(t *testing.T) { // one after the other, and nothing beside them
			startsWithin(t, setup.o, 20*time.Millisecond)
		})
	}
}

func startsWithin(t *testing.T, o Options, limit time.Duration) {
	s, p, other := open(t, newEngine(t, o), SessionOptions{}), newPeer(t), newPeer(t)
	p.call(s, "0")
	other.to = p.addr()
	law := formatNamed("PCMU")
	fresh := func(i int) *Clip { return clipOf(ramp(20*16000, i), 16000) } // must be encoded first
	for until := time.Now().Add(20 * time.Second); ; {
		var took, least []time.Duration
		for i := range 3 {
			clip, start := fresh(i), time.Now()
			pb := s.Play([]Source{clip}, PlayOptions{})
			p.next()
			took = append(took, time.Since(start))
			pb.Stop()
			<-pb.Done()
			for clip.track(law).encodeChunk() { // so that nothing is left to do for the next
				runtime.Gosched()
			}
			p.quiet()

			clip, start = fresh(i), time.Now()
			var encoding sync.WaitGroup
			encoding.Go(func() {
				clip.track(law).encodeChunk()
				other.send(sound(i))
				for clip.track(law).encodeChunk() {
					runtime.Gosched()
				}
			})
			p.next()
			least = append(least, time.Since(start))
			encoding.Wait()
		}
		slices.Sort(took)
		slices.Sort(least)
		t.Logf("from Play to the first packet: %v; encoding and sending alone: %v", took, least)
		switch {
		case took[1] < limit+2*least[1]:
			return
		case time.Now().After(until):
			t.Fatalf("no batch of starts has taken less than %v", limit)
		}
	}
}

// quiet waits until nothing comes any more.
func (p *peer) quiet() {
	for more := true; more; {
		_, more = p.hear(50 * time.Millisecond)
	}
}
