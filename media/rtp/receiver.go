package rtp

import "time"

// Limits of RFC 3550 A.1: a sequence number this far ahead is a jump, not a loss, and
// one this far behind is a jump, not reordering.
const (
	maxDropout  = 3000
	maxMisorder = 100
)

// Verdict is what the receiver thinks of a packet.
type Verdict uint8

// The verdicts of Receiver.Receive.
const (
	InOrder   Verdict = iota // the next packet, or one after a gap
	Late                     // fills a gap: out of order, but new
	Duplicate                // seen before
	Suspect                  // jumped far away; the stream is taken up if the next one follows it
	Restarted                // first packet of a new SSRC, or second after a jump: timestamps start anew
)

// Receiver follows the sequence numbers of what one leg receives and measures loss,
// reordering, duplicates and jitter (RFC 3550 A.1, A.3, A.8). Totals run on when the
// source changes its SSRC or jumps. The zero value is ready; it is not safe for
// concurrent use.
type Receiver struct {
	earlierExp  uint64 // of the sources before this one
	earlierUniq uint64
	outOfOrder  uint64
	duplicates  uint64
	suspects    uint64
	priorExp    uint64 // at the last Report
	priorUniq   uint64

	// What each packet needs lies together, see media's stream.
	started      bool
	transitKnown bool
	ssrc         uint32
	base         uint32 // extended number of the first packet of this source
	highest      uint32 // extended number of the newest
	bad          uint32 // sequence that would confirm a jump; above 0xFFFF: none
	rate         int32
	seen         uint64 // bit i: highest-i has come
	unique       uint64 // packets of this source, duplicates apart
	packets      uint64
	transit      int64  // arrival minus timestamp of the newest packet, in timestamp units
	jitter       uint64 // scaled by 16, in timestamp units
}

// Totals are the counts since the first packet.
type Totals struct {
	Packets    uint64 // all that came, duplicates included
	Expected   uint64 // from the first to the highest sequence number
	Lost       uint64 // expected and never seen
	OutOfOrder uint64
	Duplicates uint64
	Suspects   uint64 // discarded by a jump that nothing followed
}

// Receive takes note of a packet that arrived at the given moment of any steady clock;
// rate is the clock rate of its payload type in Hz.
func (r *Receiver) Receive(h Header, arrival time.Duration, rate int) Verdict {
	r.packets++
	if !r.started || h.SSRC != r.ssrc {
		r.start(h)
		r.clock(h, arrival, rate)
		return Restarted
	}
	v := r.place(h)
	switch v {
	case InOrder, Restarted:
		r.clock(h, arrival, rate)
	case Late:
		r.outOfOrder++
	case Duplicate:
		r.duplicates++
	case Suspect:
		r.suspects++
	}
	return v
}

// place is update_seq of RFC 3550 A.1 without its probation, for the first syllable
// counts: who may send here at all is the business of latching.
func (r *Receiver) place(h Header) Verdict {
	ahead := h.Sequence - uint16(r.highest)
	switch {
	case ahead == 0:
		return Duplicate
	case ahead < maxDropout:
		r.highest += uint32(ahead)
		r.seen = r.seen<<ahead | 1 // a shift by 64 or more leaves 0
		r.unique++
		r.bad = noJump
		return InOrder
	case ahead > 0xFFFF-maxMisorder:
		return r.late(uint32(-ahead))
	case uint32(h.Sequence) == r.bad:
		r.suspects-- // the one before was the first of the new run: only its sound is lost
		r.start(h)
		return Restarted
	}
	r.bad = uint32(h.Sequence + 1)
	return Suspect
}

const noJump = 1 << 16

func (r *Receiver) late(behind uint32) Verdict {
	if behind > r.highest-r.base { // before the first packet of this source: it began there
		r.base = r.highest - behind
	}
	if behind < 64 {
		if r.seen>>behind&1 == 1 {
			return Duplicate
		}
		r.seen |= 1 << behind
	}
	if r.unique < uint64(r.highest-r.base)+1 { // beyond the window a duplicate looks new
		r.unique++
	}
	return Late
}

func (r *Receiver) start(h Header) {
	if r.started {
		r.earlierExp += uint64(r.highest-r.base) + 1
		r.earlierUniq += r.unique
	}
	r.started, r.ssrc, r.bad = true, h.SSRC, noJump
	r.base = 1<<16 | uint32(h.Sequence) // one cycle up: late packets may lie below it
	r.highest, r.seen, r.unique = r.base, 1, 1
	r.transitKnown = false
}

// clock updates the jitter (RFC 3550 A.8) by a packet that advances the stream. Packets
// that share a timestamp with their predecessor (telephone-event, video) would count a
// pause as jitter, so their callers should pass rate 0, which skips them.
func (r *Receiver) clock(h Header, arrival time.Duration, rate int) {
	if rate <= 0 {
		return
	}
	units := int64(arrival/time.Second)*int64(rate) + int64(arrival%time.Second)*int64(rate)/int64(time.Second)
	transit := int64(uint32(units) - h.Timestamp)
	if !r.transitKnown || int32(rate) != r.rate {
		r.transit, r.transitKnown, r.rate = transit, true, int32(rate)
		return
	}
	d := int64(int32(uint32(transit - r.transit)))
	r.transit = transit
	if d < 0 {
		d = -d
	}
	if d > int64(rate)*5 { // a timestamp jump, not a network that stood still for 5 s
		return
	}
	r.jitter = uint64(int64(r.jitter) + d - int64((r.jitter+8)>>4))
}

// Jitter is the interarrival jitter as RFC 3550 §6.4.1 defines it, as a duration.
func (r *Receiver) Jitter() time.Duration {
	if r.rate == 0 {
		return 0
	}
	return time.Duration(r.jitter>>4) * time.Second / time.Duration(r.rate)
}

// Totals returns the counts so far.
func (r *Receiver) Totals() Totals {
	expected, unique := r.counts()
	t := Totals{
		Packets: r.packets, Expected: expected, OutOfOrder: r.outOfOrder,
		Duplicates: r.duplicates, Suspects: r.suspects,
	}
	if expected > unique {
		t.Lost = expected - unique
	}
	return t
}

func (r *Receiver) counts() (expected, unique uint64) {
	if !r.started {
		return 0, 0
	}
	return r.earlierExp + uint64(r.highest-r.base) + 1, r.earlierUniq + r.unique
}

// Report is the content of an RTCP report block (RFC 3550 §6.4.1).
type Report struct {
	SSRC         uint32
	FractionLost uint8  // of 256, since the Report before
	Lost         uint32 // 24 bits
	Highest      uint32 // extended sequence number
	Jitter       uint32 // timestamp units
}

// Report closes an interval and describes it; ok is false while nothing has come.
func (r *Receiver) Report() (rep Report, ok bool) {
	if !r.started {
		return Report{}, false
	}
	expected, unique := r.counts()
	rep = Report{SSRC: r.ssrc, Highest: r.highest - 1<<16, Jitter: uint32(r.jitter >> 4)}
	if expected > unique {
		rep.Lost = uint32(min(expected-unique, 0x7FFFFF))
	}
	exp, got := expected-r.priorExp, unique-r.priorUniq
	if exp > got && exp < 1<<56 { // RFC 3550 A.3; a late packet can move base back
		rep.FractionLost = uint8(min((exp-got)<<8/exp, 255))
	}
	r.priorExp, r.priorUniq = expected, unique
	return rep, true
}

// Touch reads what Receive will need, so that it is fetched into the cache by then. The
// result means nothing; using it keeps the compiler from leaving the reading out.
func (r *Receiver) Touch() uint64 { return uint64(r.highest) + r.jitter }
