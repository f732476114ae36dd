package dtmf

import "time"

// Key says that a digit was pressed or let go.
type Key struct {
	Digit    byte
	Released bool
	Duration time.Duration // how long it was held, as far as reports came; when released
}

// How long a key stays down without a report: senders report every 10 to 50 ms and repeat
// the last one, so this much silence means that all of its end was lost.
const lostAfter = 300 * time.Millisecond

// history is the number of events remembered so that late packets do not revive them.
const history = 8

// maxReports is how many reports of one packet are read.
const maxReports = 8

// Receiver turns telephone-event packets of one RTP source into keys. Each digit is pressed
// once and released once, whatever is lost, doubled or late, as long as one packet of it
// arrives. The zero value waits for the first packet; it is not safe for concurrent use.
type Receiver struct {
	rate    uint32 // clock rate, Hz
	ssrc    uint32
	started bool
	down    bool // the current event is not released yet
	ended   bool // its end report has come
	code    uint8
	seq     uint16        // newest packet
	stamp   uint32        // timestamp of the current segment
	length  uint16        // newest duration within the segment
	before  uint64        // timestamp units of the segments before this one
	last    time.Duration // arrival of the newest packet
	past    [history]uint32
	known   int // entries of past that are set, from its start
}

// Packet is what the receiver needs of a telephone-event packet.
type Packet struct {
	Sequence  uint16
	Timestamp uint32
	SSRC      uint32
	Marker    bool
	Payload   []byte
	ClockRate int           // of its payload type, Hz
	At        time.Duration // arrival, on any steady clock
}

// Receive takes a packet and appends what it says about keys to dst.
func (r *Receiver) Receive(dst []Key, p Packet) []Key {
	if p.ClockRate <= 0 {
		return dst
	}
	if r.started && p.SSRC != r.ssrc { // another source: nothing of the old one counts
		dst = r.release(dst)
		r.started, r.known = false, 0
	}
	r.rate, r.ssrc = uint32(p.ClockRate), p.SSRC
	stamp, marker := p.Timestamp, p.Marker
	b := p.Payload
	for range maxReports {
		e, ok := ParseEvent(b)
		if !ok {
			break
		}
		b = b[PayloadSize:]
		dst = r.event(dst, e, p, stamp, marker)
		// RFC 4733 §2.5.1.5: further reports of a packet follow each other in time.
		stamp += uint32(e.Duration)
		marker = false
	}
	return dst
}

func (r *Receiver) event(dst []Key, e Event, p Packet, stamp uint32, marker bool) []Key {
	if _, ok := Digit(e.Code); !ok {
		return dst
	}
	late := r.started && int16(p.Sequence-r.seq) < 0
	switch {
	case r.started && stamp == r.stamp && !(marker && !late && r.anew(e)):
		if e.Code != r.code {
			return dst // two events cannot begin at once
		}
	case late || r.remembers(stamp):
		return dst
	case r.segment(e, stamp, marker):
		r.before += 0xFFFF
		r.move(stamp)
	case r.drifts(e, p.Sequence, stamp, marker):
		r.move(stamp)
	default:
		dst = r.release(dst)
		dst = r.press(dst, e.Code, stamp)
	}
	r.started = true
	if !late {
		r.seq, r.last = p.Sequence, p.At
	}
	r.length = max(r.length, e.Duration)
	if e.End {
		r.ended = true
		dst = r.release(dst)
	}
	return dst
}

// anew tells whether a newer report with a marker begins another event although its
// timestamp is that of the last one: some senders let theirs stand still. Those that mark
// every packet are told apart by the duration, which does not fall within an event.
func (r *Receiver) anew(e Event) bool { return r.ended && e.Duration < r.length }

// segment tells whether a report goes on with an event longer than 0xFFFF, in a segment
// that begins where the one before ended (RFC 4733 §2.5.1.3).
func (r *Receiver) segment(e Event, stamp uint32, marker bool) bool {
	return r.started && !r.ended && !marker && e.Code == r.code && stamp-r.stamp == 0xFFFF
}

// drifts tells whether a report belongs to the current event although it has another
// timestamp: some gateways give every report its own. Then its duration grows, or the end is
// repeated, and no packet is missing in between that could have ended the event.
func (r *Receiver) drifts(e Event, seq uint16, stamp uint32, marker bool) bool {
	gap := seq - r.seq
	if !r.started || marker || e.Code != r.code || gap == 0 || gap > 3 || stamp-r.stamp > uint32(e.Duration) {
		return false
	}
	if r.ended {
		return e.End && e.Duration == r.length
	}
	return r.down && e.Duration > r.length
}

func (r *Receiver) move(stamp uint32) {
	r.remember(r.stamp)
	r.stamp, r.length = stamp, 0
}

func (r *Receiver) press(dst []Key, code uint8, stamp uint32) []Key {
	if r.started {
		r.remember(r.stamp)
	}
	r.code, r.stamp = code, stamp
	r.down, r.ended = true, false
	r.length, r.before = 0, 0
	digit, _ := Digit(code)
	return append(dst, Key{Digit: digit})
}

func (r *Receiver) release(dst []Key) []Key {
	if !r.down {
		return dst
	}
	r.down = false
	digit, _ := Digit(r.code)
	units := r.before + uint64(r.length)
	held := time.Duration(units) * time.Second / time.Duration(r.rate)
	return append(dst, Key{Digit: digit, Released: true, Duration: held})
}

// Expire releases a key whose end reports were all lost; now is on the clock of Packet.At.
// Call it a few times a second while Down.
func (r *Receiver) Expire(dst []Key, now time.Duration) []Key {
	if r.down && now-r.last >= lostAfter {
		return r.release(dst)
	}
	return dst
}

// Down tells whether a key is held.
func (r *Receiver) Down() bool { return r.down }

func (r *Receiver) remember(stamp uint32) {
	copy(r.past[1:], r.past[:])
	r.past[0] = stamp
	r.known = min(r.known+1, history)
}

func (r *Receiver) remembers(stamp uint32) bool {
	for _, s := range r.past[:r.known] {
		if s == stamp {
			return true
		}
	}
	return false
}
