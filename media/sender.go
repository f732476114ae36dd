package media

import (
	"time"

	"tandem/media/rtp"
)

// origin is who makes the packets that a leg sends.
type origin uint8

const (
	fromNobody origin = iota
	fromPlayback
	fromKeys
	fromVoice
	fromEvents
	fromSilence
	fromPeer
)

// sender keeps what we send on a leg one stream for its whole life: one SSRC, sequence and
// timestamp going on across prompt, relay, music and transfer, the marker at each switch.
type sender struct {
	ssrc    uint32
	seq     uint16 // of the newest packet sent
	ts      uint32
	length  uint32    // of that packet, in timestamp units
	at      time.Time // when it was sent
	origin  origin
	started bool

	// Of the relay: what to add to the peer's numbers.
	peer     *stream
	peerSSRC uint32
	addSeq   uint16
	addTS    uint32
	first    uint16 // our number of the first relayed packet
	since    int    // packets relayed since
}

func newSender() sender {
	return sender{ssrc: rtp.NewSSRC(), seq: rtp.NewSequence(), ts: rtp.NewTimestamp()}
}

// begin is the timestamp at which a new origin takes up the stream: after the last packet,
// and as far along as real time is.
func (t *sender) begin(o origin, now time.Time, clock int) uint32 {
	defer func() { t.origin = o }()
	if !t.started {
		t.started = true
		return t.ts
	}
	elapsed := uint32(min(now.Sub(t.at), time.Hour).Milliseconds() * int64(clock) / 1000)
	return t.ts + max(t.length, elapsed)
}

// pause marks that we stop sending what we made: whatever comes next begins anew, as far
// along as time is by then. A relay is the peer's stream and goes on by its own numbers.
func (t *sender) pause() {
	if t.origin != fromPeer {
		t.origin = fromNobody
	}
}

// silent marks that a live voice stops: whoever speaks next begins anew.
func (t *sender) silent() {
	if t.origin == fromVoice {
		t.origin = fromNobody
	}
}

// part marks the end of a relay: its peer's numbers mean nothing any more.
func (t *sender) part() {
	if t.origin == fromPeer {
		t.origin = fromNobody
	}
}

// passes lets length timestamp units of our own go by and tells where they began.
func (t *sender) passes(o origin, length uint32, now time.Time, clock int) uint32 {
	at := t.ts + t.length
	if t.origin != o {
		at = t.begin(o, now, clock)
	}
	t.ts, t.length, t.at = at, length, now
	return at
}

// number gives a packet of ours its place in the stream.
func (t *sender) number(h rtp.Header) rtp.Header {
	t.seq++
	h.SSRC, h.Sequence = t.ssrc, t.seq
	return h
}

// frame numbers the next packet of sound that we make, length timestamp units long.
func (t *sender) frame(o origin, payload uint8, length uint32, now time.Time, clock int) rtp.Header {
	marker := t.origin != o
	h := rtp.Header{PayloadType: payload, Marker: marker, Timestamp: t.passes(o, length, now, clock)}
	return t.number(h)
}

// relay renumbers a packet of the peer's stream; false if it is a straggler from before
// the relay began. restarted says that the peer's own numbers began anew.
func (t *sender) relay(from *stream, h rtp.Header, restarted bool, length uint32, now time.Time, clock int) (rtp.Header, bool) {
	if t.origin != fromPeer || t.peer != from || t.peerSSRC != h.SSRC || restarted {
		t.addTS = t.begin(fromPeer, now, clock) - h.Timestamp
		t.addSeq = t.seq + 1 - h.Sequence
		t.peer, t.peerSSRC = from, h.SSRC
		t.first, t.since = t.seq+1, 0
		h.Marker = true
	}
	h.Sequence += t.addSeq
	h.Timestamp += t.addTS
	h.SSRC = t.ssrc
	if t.since++; t.since <= 1000 && int16(h.Sequence-t.first) < 0 {
		return h, false
	}
	if int16(h.Sequence-t.seq) > 0 {
		t.seq, t.ts, t.length, t.at = h.Sequence, h.Timestamp, length, now
	}
	return h, true
}
