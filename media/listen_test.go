package media

import (
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"tandem/media/codec"
	"tandem/media/hear"
	"tandem/media/rtp"
)

// earwitness keeps what it hears.
type earwitness struct {
	mu    sync.Mutex
	pcm   []int16
	kinds []frameKind
	times []time.Time
}

func (e *earwitness) hear(_ *stream, f *pcmFrame) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.pcm = append(e.pcm, f.pcm...)
	e.kinds = append(e.kinds, f.kind)
	e.times = append(e.times, f.at)
	clear(f.pcm) // what one does with its frame is nothing to the others
}

// all is what has been heard so far.
func (e *earwitness) all() earwitness {
	synctest.Wait()
	e.mu.Lock()
	defer e.mu.Unlock()
	return earwitness{pcm: slices.Clone(e.pcm), kinds: slices.Clone(e.kinds), times: slices.Clone(e.times)}
}

// count is how many frames were of the kind.
func (e *earwitness) count(k frameKind) int {
	n := 0
	for _, have := range e.all().kinds {
		if have == k {
			n++
		}
	}
	return n
}

// spoken is n samples of something like a voice.
func spoken(rate, n int) []int16 {
	pcm := make([]int16, n)
	r := rand.New(rand.NewPCG(1, 2))
	low := 0.0
	for i := range pcm {
		low += (r.Float64()*2 - 1 - low) * 1000 / float64(rate)
		swell := 0.3 + 0.7*float64((i*4/rate)%3)/2
		pcm[i] = int16(30000 * low * swell)
	}
	return pcm
}

func TestListenersHearExactly(t *testing.T) {
	t.Parallel()
	inBubble(t, SessionOptions{}, func(t *testing.T, b *bubble) {
		var listeners [3]earwitness
		b.do(func(m *stream) {
			m.listen(&listeners[0], rate8)
			m.listen(&listeners[1], rate8)
			m.listen(&listeners[2], rate48)
		})
		want := spoken(8000, 100*160)
		law := muLawOf(want)
		b.peer.h.Sequence = 0xFFD0 // it wraps on the way
		for i := range 100 {
			b.peer.send(law[i*160:][:160])
			time.Sleep(20 * time.Millisecond)
		}
		time.Sleep(100 * time.Millisecond)
		b.do(func(m *stream) { m.unlisten(&listeners[2]) })
		time.Sleep(100 * time.Millisecond)
		narrow, again, wide := listeners[0].all(), listeners[1].all(), listeners[2].all()
		decoded := make([]int16, len(law))
		codec.DecodeMuLaw(decoded, law)
		at := slices.Index(narrow.kinds, frameVoice)
		if at < 0 || at > 4 || !slices.Equal(narrow.pcm[at*160:][:len(decoded)], decoded) {
			t.Fatalf("the sound differs; it begins at frame %d: %v", at, narrow.kinds)
		}
		if !slices.Equal(again.pcm, narrow.pcm) {
			t.Error("the second listener heard something else")
		}
		if n := len(narrow.kinds) - len(wide.kinds); n != 5 {
			t.Errorf("after unlisten: %d frames less, want 5", n)
		}
		if m := hear.Correlate(wide.pcm, resampled(t, decoded, 8000, 48000)); m.Score < 0.99 {
			t.Errorf("at 48000 Hz the correlation is %.3f", m.Score)
		}
		for i := 1; i < len(narrow.times); i++ {
			if narrow.times[i].Sub(narrow.times[i-1]) != frameTime {
				t.Fatalf("frame %d comes %v after the last", i, narrow.times[i].Sub(narrow.times[i-1]))
			}
		}
		b.do(func(m *stream) {
			m.unlisten(&listeners[0])
			m.unlisten(&listeners[1])
			if m.ear != nil {
				t.Error("nobody listens, and still it decodes")
			}
		})
	})
}

func resampled(t *testing.T, pcm []int16, from, to int) []int16 {
	t.Helper()
	out, err := codec.Resample(pcm, from, to)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// TestListensThroughABadNetwork delays packets by up to 30 ms, which changes their order,
// loses 5% and doubles 2%.
func TestListensThroughABadNetwork(t *testing.T) {
	t.Parallel()
	inBubble(t, SessionOptions{}, func(t *testing.T, b *bubble) {
		var l earwitness
		b.do(func(m *stream) { m.listen(&l, rate8) })
		want := spoken(8000, 500*160)
		law := muLawOf(want)
		r := rand.New(rand.NewPCG(3, 4))
		h := b.peer.h
		for i := range 500 {
			raw := make([]byte, rtp.HeaderSize+160)
			copy(raw[h.Put(raw):], law[i*160:])
			h.Sequence++
			h.Timestamp += 160
			copies := 1
			switch x := r.IntN(100); {
			case x < 5:
				copies = 0
			case x < 7:
				copies = 2
			}
			for range copies {
				time.AfterFunc(time.Duration(r.IntN(30_000))*time.Microsecond, func() { b.peer.write(raw, b.peer.to) })
			}
			time.Sleep(20 * time.Millisecond)
		}
		time.Sleep(500 * time.Millisecond)
		made, voice := l.count(frameConcealed), l.count(frameVoice)
		t.Logf("%d frames of voice, %d made up", voice, made)
		if voice < 460 || made > 45 {
			t.Errorf("%d frames of voice, %d made up", voice, made)
		}
		if f := hear.Find(l.all().pcm, want, 8000); f.Share < 0.7 || !f.Order {
			t.Errorf("found %+v", f)
		}
	})
}

// TestDelayFollowsTheNetwork lets packets come late for a while: the delay grows, and goes
// back when they are in time again.
func TestDelayFollowsTheNetwork(t *testing.T) {
	t.Parallel()
	inBubble(t, SessionOptions{}, func(t *testing.T, b *bubble) {
		var l earwitness
		b.do(func(m *stream) { m.listen(&l, rate8) })
		delay := func() (d time.Duration) {
			b.do(func(m *stream) { d = m.ear.buffer.delay })
			return d
		}
		talk := func(frames int, late time.Duration) {
			for i := range frames {
				b.peer.send(sound(i))
				if i == 0 {
					time.Sleep(late) // all after it come so much later
				}
				time.Sleep(20 * time.Millisecond)
			}
		}
		talk(100, 0)
		if d := delay(); d > frameTime {
			t.Errorf("the delay has grown by %v on a perfect network", d)
		}
		talk(100, 100*time.Millisecond)
		if d := delay(); d < 40*time.Millisecond {
			t.Errorf("the delay has grown by %v only", d)
		}
		for range 5 { // what was late comes at once: now each packet waits for nothing
			b.peer.send(sound(1))
		}
		talk(500, 0)
		if d := delay(); d > 40*time.Millisecond {
			t.Errorf("the delay is still %v more", d)
		}
	})
}

func TestComfortNoise(t *testing.T) {
	t.Parallel()
	inBubble(t, SessionOptions{}, func(t *testing.T, b *bubble) {
		var l earwitness
		b.do(func(m *stream) { m.listen(&l, rate8) })
		for i := range 20 {
			b.peer.send(sound(i))
			time.Sleep(20 * time.Millisecond)
		}
		b.peer.h.PayloadType = comfortNoisePayload
		b.peer.send([]byte{50})
		time.Sleep(time.Second)
		pcm := l.all().pcm
		tail := pcm[len(pcm)-30*160:]
		if level := codec.Level(tail); level < -52 || level > -48 {
			t.Errorf("noise of %.1f dB, want -50", level)
		}
		b.peer.h.PayloadType = 0
		b.peer.h.Timestamp += 8000
		from := len(l.all().kinds)
		for i := range 20 {
			b.peer.send(sound(i))
			time.Sleep(20 * time.Millisecond)
		}
		if n := l.count(frameConcealed); n > 1 {
			t.Errorf("%d frames made up in a pause", n)
		}
		if !slices.Contains(l.all().kinds[from:], frameVoice) {
			t.Error("the voice did not come back")
		}
	})
}

// TestListensAcrossJumps changes the SSRC, then the timestamps, then stops for long.
func TestListensAcrossJumps(t *testing.T) {
	t.Parallel()
	inBubble(t, SessionOptions{}, func(t *testing.T, b *bubble) {
		var l earwitness
		b.do(func(m *stream) { m.listen(&l, rate8) })
		for i, jump := range []func(h *rtp.Header){
			func(*rtp.Header) {},
			func(h *rtp.Header) { h.SSRC, h.Sequence, h.Timestamp = h.SSRC+1, 5, 99 },
			func(h *rtp.Header) { h.Timestamp += 1 << 31 },
			func(h *rtp.Header) { h.Timestamp -= 80000 },
			func(h *rtp.Header) { h.Sequence += 20000 },
			func(*rtp.Header) { time.Sleep(10 * time.Second) },
			func(h *rtp.Header) { h.Timestamp = 1<<32 - 800 }, // it wraps
		} {
			jump(&b.peer.h)
			before := l.count(frameVoice)
			for i := range 50 {
				b.peer.send(sound(i))
				time.Sleep(20 * time.Millisecond)
			}
			time.Sleep(200 * time.Millisecond)
			if n := l.count(frameVoice) - before; n < 47 || n > 53 {
				t.Errorf("jump %d: %d frames heard of 50", i, n)
			}
		}
	})
}

func TestListeningDoesNotAllocate(t *testing.T) {
	e := newEngine(t, Options{Workers: 1, Backend: NewMemory()})
	s := open(t, e, SessionOptions{})
	newPeer(t).call(s, "0")
	var l deaf
	s.do(func(m *stream) {
		m.listen(&l, rate16)
		payload, meaning := sound(1), m.p.rx[0]
		h := rtp.Header{Sequence: 1, SSRC: 7}
		step := func() {
			m.worker.now = m.worker.now.Add(frameTime)
			m.hearPacket(h, payload, meaning, false)
			h.Sequence++
			h.Timestamp += 160
			m.ear.next()
		}
		for range 2 * jitterSlots {
			step()
		}
		if n := testing.AllocsPerRun(200, step); n != 0 {
			t.Errorf("%v allocations a packet", n)
		}
		if l.frames < 200 {
			t.Error("nobody heard anything")
		}
	})
}

type deaf struct{ frames int }

func (d *deaf) hear(*stream, *pcmFrame) { d.frames++ }
