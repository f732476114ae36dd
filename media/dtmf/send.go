package dtmf

import (
	"fmt"
	"time"
)

// SendOptions say how digits are sent; zero fields take the defaults.
type SendOptions struct {
	ClockRate int           // of the telephone-event payload type, Hz; 8000
	Frame     time.Duration // between two calls of Next; 20 ms
	Tone      time.Duration // how long a digit lasts; 160 ms
	Gap       time.Duration // silence after a digit; 80 ms
	Pause     time.Duration // what a comma waits; 1 s
	Volume    uint8         // -dBm0; 10
}

func (o SendOptions) withDefaults() SendOptions {
	set := func(d *time.Duration, def time.Duration) {
		if *d <= 0 {
			*d = def
		}
	}
	set(&o.Frame, 20*time.Millisecond)
	set(&o.Tone, 160*time.Millisecond)
	set(&o.Gap, 80*time.Millisecond)
	set(&o.Pause, time.Second)
	if o.ClockRate <= 0 {
		o.ClockRate = 8000
	}
	if o.Volume == 0 {
		o.Volume = 10
	}
	return o
}

// ends is how often the last report of an event is sent (RFC 4733 §2.5.1.4).
const ends = 3

// Output is a packet to send.
type Output struct {
	Payload   [PayloadSize]byte
	Timestamp uint32 // when the event, or its segment, began
	Marker    bool   // first packet of an event
}

// Sender sends digits as telephone-events, a packet a frame. It is not safe for concurrent
// use.
type Sender struct {
	o      SendOptions
	digits string // still to come
	step   uint32 // timestamp units a frame

	code    uint8
	left    uint64 // units of the event still to report
	stamp   uint32
	length  uint16
	marker  bool
	ending  int // end reports still to send
	silence int // frames without a packet
}

// NewSender prepares digits: 0-9, *, #, A-D, ! for a flash, a comma for a pause. Errors
// name the character that is none of these.
func NewSender(digits string, o SendOptions) (*Sender, error) {
	for i := range len(digits) {
		if _, ok := Code(digits[i]); !ok && digits[i] != ',' {
			return nil, fmt.Errorf("%q is not a DTMF digit", digits[i])
		}
	}
	s := &Sender{o: o.withDefaults(), digits: digits}
	s.step = max(1, s.units(s.o.Frame))
	return s, nil
}

func (s *Sender) units(d time.Duration) uint32 {
	return uint32(int64(d) * int64(s.o.ClockRate) / int64(time.Second))
}

// Next is called once a frame, with the timestamp that audio sent now would have. It
// returns the packet to send, if there is one in this frame; done tells that all digits
// and the gap after the last are over.
func (s *Sender) Next(now uint32) (out Output, send, done bool) {
	switch {
	case s.left > 0:
		return s.report(), true, false
	case s.ending > 0:
		return s.end(), true, false
	case s.silence > 0:
		s.silence--
		return Output{}, false, false
	case s.digits == "":
		return Output{}, false, true
	}
	d := s.digits[0]
	s.digits = s.digits[1:]
	if d == ',' {
		s.silence = s.frames(s.o.Pause) - 1
		return Output{}, false, false
	}
	s.code, _ = Code(d)
	s.left = max(uint64(s.step), uint64(s.units(s.o.Tone)))
	s.stamp, s.length, s.marker = now, 0, true
	return s.report(), true, false
}

func (s *Sender) frames(d time.Duration) int {
	return max(1, int((d+s.o.Frame-1)/s.o.Frame))
}

// report lengthens the event by a frame. The report that completes it is the first of the
// end reports.
func (s *Sender) report() Output {
	grow := min(s.left, uint64(s.step))
	s.left -= grow
	if uint64(s.length)+grow > 0xFFFF {
		// RFC 4733 §2.5.1.3: the next segment begins 0xFFFF later, without marker.
		s.stamp += 0xFFFF
		s.length = uint16(uint64(s.length) + grow - 0xFFFF)
	} else {
		s.length += uint16(grow)
	}
	if s.left == 0 {
		s.ending = ends
		return s.end()
	}
	out := s.output(false)
	s.marker = false
	return out
}

func (s *Sender) end() Output {
	s.ending--
	if s.ending == 0 { // the repeats took two frames of the gap
		s.silence = max(0, s.frames(s.o.Gap)-(ends-1))
	}
	out := s.output(true)
	s.marker = false
	return out
}

func (s *Sender) output(end bool) Output {
	e := Event{Code: s.code, End: end, Volume: s.o.Volume, Duration: s.length}
	return Output{Payload: e.Payload(), Timestamp: s.stamp, Marker: s.marker}
}
