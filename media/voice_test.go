package media

import (
	"slices"
	"testing"
	"time"

	"tandem/media/codec"
	"tandem/media/hear"
)

// reader says what it has, then nothing.
type reader struct {
	pcm   []int16
	asked int
}

func (r *reader) speak(_ *stream, pcm []int16) bool {
	r.asked++
	n := copy(pcm, r.pcm)
	clear(pcm[n:])
	r.pcm = r.pcm[n:]
	return n > 0
}

func TestSpeakersArePacedAndExact(t *testing.T) {
	t.Parallel()
	inBubble(t, SessionOptions{}, func(t *testing.T, b *bubble) {
		want := spoken(8000, 50*160)
		b.do(func(m *stream) { m.speakFrom(&reader{pcm: slices.Clone(want)}, rate8) })
		start := time.Now()
		got := b.peer.collect()
		if len(got) != 50 || !slices.Equal(payloads(got), muLawOf(want)) {
			t.Fatalf("%d packets, want 50 of the same sound", len(got))
		}
		for i, p := range got {
			if p.Marker != (i == 0) || p.Timestamp != got[0].Timestamp+uint32(160*i) || p.Sequence != got[0].Sequence+uint16(i) {
				t.Fatalf("packet %d: %+v", i, p.Header)
			}
			if at := p.at.Sub(start); at != time.Duration(i)*frameTime {
				t.Errorf("packet %d at %v", i, at)
			}
		}
	})
}

// TestSpeakersAtEveryPtime resamples and cuts 20 ms frames into packets of other lengths.
func TestSpeakersAtEveryPtime(t *testing.T) {
	t.Parallel()
	for _, ptime := range []string{"10", "20", "30", "40", "50", "60"} {
		t.Run(ptime, func(t *testing.T) {
			t.Parallel()
			inBubble(t, SessionOptions{}, func(t *testing.T, b *bubble) {
				if _, err := b.Answer(b.peer.offer("0", "a=ptime:"+ptime+"\r\n")); err != nil {
					t.Fatal(err)
				}
				want := spoken(8000, 16000)
				b.do(func(m *stream) { m.speakFrom(&reader{pcm: resampled(t, want, 8000, 48000)}, rate48) })
				got := b.peer.collect()
				law := payloads(got)
				if ms := len(got[0].payload) / 8; ptime != string(rune('0'+ms/10))+"0" || len(law) < 15500 {
					t.Fatalf("%d packets of %d ms", len(got), ms)
				}
				heard := make([]int16, len(law))
				codec.DecodeMuLaw(heard, law)
				if m := hear.Correlate(heard, want[:15000]); m.Score < 0.99 {
					t.Errorf("correlation %.3f", m.Score)
				}
			})
		})
	}
}

func TestAPromptGoesBeforeASpeaker(t *testing.T) {
	t.Parallel()
	inBubble(t, SessionOptions{}, func(t *testing.T, b *bubble) {
		talk := &reader{pcm: spoken(8000, 200*160)}
		b.do(func(m *stream) { m.speakFrom(talk, rate8) })
		time.Sleep(time.Second)
		<-b.Play([]Source{Silence(time.Second)}, PlayOptions{}).Done()
		var asked int
		b.do(func(m *stream) { asked = talk.asked })
		if asked < 50 || asked > 53 {
			t.Errorf("asked %d times", asked)
		}
		b.do(func(m *stream) { m.speakFrom(nil, rate8) })
		got := b.peer.collect()
		marks := 0
		for i, p := range got {
			if p.Marker {
				marks++
			}
			if i > 0 && (p.Sequence != got[i-1].Sequence+1 || p.Timestamp != got[i-1].Timestamp+160) {
				t.Fatalf("packet %d: %+v after %+v", i, p.Header, got[i-1].Header)
			}
		}
		if len(got) < 100 || len(got) > 103 || marks < 2 || marks > 3 {
			t.Errorf("%d packets, %d marks", len(got), marks)
		}
	})
}

func TestSpeakingDoesNotAllocate(t *testing.T) {
	e := newEngine(t, Options{Workers: 1, Backend: NewMemory()})
	s := open(t, e, SessionOptions{})
	newPeer(t).call(s, "0")
	s.do(func(m *stream) {
		m.speakFrom(endless{}, rate48)
		if n := testing.AllocsPerRun(200, func() {
			if !m.voiceFrame() {
				t.Error("nothing was said")
			}
		}); n != 0 {
			t.Errorf("%v allocations a packet", n)
		}
	})
}

type endless struct{}

func (endless) speak(_ *stream, pcm []int16) bool {
	for i := range pcm {
		pcm[i] = int16(i * 10)
	}
	return true
}
