package media

import (
	"bytes"
	"errors"
	"strings"
	"testing"
	"time"

	"tandem/media/dtmf"
)

func TestSendDTMF(t *testing.T) {
	t.Parallel()
	inBubble(t, SessionOptions{}, func(t *testing.T, b *bubble) {
		start := time.Now()
		done := b.SendDTMF("1,#")
		var got []packet
		for {
			p, ok := b.peer.hear(3 * time.Second)
			if !ok {
				break
			}
			got = append(got, p)
		}
		if <-done.Done(); done.Err() != nil {
			t.Fatal(done.Err())
		}
		var r dtmf.Receiver
		var keys []dtmf.Key
		for i, p := range got {
			if p.PayloadType != 96 || p.Sequence != got[0].Sequence+uint16(i) {
				t.Errorf("packet %d: %+v", i, p.Header)
			}
			keys = r.Receive(keys, dtmf.Packet{Sequence: p.Sequence, Timestamp: p.Timestamp, SSRC: p.SSRC,
				Marker: p.Marker, Payload: p.payload, ClockRate: 8000, At: p.at.Sub(start)})
		}
		if len(keys) != 4 || keys[0].Digit != '1' || keys[1].Duration != 160*time.Millisecond || keys[2].Digit != '#' {
			t.Fatalf("heard %+v", keys)
		}
		var second packet
		ends := 0
		for _, p := range got {
			if e, _ := dtmf.ParseEvent(p.payload); e.End {
				ends++
			} else if e.Code == 11 && second.payload == nil {
				second = p
			}
		}
		if ends != 6 {
			t.Errorf("%d end packets, want 3 a digit", ends)
		}
		if at := second.at.Sub(start); at < 1200*time.Millisecond || at > 1300*time.Millisecond {
			t.Errorf("the second key came after %v, want a tone, a gap and a second", at)
		}
		if grown := second.Timestamp - got[0].Timestamp; grown != uint32(second.at.Sub(start).Milliseconds()*8) {
			t.Errorf("the timestamp grew by %d meanwhile", grown)
		}
	})
}

func TestSendDTMFPausesThePrompt(t *testing.T) {
	t.Parallel()
	inBubble(t, SessionOptions{}, func(t *testing.T, b *bubble) {
		pcm := ramp(3200, 1)
		pb := b.Play([]Source{clipOf(pcm, 8000)}, PlayOptions{})
		time.Sleep(90 * time.Millisecond)
		b.SendDTMF("12")
		b.SendDTMF("3")
		got := b.peer.collect()
		<-pb.Done()
		var heard []byte
		digits := 0
		for _, p := range got {
			if p.PayloadType == 0 {
				heard = append(heard, p.payload...)
			} else if p.Marker {
				digits++
			}
		}
		if !bytes.Equal(heard, muLawOf(pcm)) || digits != 3 {
			t.Errorf("%d bytes of the prompt and %d digits", len(heard), digits)
		}
		checkStream(t, got)
	})
}

func TestSendDTMFThatCannotBe(t *testing.T) {
	t.Parallel()
	inBubble(t, SessionOptions{}, func(t *testing.T, b *bubble) {
		if bad := b.SendDTMF("12x"); bad.Err() == nil || !strings.Contains(bad.Err().Error(), "'x'") {
			t.Errorf("error %v", bad.Err())
		}
		byInfo := open(t, b.engine, SessionOptions{DTMF: DTMFInfo})
		memoryPeer(t, b.mem, "127.0.0.1:4006").call(byInfo, "0")
		none := byInfo.SendDTMF("1")
		if <-none.Done(); !errors.Is(none.Err(), ErrNoEvents) {
			t.Errorf("error %v", none.Err())
		}
		long := b.SendDTMF("123456")
		long.Stop()
		if <-long.Done(); !errors.Is(long.Err(), ErrStopped) {
			t.Errorf("error %v", long.Err())
		}
	})
}

func TestHearsADigitWhoseEndIsLost(t *testing.T) {
	t.Parallel()
	inBubble(t, SessionOptions{}, func(t *testing.T, b *bubble) {
		e := dtmf.Event{Code: 5, Duration: 160}.Payload()
		b.peer.h.PayloadType, b.peer.h.Marker = 96, true
		b.peer.send(e[:])
		time.Sleep(time.Second)
		if k := b.kinds(); len(k) != 3 || k[1] != EventDigit || k[2] != EventDigitEnd {
			t.Fatalf("events %v", k)
		}
		if b.Stats().Digits != 1 {
			t.Errorf("stats %+v", b.Stats())
		}
	})
}
