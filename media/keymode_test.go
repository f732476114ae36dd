package media

import (
	"bytes"
	"slices"
	"testing"
	"time"

	"tandem/media/dtmf"
	"tandem/media/hear"
	"tandem/media/tone"
)

// plainCall lets the session answer an offer without telephone-events.
func (p *peer) plainCall(s *Session) {
	p.t.Helper()
	p.call(s, "0")
	if _, err := s.Answer(p.offer("0", "")); err != nil {
		p.t.Fatal(err)
	}
}

// dialled is the sound of digits as another phone makes it.
func dialled(t *testing.T, digits string) []int16 {
	t.Helper()
	spec, err := tone.DTMF(digits, 100*time.Millisecond, 100*time.Millisecond)
	if err != nil {
		t.Fatal(err)
	}
	pcm, err := spec.Render(8000)
	if err != nil {
		t.Fatal(err)
	}
	return pcm
}

func digitsOf(events []Event) (digits string) {
	for _, e := range events {
		if e.Kind == EventDigit {
			digits += string(e.Digit)
		}
	}
	return digits
}

// detected is the digits in what a phone hears.
func detected(payload []byte) (digits string) {
	pcm := make([]int16, len(payload))
	expand(pcm, payload, muLaw)
	for _, k := range dtmf.NewDetector(8000).Detect(nil, pcm) {
		if !k.Released {
			digits += string(k.Digit)
		}
	}
	return digits
}

const everyKey = "0123456789*#ABCD11"

func TestDigitsInTheAudio(t *testing.T) {
	t.Parallel()
	for name, o := range map[string]SessionOptions{"configured": {DTMF: DTMFInband}, "the peer has no events": {}} {
		inBubble(t, o, func(t *testing.T, b *bubble) {
			b.peer.plainCall(b.Session)
			if b.DTMF() != DTMFInband {
				t.Errorf("%s: digits go by %v", name, b.DTMF())
			}
			b.peer.say(dialled(t, everyKey))
			time.Sleep(time.Second)
			if got := digitsOf(b.events()); got != everyKey {
				t.Errorf("%s: heard %q", name, got)
			}
			pb := b.SendDTMF("12,3!3")
			<-pb.Done()
			if pb.Err() != nil {
				t.Error(pb.Err())
			}
			sent := payloads(b.peer.collect())
			if got := detected(sent); got != "1233" {
				t.Errorf("%s: the peer hears %q", name, got)
			}
			if d := len(sent) - 8*(4*200+1000); d < 0 || d > 320 {
				t.Errorf("%s: %d samples of tones", name, len(sent))
			}
		})
	}
}

// TestDigitsInTheAudioSurviveLoss loses 3% of the packets and lets others overtake.
func TestDigitsInTheAudioSurviveLoss(t *testing.T) {
	t.Parallel()
	inBubble(t, SessionOptions{DTMF: DTMFInband}, func(t *testing.T, b *bubble) {
		var want string
		for range 25 {
			want += "147*2580369#1470"
		}
		pcm := muLawOf(dialled(t, want))
		for i := 0; i*160+160 <= len(pcm); i++ {
			packet := pcm[i*160:][:160]
			switch {
			case i%33 == 7:
				b.peer.h.Sequence++
				b.peer.h.Timestamp += 160
			default:
				b.peer.send(packet)
			}
			time.Sleep(20 * time.Millisecond)
		}
		time.Sleep(time.Second)
		got := digitsOf(b.events())
		if wrong := differences(want, got); wrong > 1 {
			t.Errorf("%d of %d digits wrong: %q", wrong, len(want), got)
		}
	})
}

// differences is how many digits must be put in, taken out or changed.
func differences(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		before := row[0]
		row[0] = i + 1
		for j := range len(b) {
			least := min(row[j]+1, row[j+1]+1, before+1)
			if a[i] == b[j] {
				least = min(least, before)
			}
			before, row[j+1] = row[j+1], least
		}
	}
	return row[len(b)]
}

// TestTonesAreMuted: a digit in the audio of one leg is not heard on the other, which takes
// it by telephone-events, but for the moments in which nobody knows yet that it is one.
func TestTonesAreMuted(t *testing.T) {
	t.Parallel()
	inBubble(t, SessionOptions{DTMF: DTMFInband}, func(t *testing.T, b *bubble) {
		_, p := b.twoLegs(t)
		long := keyTones("5").(*toneSource).spec
		long.Steps[0].For = time.Second
		pcm, err := long.Render(8000)
		if err != nil {
			t.Fatal(err)
		}
		b.peer.say(slices.Concat(sine(400, 6000, 1600), pcm, sine(400, 6000, 1600)))
		heard := payloads(p.collect())
		out := make([]int16, len(heard))
		expand(out, heard, muLaw)
		if len(out) != len(pcm)+3200 {
			t.Fatalf("%d of %d samples came through", len(out), len(pcm)+3200)
		}
		tone := out[1600:9600]
		loud := 0
		for i := 0; i+160 <= len(tone); i += 160 {
			if hear.Level(tone[i:i+160]) > -50 {
				loud++
			}
		}
		if loud < 1 || loud > 7 { // 140 ms of the second
			t.Errorf("%d of 50 frames of the tone are heard", loud)
		}
		heardTone(t, "what was said before", out[:1600], 400)
		heardTone(t, "what was said after", out[len(out)-1000:], 400)
	})
}

// TestTonesGoThrough: between two legs without telephone-events nobody listens, and nothing
// is changed.
func TestTonesGoThrough(t *testing.T) {
	t.Parallel()
	inBubble(t, SessionOptions{}, func(t *testing.T, b *bubble) {
		other, p := b.twoLegs(t)
		b.peer.plainCall(b.Session)
		if _, err := other.Answer(p.offer("0", "")); err != nil {
			t.Fatal(err)
		}
		pcm := dialled(t, "159")
		b.peer.say(pcm)
		if got := payloads(p.collect()); !bytes.Equal(got, muLawOf(pcm)) {
			t.Errorf("%d of %d samples came through as they were", len(got), len(pcm))
		}
		if got := digitsOf(b.events()); got != "" {
			t.Errorf("heard %q", got)
		}
		Unbridge(b.Session, other)
		b.peer.say(pcm)
		time.Sleep(time.Second)
		if got := digitsOf(b.events()); got != "159" {
			t.Errorf("apart again, heard %q", got)
		}
	})
}

func TestModesAreOffered(t *testing.T) {
	t.Parallel()
	for mode, events := range map[DTMF]bool{DTMFEvents: true, DTMFInfo: false, DTMFInband: false} {
		inBubble(t, SessionOptions{DTMF: mode}, func(t *testing.T, b *bubble) {
			if got := bytes.Contains(b.Offer(), []byte("telephone-event")); got != events {
				t.Errorf("%v: telephone-event offered: %v", mode, got)
			}
			if b.DTMF() != mode || DTMFNamed(mode.String()) != mode {
				t.Errorf("%v has become %v", mode, b.DTMF())
			}
		})
	}
}
