package media

import (
	"bytes"
	"errors"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"tandem/media/codec"
	"tandem/media/wav"
)

// ramp is n samples that differ from their neighbours, so that a slip of one is seen.
func ramp(n, seed int) []int16 {
	pcm := make([]int16, n)
	for i := range pcm {
		pcm[i] = int16((i*i*31+seed*977)%30000 - 15000)
	}
	return pcm
}

func clipOf(pcm []int16, rate int) *Clip {
	return &Clip{name: "test", audio: wav.Audio{Rate: rate, PCM: pcm}}
}

func muLawOf(pcm []int16) []byte {
	b := make([]byte, len(pcm))
	codec.EncodeMuLaw(b, pcm)
	return b
}

// bubble is an engine on a Memory in virtual time, and one session that a peer has called.
type bubble struct {
	*Session
	mem    *Memory
	engine *Engine
	peer   *peer
	mu     sync.Mutex
	log    []Event // see events
}

// inBubble runs f in virtual time. Everything must have ended when f returns.
func inBubble(t *testing.T, o SessionOptions, f func(t *testing.T, b *bubble)) {
	t.Helper()
	inBubbleOf(t, 1, o, f)
}

func inBubbleOf(t *testing.T, workers int, o SessionOptions, f func(t *testing.T, b *bubble)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		b := &bubble{mem: NewMemory()}
		b.engine = newEngine(t, Options{Workers: workers, Backend: b.mem})
		o.OnEvent = func(e Event) {
			b.mu.Lock()
			defer b.mu.Unlock()
			b.log = append(b.log, e)
		}
		b.Session = open(t, b.engine, o)
		b.peer = memoryPeer(t, b.mem, "127.0.0.1:4000")
		b.peer.call(b.Session, "0")
		f(t, b)
		b.engine.Close()
	})
}

// events are those so far, once the engine has come to rest.
func (b *bubble) events() []Event {
	synctest.Wait()
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.Clone(b.log)
}

// kinds lists what they were, those about quality apart: they come all the time.
func (b *bubble) kinds() []EventKind {
	var list []EventKind
	for _, e := range b.events() {
		if e.Kind != EventQuality {
			list = append(list, e.Kind)
		}
	}
	return list
}

// collect reads packets until nothing comes for a second.
func (p *peer) collect() []packet {
	var list []packet
	for {
		got, ok := p.hear(time.Second)
		if !ok {
			return list
		}
		list = append(list, got)
	}
}

func payloads(list []packet) []byte {
	var all []byte
	for _, p := range list {
		all = append(all, p.payload...)
	}
	return all
}

func TestPlayIsPacedAndExact(t *testing.T) {
	t.Parallel()
	inBubble(t, SessionOptions{}, func(t *testing.T, b *bubble) {
		pcm := ramp(50*160-37, 1)
		start := time.Now()
		pb := b.Play([]Source{clipOf(pcm, 8000)}, PlayOptions{})
		got := b.peer.collect()
		if len(got) != 50 {
			t.Fatalf("%d packets, want 50", len(got))
		}
		want := append(muLawOf(pcm), bytes.Repeat([]byte{codec.SilenceMuLaw}, 37)...)
		if !bytes.Equal(payloads(got), want) {
			t.Error("the sound is not what was played")
		}
		for i, p := range got {
			if p.Sequence != got[0].Sequence+uint16(i) || p.Timestamp != got[0].Timestamp+uint32(160*i) ||
				p.SSRC != got[0].SSRC || p.Marker != (i == 0) || p.PayloadType != 0 {
				t.Errorf("packet %d: %+v", i, p.Header)
			}
			if at := p.at.Sub(start); at != time.Duration(i)*20*time.Millisecond {
				t.Errorf("packet %d came after %v", i, at)
			}
		}
		if <-pb.Done(); pb.Err() != nil {
			t.Error(pb.Err())
		}
		if b.events()[0].Kind != EventPlayed || b.events()[0].Playback != pb {
			t.Errorf("events %v", b.kinds())
		}
		if done := b.events()[0].At.Sub(start); done != time.Second {
			t.Errorf("ended after %v, want 1s: when the last frame has been heard", done)
		}
	})
}

func TestPlayListHasNoGap(t *testing.T) {
	t.Parallel()
	inBubble(t, SessionOptions{}, func(t *testing.T, b *bubble) {
		one, two := ramp(333, 1), ramp(777, 2)
		b.Play([]Source{clipOf(one, 8000), Silence(5 * time.Millisecond), clipOf(nil, 8000), clipOf(two, 8000)}, PlayOptions{Loop: 3})
		var want []byte
		for range 3 {
			want = slices.Concat(want, muLawOf(one), bytes.Repeat([]byte{0xFF}, 40), muLawOf(two))
		}
		if got := payloads(b.peer.collect()); !bytes.HasPrefix(got, want) || len(got) >= len(want)+160 {
			t.Errorf("%d bytes played, want %d and padding", len(got), len(want))
		}
	})
}

func TestPlayOfNothingEnds(t *testing.T) {
	t.Parallel()
	for name, list := range map[string][]Source{
		"no source": nil, "silence of no length": {Silence(0)}, "empty clips": {clipOf(nil, 8000), clipOf(nil, 16000)},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, SessionOptions{}, func(t *testing.T, b *bubble) {
				pb := b.Play(list, PlayOptions{Loop: -1})
				select {
				case <-pb.Done():
				case <-time.After(time.Second):
					t.Fatal("plays for ever")
				}
			})
		})
	}
}

func TestPlayStopsAtOnce(t *testing.T) {
	t.Parallel()
	inBubble(t, SessionOptions{}, func(t *testing.T, b *bubble) {
		tone, err := ParseTone("ring")
		if err != nil {
			t.Fatal(err)
		}
		pb := b.Play([]Source{tone}, PlayOptions{})
		start := time.Now()
		var all []byte
		for range 600 { // a cadence goes on until stopped
			all = append(all, b.peer.next().payload...)
		}
		if took := time.Since(start); took != 599*20*time.Millisecond {
			t.Errorf("600 packets took %v", took)
		}
		if period := 5 * 8000; !bytes.Equal(all[:period], all[period:2*period]) {
			t.Error("the second ring is not like the first")
		}
		pb.Stop()
		if <-pb.Done(); !errors.Is(pb.Err(), ErrStopped) {
			t.Errorf("ended by %v", pb.Err())
		}
		if got := b.peer.collect(); len(got) > 0 {
			t.Errorf("%d packets after the stop", len(got))
		}
		pb.Stop()
	})
}

func TestPlayReplacesWhatPlays(t *testing.T) {
	t.Parallel()
	inBubble(t, SessionOptions{}, func(t *testing.T, b *bubble) {
		first := b.Play([]Source{clipOf(ramp(8000, 1), 8000)}, PlayOptions{})
		time.Sleep(250 * time.Millisecond)
		second := b.Play([]Source{clipOf(ramp(1600, 2), 8000)}, PlayOptions{})
		if <-first.Done(); !errors.Is(first.Err(), ErrStopped) {
			t.Errorf("the first ended by %v", first.Err())
		}
		got := b.peer.collect()
		if <-second.Done(); second.Err() != nil {
			t.Error(second.Err())
		}
		if len(got) != 13+10 {
			t.Fatalf("%d packets, want 13 of the first and 10 of the second", len(got))
		}
		for i, p := range got {
			if p.Sequence != got[0].Sequence+uint16(i) || p.Timestamp != got[0].Timestamp+uint32(160*i) {
				t.Errorf("packet %d: %+v", i, p.Header)
			}
			if p.Marker != (i == 0 || i == 13) {
				t.Errorf("packet %d: marker %v", i, p.Marker)
			}
		}
	})
}

func TestPlayWaitsForTheAnswer(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		mem := NewMemory()
		e := newEngine(t, Options{Workers: 1, Backend: mem})
		s, p := open(t, e, SessionOptions{}), memoryPeer(t, mem, "127.0.0.1:4000")
		pcm := ramp(3200, 1)
		pb := s.Play([]Source{clipOf(pcm, 8000)}, PlayOptions{})
		time.Sleep(3 * time.Second)
		p.call(s, "8") // A-law, though µ-law had been prepared
		got := p.collect()
		<-pb.Done()
		want := make([]byte, len(pcm))
		codec.EncodeALaw(want, pcm)
		if all := payloads(got); !bytes.HasSuffix(all, want) {
			t.Errorf("%d packets do not end with the whole prompt in A-law", len(got))
		}
		e.Close()
	})
}

func TestKeepAliveSendsSilence(t *testing.T) {
	t.Parallel()
	inBubble(t, SessionOptions{KeepAlive: true}, func(t *testing.T, b *bubble) {
		time.Sleep(200*time.Millisecond - 1)
		pcm := ramp(320, 1)
		b.Play([]Source{clipOf(pcm, 8000)}, PlayOptions{})
		time.Sleep(100 * time.Millisecond)
		b.KeepAlive(false)
		got := b.peer.collect()
		quiet := bytes.Repeat([]byte{0xFF}, 160)
		for i, p := range got {
			want := quiet
			if i == 10 || i == 11 {
				want = muLawOf(pcm[(i-10)*160:][:160])
			}
			if !bytes.Equal(p.payload, want) {
				t.Errorf("packet %d holds the wrong sound", i)
			}
			if p.Sequence != got[0].Sequence+uint16(i) || p.Timestamp != got[0].Timestamp+uint32(160*i) {
				t.Errorf("packet %d: %+v", i, p.Header)
			}
		}
		if len(got) != 15 {
			t.Errorf("%d packets in 300 ms", len(got))
		}
	})
}

// TestPlayOverRealSockets keeps real time, so it runs apart from the other tests.
func TestPlayOverRealSockets(t *testing.T) {
	setups(t, func(t *testing.T, o Options) {
		s, p := open(t, newEngine(t, o), SessionOptions{}), newPeer(t)
		p.call(s, "0")
		pcm := ramp(8000, 1)
		start := time.Now()
		pb := s.Play([]Source{clipOf(pcm, 8000)}, PlayOptions{})
		var got []packet
		for len(got) < 50 {
			got = append(got, p.next())
		}
		<-pb.Done()
		if took := time.Since(start); took < 990*time.Millisecond || took > 3*time.Second {
			t.Errorf("a second of sound took %v", took)
		}
		if !bytes.Equal(payloads(got), muLawOf(pcm)) {
			t.Error("the sound is not what was played")
		}
	})
}
