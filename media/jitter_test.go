package media

import (
	"encoding/binary"
	"testing"
	"time"

	"tandem/media/rtp"
)

// FuzzJitter throws packets of any numbers and lengths at a listener, at any times: it hears
// 20 ms each 20 ms, the buffer stays within its bounds and nothing panics.
func FuzzJitter(f *testing.F) {
	f.Add([]byte{0, 1, 0, 0, 0, 160, 20, 0})
	f.Add([]byte{0, 1, 0, 0, 0, 160, 20, 3, 0, 0, 0, 0, 0, 0, 20, 2, 255, 255, 128, 0, 0, 0, 200, 1})
	f.Fuzz(func(t *testing.T, script []byte) {
		e := fuzzEar()
		var l deaf
		e.taps = append(e.taps, tap{&l, rate16})
		seq, stamp := uint16(0), uint32(0)
		payload := make([]byte, 1500)
		now := time.Unix(0, 0)
		for ; len(script) >= 8; script = script[8:] {
			seq += binary.BigEndian.Uint16(script)
			stamp += binary.BigEndian.Uint32(script[2:])
			now = now.Add(time.Duration(script[6]) * time.Millisecond)
			kind := payloadKind(script[7]&3) + 1
			meaning := inbound{kind: min(kind, payloadNoise), format: &formats[int(script[7]>>2)%len(formats)]}
			n := int(script[7])*int(script[6])%len(payload) + 1
			payload[0] = script[7]
			e.buffer.put(rtp.Header{Sequence: seq, Timestamp: stamp}, payload[:n], meaning, now)
			e.stream.worker.now = now
			e.next()
			if j := &e.buffer; j.held < 0 || j.held > jitterSlots || j.delay > jitterMost+frameTime {
				t.Fatalf("%d packets held, %v of delay", j.held, j.delay)
			}
		}
		if l.frames == 0 {
			return
		}
		for range 2 * int(jitterIdle/frameTime) { // it comes to rest
			now = now.Add(frameTime)
			e.stream.worker.now = now
			e.next()
		}
		if e.frame.kind != frameNothing && e.frame.kind != frameNoise {
			t.Errorf("long after the last packet it hears %d", e.frame.kind)
		}
	})
}

// fuzzEar is an ear without an engine.
func fuzzEar() *ear {
	m := &stream{worker: &worker{}}
	e := newEarOf(m)
	m.ear = e
	return e
}
