package media

import (
	"sync"
	"sync/atomic"
)

// chunkMs is how much of a track is encoded in one go.
const chunkMs = 200

// track is a source encoded in one format. It is shared by all who play it, grows while
// the pool encodes it and never changes behind that.
type track struct {
	length  atomic.Int64 // payload bytes in all
	ready   atomic.Int64 // of them encoded
	endless bool         // goes on at again when it has come to its end
	again   int
	data    []byte // nil: silence

	mu      sync.Mutex
	produce func(dst []byte) int // encodes what comes next; less than asked is the end
	chunk   int
	queued  bool // the pool's
}

// newTrack makes a track of length bytes that produce fills in order.
func newTrack(f *format, length int, produce func(dst []byte) int) *track {
	length = f.whole(length)
	t := &track{data: make([]byte, length), produce: produce, chunk: chunkMs * f.perMs}
	t.length.Store(int64(length))
	return t
}

// silentTrack is length bytes of silence.
func silentTrack(length int) *track {
	t := &track{}
	t.length.Store(int64(length))
	t.ready.Store(int64(length))
	return t
}

// read copies what stands at pos, counted in bytes; ready is false if that is still to be
// encoded. It takes no lock.
func (t *track) read(dst []byte, pos int, f *format) (n int, ended, ready bool) {
	avail, length := int(t.ready.Load()), int(t.length.Load())
	if length == 0 {
		return 0, true, true
	}
	if t.endless && pos >= length {
		pos = t.again + (pos-t.again)%(length-t.again)
	}
	if t.data == nil {
		n = min(len(dst), length-pos)
		f.hush(dst[:n])
	} else if pos < avail {
		n = copy(dst, t.data[pos:avail])
	}
	ended = !t.endless && pos+n >= length
	return n, ended, n > 0 || ended
}

// encodeChunk encodes a little more; false when all is done. Any goroutine but a worker
// may call it.
func (t *track) encodeChunk() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.produce == nil {
		return false
	}
	from := int(t.ready.Load())
	to := min(from+t.chunk, len(t.data))
	n := t.produce(t.data[from:to])
	if n < to-from {
		t.length.Store(int64(from + n))
	}
	t.ready.Store(int64(from + n))
	if n < to-from || to == len(t.data) {
		t.produce = nil
	}
	return t.produce != nil
}

// encoder is the pool that encodes tracks ahead of those who play them.
type encoder struct {
	engine *Engine
	mu     sync.Mutex
	more   *sync.Cond
	queue  []*track
	closed bool
}

func newEncoder(e *Engine, goroutines int) *encoder {
	p := &encoder{engine: e}
	p.more = sync.NewCond(&p.mu)
	for range goroutines {
		e.running.Go(p.run)
	}
	return p
}

// want has the rest of a track encoded. It does not wait.
func (p *encoder) want(t *track) {
	if t.ready.Load() == t.length.Load() {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if !t.queued && !p.closed {
		t.queued = true
		p.queue = append(p.queue, t)
		p.more.Signal()
	}
}

// run encodes the tracks a chunk at a time, in turn: long music must not hold up a prompt.
func (p *encoder) run() {
	for {
		p.mu.Lock()
		for len(p.queue) == 0 && !p.closed {
			p.more.Wait()
		}
		if p.closed {
			p.mu.Unlock()
			return
		}
		t := p.queue[0]
		p.queue = append(p.queue[:0], p.queue[1:]...)
		p.mu.Unlock()
		again := t.encodeChunk()
		p.mu.Lock()
		if again {
			p.queue = append(p.queue, t)
		} else {
			t.queued = false
		}
		p.mu.Unlock()
	}
}

func (p *encoder) close() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.closed = true
	p.more.Broadcast()
}
