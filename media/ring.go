package media

import (
	"encoding/binary"
	"sync/atomic"
)

// ringSize is the room, in bytes, for packets on their way to the disk: 7 s of G.711 from one side.
const ringSize = 64 << 10

// ring takes packets from a worker to the disk goroutine without a lock: one side puts,
// the other takes.
type ring struct {
	head atomic.Uint64 // bytes put
	tail atomic.Uint64 // bytes taken
	data []byte
}

func (r *ring) size() uint64 { return uint64(len(r.data)) }

// piece is a packet's sound and where it belongs, in samples since the recording began.
type piece struct {
	at      int64
	side    Side
	format  uint8 // its index
	payload []byte
}

const pieceHeader = 8 + 1 + 1 + 2

// put copies a piece in; false if there is no room, and nothing has changed.
func (r *ring) put(p piece) bool {
	head := r.head.Load()
	if uint64(pieceHeader+len(p.payload)) > r.size()-(head-r.tail.Load()) {
		return false
	}
	var h [pieceHeader]byte
	binary.LittleEndian.PutUint64(h[:], uint64(p.at))
	h[8], h[9] = byte(p.side), p.format
	binary.LittleEndian.PutUint16(h[10:], uint16(len(p.payload)))
	r.copyIn(head, h[:])
	r.copyIn(head+pieceHeader, p.payload)
	r.head.Store(head + pieceHeader + uint64(len(p.payload)))
	return true
}

// take copies the oldest piece out, its payload into buf, which must hold any packet.
func (r *ring) take(buf []byte) (piece, bool) {
	tail := r.tail.Load()
	if tail == r.head.Load() {
		return piece{}, false
	}
	var h [pieceHeader]byte
	r.copyOut(h[:], tail)
	n := int(binary.LittleEndian.Uint16(h[10:]))
	r.copyOut(buf[:n], tail+pieceHeader)
	r.tail.Store(tail + pieceHeader + uint64(n))
	return piece{int64(binary.LittleEndian.Uint64(h[:])), Side(h[8]), h[9], buf[:n]}, true
}

func (r *ring) copyIn(at uint64, b []byte) {
	n := copy(r.data[at%r.size():], b)
	copy(r.data[:], b[n:])
}

func (r *ring) copyOut(b []byte, at uint64) {
	n := copy(b, r.data[at%r.size():])
	copy(b[n:], r.data[:])
}
