package media

import (
	"time"

	"tandem/media/rtp"
)

// Bounds of the jitter buffer.
const (
	jitterSlots  = 64                     // packets held; a power of two
	jitterStart  = 20 * time.Millisecond  // that the first packet waits
	jitterSpare  = 40 * time.Millisecond  // that every packet of a window may wait without need
	jitterMost   = 240 * time.Millisecond // of delay that late packets may bring about
	jitterWindow = 50                     // packets after which the delay is looked at
	jitterIdle   = 2 * time.Second        // without a packet, and we begin anew
	jitterJump   = time.Second            // a gap in the timestamps that is no pause
	jitterLate   = 5                      // packets too late in a row before we believe their timestamps
)

// jitter holds the packets of one peer until it is their turn. Its delay is as small as the
// arrivals allow: it grows when packets come too late, and shrinks when each packet of a
// window has waited longer than it needed to.
type jitter struct {
	slots   [jitterSlots]slot
	held    int
	started bool
	playing bool
	next    uint16 // the sequence number whose turn it is
	clock   uint32 // the timestamp of the next sample to play
	rate    int    // of clock
	idle    time.Duration
	delay   time.Duration // added since the start
	late    int           // packets in a row that came too late
	grow    bool          // make up a frame, so that what follows is less late
	shrink  bool          // leave one out
	least   time.Duration // that a packet of this window has waited
	seen    int           // packets of this window
}

// slot is a packet that waits.
type slot struct {
	full    bool
	seq     uint16
	stamp   uint32
	arrived time.Time
	meaning inbound
	data    []byte
}

// turn is what is to be played next.
type turn uint8

const (
	turnNothing turn = iota // nothing has come
	turnPacket              // a packet
	turnLost                // something that did not come
	turnPause               // the peer was silent
)

// reset begins anew: a new source, or a jump of the old one.
func (j *jitter) reset() {
	for i := range j.slots {
		j.slots[i].full = false
	}
	j.held, j.started, j.playing = 0, false, false
	j.idle, j.delay, j.grow, j.shrink = 0, 0, false, false
	j.measure()
}

func (j *jitter) measure() { j.least, j.seen = time.Hour, 0 }

// put keeps a copy of a packet; it allocates only until each slot has had its largest.
func (j *jitter) put(h rtp.Header, payload []byte, meaning inbound, now time.Time) {
	if !j.started {
		j.started, j.next = true, h.Sequence
	}
	ahead := int(int16(h.Sequence - j.next))
	switch {
	case ahead < 0 && !j.playing && ahead > -jitterSlots/2 && j.held < jitterSlots/2:
		j.next = h.Sequence // the first ones came in disorder
	case ahead < 0:
		j.grow = j.grow || meaning.kind == payloadAudio && j.delay < jitterMost
		return
	case ahead >= jitterSlots:
		j.reset()
		j.started, j.next = true, h.Sequence
	}
	s := &j.slots[h.Sequence%jitterSlots]
	if !s.full {
		j.held++
	}
	s.full, s.seq, s.stamp, s.arrived, s.meaning = true, h.Sequence, h.Timestamp, now, meaning
	s.data = append(s.data[:0], payload...)
}

// first is the oldest packet held; held is not 0.
func (j *jitter) first() *slot {
	for i := range uint16(jitterSlots) {
		if s := &j.slots[(j.next+i)%jitterSlots]; s.full {
			return s
		}
	}
	return nil
}

// take says what comes next and for how long, in time of the peer's. A packet stays the
// caller's until the next call of put; its length is told by played.
func (j *jitter) take(now time.Time) (turn, *slot, time.Duration) {
	for {
		if j.held == 0 {
			return j.starve()
		}
		s := j.first()
		if !j.playing && !j.begin(s, now) {
			return turnNothing, nil, frameTime
		}
		j.idle = 0
		gap := j.gap(s)
		if gap > 0 {
			return j.fill(s, gap)
		}
		if j.grow {
			j.grow = false
			j.delay += frameTime
			return turnLost, nil, frameTime
		}
		s.full, j.next = false, s.seq+1
		j.held--
		if s.meaning.kind != payloadAudio {
			if s.meaning.kind == payloadNoise {
				return turnPacket, s, 0
			}
			continue
		}
		if late := j.ticks(-gap); late > 0 {
			if j.delay += -gap; j.delay > jitterMost {
				j.delay -= -gap
				if j.late++; j.late < jitterLate {
					continue // too late to be worth the delay
				}
			}
		}
		j.late = 0 // or the peer's clock has been set back: we follow it
		j.clock, j.rate = s.stamp, s.meaning.format.ClockRate
		j.waited(now.Sub(s.arrived))
		return turnPacket, s, 0
	}
}

// starve says that nothing is held. Time goes on, so that a pause keeps the delay.
func (j *jitter) starve() (turn, *slot, time.Duration) {
	if !j.playing {
		return turnNothing, nil, frameTime
	}
	if j.idle += frameTime; j.idle > jitterIdle {
		j.reset()
		return turnNothing, nil, frameTime
	}
	j.clock += j.ticks(frameTime)
	return turnLost, nil, frameTime
}

// begin starts to play once the oldest packet has waited long enough.
func (j *jitter) begin(s *slot, now time.Time) bool {
	if s.meaning.kind != payloadAudio { // tells of no time
		s.full, j.next = false, s.seq+1
		j.held--
		return false
	}
	if now.Sub(s.arrived) < jitterStart {
		return false
	}
	j.playing, j.next, j.clock, j.rate = true, s.seq, s.stamp, s.meaning.format.ClockRate
	j.measure()
	return true
}

// gap is how long after the next sample the packet begins; what is no audio begins at once.
func (j *jitter) gap(s *slot) time.Duration {
	if s.meaning.kind != payloadAudio {
		return 0
	}
	d := time.Duration(int32(s.stamp-j.clock)) * time.Second / time.Duration(j.rate)
	if max(d, -d) > jitterJump {
		j.clock = s.stamp
		return 0
	}
	return d
}

// fill is for the time before packet s: lost, or a pause if no packet is missing.
func (j *jitter) fill(s *slot, gap time.Duration) (turn, *slot, time.Duration) {
	d := min(gap, frameTime)
	j.clock += j.ticks(d)
	t := turnPause
	if s.seq != j.next {
		t = turnLost
	}
	if d == gap {
		j.clock, j.next = s.stamp, s.seq
	}
	return t, nil, d
}

func (j *jitter) ticks(d time.Duration) uint32 {
	return uint32(int64(d) * int64(j.rate) / int64(time.Second))
}

// played tells how long the packet that was taken has been.
func (j *jitter) played(d time.Duration) { j.clock += j.ticks(d) }

// waited looks at how long packets wait and decides on the delay.
func (j *jitter) waited(d time.Duration) {
	j.least = min(j.least, d)
	if j.seen++; j.seen < jitterWindow && j.least < 4*jitterSpare || j.seen < 5 {
		return
	}
	j.shrink = j.least > jitterSpare
	j.measure()
}

// leaveOut tells, once, that this packet is to be joined with the next.
func (j *jitter) leaveOut() bool {
	if !j.shrink || j.held == 0 || !j.slots[j.next%jitterSlots].full {
		return false
	}
	j.shrink = false
	j.delay = max(0, j.delay-frameTime)
	return true
}
