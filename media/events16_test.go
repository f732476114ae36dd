package media

import (
	"testing"
	"time"

	"tandem/media/dtmf"
	"tandem/media/sdp"
)

// TestEventsAt16000: some peers count G.722's digits by its sampling rate, not by the 8000 of
// its RTP clock (RFC 3551 §4.5.2). They press and hear keys of the right length, and so does
// the other leg of a bridge, whose clock is 8000.
func TestEventsAt16000(t *testing.T) {
	t.Parallel()
	inBubble(t, SessionOptions{}, func(t *testing.T, b *bubble) {
		pressed := make(chan Event, 20)
		wide := open(t, b.engine, SessionOptions{Codecs: []string{"G722", "PCMU"}, OnEvent: func(e Event) {
			if e.Kind == EventDigitEnd {
				pressed <- e
			}
		}})
		p := memoryPeer(t, b.mem, "127.0.0.1:4100")
		answer, err := wide.Answer(p.offer("9 96", "a=rtpmap:96 telephone-event/16000\r\na=fmtp:96 0-15\r\n"))
		if err != nil {
			t.Fatal(err)
		}
		d, err := sdp.Parse(answer)
		if err != nil {
			t.Fatal(err)
		}
		p.to = d.AddrOf(&d.Media[0])
		if c := d.Media[0].Codecs; len(c) != 2 || !c[0].Is("G722") || !c[1].Is(sdp.Event) || c[1].PayloadType != 96 || c[1].ClockRate != 16000 {
			t.Fatalf("answered with %+v", c)
		}
		<-wide.SendDTMF("5").Done()
		checkKey(t, "ours to the wide leg", p.collect(), 5, 16000, 160)

		if err := Bridge(b.Session, wide); err != nil {
			t.Fatal(err)
		}
		p.h.PayloadType = 9
		p.send(sound(0))
		p.pressAt('7', 5, 16000)
		checkKey(t, "from the wide leg to the other", b.peer.collect(), 7, 8000, 100)
		b.peer.send(sound(0))
		b.peer.press('3', 5)
		checkKey(t, "from the other to the wide leg", p.collect(), 3, 16000, 100)

		if e := <-pressed; e.Digit != '7' || e.Duration != 100*time.Millisecond {
			t.Errorf("%c was pressed for %v", e.Digit, e.Duration)
		}
		if st := wide.Stats(); st.Digits != 1 || st.Malformed != 0 {
			t.Errorf("the wide leg: %+v", st)
		}
	})
}

// checkKey fails unless the packets hold one key, so many ms long by that clock, and its end.
func checkKey(t *testing.T, what string, list []packet, code uint8, clock, ms int) {
	t.Helper()
	var last dtmf.Event
	keys, ends := 0, 0
	for _, k := range list {
		e, ok := dtmf.ParseEvent(k.payload)
		if !ok || k.PayloadType != 96 {
			continue
		}
		keys++
		if last = e; e.End {
			ends++
		}
		if e.Code != code {
			t.Errorf("%s: %+v", what, e)
		}
	}
	if got := int(last.Duration) * 1000 / clock; ends != 3 || keys < 5 || got != ms {
		t.Errorf("%s: %d packets, %d of them ends, %d ms", what, keys, ends, got)
	}
}
