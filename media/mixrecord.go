package media

import (
	"encoding/binary"
	"errors"
	"time"

	"tandem/media/codec"
)

// linearFormat marks a piece that is not coded: samples at the file's rate, little-endian.
const linearFormat = 0xFF

// mixRing is how much of a conference waits for the disk at most.
const mixRing = 4 * time.Second

// mixTape is the worker's side of a Recording of a conference.
type mixTape struct {
	recording *Recording
	start     time.Time
	length    int64 // samples so far
	paused    bool
}

// Record writes what all say, and what is played to all, into a file from now on, at the
// rate of the conference, until it is stopped or the conference is closed ("hangup"). Of the
// options only Path counts; a pause leaves silence. It makes the file itself, so it waits
// for the disk. Errors: ErrClosed, or the file's.
func (x *Mix) Record(o RecordOptions) (*Recording, error) {
	rate := x.mixer.rate.hz()
	tape, err := newTape(RecordOptions{Path: o.Path}, rate)
	if err != nil {
		return nil, err
	}
	r := &Recording{engine: x.engine, mix: x, done: make(chan struct{}), rate: rate, path: o.Path, tape: tape}
	r.ring.data = make([]byte, int(mixRing/time.Second)*2*rate)
	if !x.engine.disk.add(r) {
		return nil, errors.Join(ErrClosed, tape.close(0))
	}
	if !x.worker.post(func(x *Mix) { x.mixer.startTape(r) }, x) {
		r.finish(0, recordHangup)
		return nil, ErrClosed
	}
	return r, nil
}

// onMix does something to the worker's side of a conference's recording while it runs.
func (r *Recording) onMix(f func(*mixer, *mixTape)) {
	r.mix.worker.post(func(x *Mix) {
		for _, t := range x.mixer.tapes {
			if t.recording == r {
				f(x.mixer, t)
				return
			}
		}
	}, r.mix)
}

func (r *mixer) startTape(rec *Recording) {
	if r.closed {
		rec.finish(0, recordHangup)
		return
	}
	start := r.worker().now
	if r.timer.armed() {
		start = r.due.Add(-frameTime) // the next frame is the first one
	}
	r.tapes = append(r.tapes, &mixTape{recording: rec, start: start})
}

func (r *mixer) endTape(t *mixTape, why string) {
	for i, have := range r.tapes {
		if have == t {
			r.tapes = append(r.tapes[:i], r.tapes[i+1:]...)
			t.recording.finish(t.length, why)
			return
		}
	}
}

// record gives this frame's sum to those who keep it, where it belongs in time: frames that
// could not be made leave their silence.
func (r *mixer) record() {
	if len(r.tapes) == 0 {
		return
	}
	codec.MixMinus(r.mixed, r.sum, nil)
	for i, v := range r.mixed {
		binary.LittleEndian.PutUint16(r.sound[2*i:], uint16(v))
	}
	for _, t := range r.tapes {
		t.take(r.due, r.sound)
	}
}

// take puts the frame that is due into the ring; at 48 kHz it is just shorter than maxPacket.
func (t *mixTape) take(due time.Time, sound []byte) {
	rec := t.recording
	at := int64(due.Sub(t.start)-frameTime) / int64(time.Millisecond) * int64(rec.rate) / 1000
	t.length = at + int64(len(sound)/2)
	if t.paused {
		return
	}
	if !rec.ring.put(piece{at, SidePeer, linearFormat, sound}) {
		rec.lost.Add(1)
	}
	rec.engine.disk.filled(&rec.ring)
}
