package dtmf

import (
	"strings"
	"testing"
	"time"
)

// frame is what a sender did in one frame.
type frame struct {
	out  Output
	send bool
}

func send(t *testing.T, digits string, o SendOptions, step uint32) []frame {
	t.Helper()
	s, err := NewSender(digits, o)
	if err != nil {
		t.Fatal(err)
	}
	var list []frame
	for now := uint32(1000); ; now += step {
		out, ok, done := s.Next(now)
		if done {
			if out, ok, done := s.Next(now); ok || !done {
				t.Errorf("after the end: %+v, %v, %v", out, ok, done)
			}
			return list
		}
		list = append(list, frame{out, ok})
		if len(list) > 10_000 {
			t.Fatal("no end")
		}
	}
}

func TestSendDigit(t *testing.T) {
	t.Parallel()
	frames := send(t, "5", SendOptions{Tone: 100 * time.Millisecond, Gap: 60 * time.Millisecond}, 160)
	if len(frames) != 5+3 {
		t.Fatalf("%d frames: %+v", len(frames), frames)
	}
	for i, f := range frames {
		if !f.send {
			if i != 7 {
				t.Errorf("frame %d is silent", i)
			}
			continue
		}
		e, _ := ParseEvent(f.out.Payload[:])
		want := Event{Code: 5, End: i >= 4, Volume: 10, Duration: uint16(min(i+1, 5) * 160)}
		if e != want || f.out.Timestamp != 1000 || f.out.Marker != (i == 0) {
			t.Errorf("frame %d: %+v with %+v, want %+v", i, f.out, e, want)
		}
	}
}

func TestSendIsReceived(t *testing.T) {
	t.Parallel()
	const digits = "0123456789*#ABCD!1,1112"
	for _, rate := range []int{8000, 16000, 48000} {
		step := uint32(rate / 50)
		var r Receiver
		var got []byte
		for i, f := range send(t, digits, SendOptions{ClockRate: rate}, step) {
			if !f.send {
				continue
			}
			for _, k := range r.Receive(nil, Packet{Sequence: uint16(i), Timestamp: f.out.Timestamp, Marker: f.out.Marker, Payload: f.out.Payload[:], ClockRate: rate}) {
				if !k.Released {
					got = append(got, k.Digit)
				} else if k.Duration != 160*time.Millisecond {
					t.Errorf("at %d Hz %c lasted %v", rate, k.Digit, k.Duration)
				}
			}
		}
		if want := strings.ReplaceAll(digits, ",", ""); string(got) != want {
			t.Errorf("at %d Hz: %q, want %q", rate, got, want)
		}
	}
}

func TestSendPause(t *testing.T) {
	t.Parallel()
	if n := len(send(t, ",,", SendOptions{}, 160)); n != 100 {
		t.Errorf("two commas last %d frames of 20 ms", n)
	}
	if n := len(send(t, "", SendOptions{}, 160)); n != 0 {
		t.Errorf("nothing lasts %d frames", n)
	}
}

func TestSendLongEvent(t *testing.T) {
	t.Parallel()
	var r Receiver
	var keys []Key
	stamps := map[uint32]bool{}
	markers := 0
	for i, f := range send(t, "1", SendOptions{Tone: 20 * time.Second}, 160) {
		if !f.send {
			continue
		}
		stamps[f.out.Timestamp] = true
		if f.out.Marker {
			markers++
		}
		keys = r.Receive(keys, Packet{Sequence: uint16(i), Timestamp: f.out.Timestamp, Marker: f.out.Marker, Payload: f.out.Payload[:], ClockRate: 8000})
	}
	if len(stamps) != 3 || !stamps[1000+0xFFFF] || !stamps[1000+2*0xFFFF] || markers != 1 {
		t.Errorf("segments %v, %d markers", stamps, markers)
	}
	if len(keys) != 2 || keys[1].Duration != 20*time.Second {
		t.Errorf("received as %v", keys)
	}
}

func TestSendRefuses(t *testing.T) {
	t.Parallel()
	_, err := NewSender("12x", SendOptions{})
	if err == nil || !strings.Contains(err.Error(), "'x'") {
		t.Errorf("error %v", err)
	}
}

func TestSendDoesNotAllocate(t *testing.T) {
	s, err := NewSender(strings.Repeat("1", 1000), SendOptions{})
	if err != nil {
		t.Fatal(err)
	}
	now := uint32(0)
	if n := testing.AllocsPerRun(1000, func() { s.Next(now); now += 160 }); n != 0 {
		t.Errorf("%v allocations a frame", n)
	}
}
