package media

import (
	"slices"
	"sync"
	"time"

	"tandem/clock"
)

// diskEvery is how long sound waits in a ring before it is written.
const diskEvery = 250 * time.Millisecond

// disk is the one goroutine that writes recordings, so that no worker waits for a file.
type disk struct {
	engine *Engine
	bell   chan struct{}

	mu     sync.Mutex
	list   []*Recording
	closed bool // no recording will come any more
	gone   bool // the goroutine has ended
}

func newDisk(e *Engine) *disk {
	d := &disk{engine: e, bell: make(chan struct{}, 1)}
	e.running.Go(d.run)
	return d
}

func (d *disk) ring() {
	select {
	case d.bell <- struct{}{}:
	default:
	}
}

// filled wakes the goroutine early when a ring has become half full.
func (d *disk) filled(r *ring) {
	if r.head.Load()-r.tail.Load() > r.size()/2 {
		d.ring()
	}
}

// add takes a recording over; false once the goroutine has ended.
func (d *disk) add(r *Recording) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.gone {
		return false
	}
	d.list = append(d.list, r)
	d.ring()
	return true
}

func (d *disk) close() {
	d.mu.Lock()
	d.closed = true
	d.mu.Unlock()
	d.ring()
}

// run drains all rings each diskEvery while there is a recording, and sleeps otherwise.
func (d *disk) run() {
	var timer clock.Timer
	for range d.bell {
		d.drain()
		d.mu.Lock()
		left := len(d.list)
		d.gone = d.closed && left == 0
		over := d.gone
		d.mu.Unlock()
		switch {
		case over:
			return
		case left == 0:
		case timer == nil:
			timer = d.engine.clock.AfterFunc(diskEvery, d.ring)
			defer timer.Stop()
		default:
			timer.Reset(diskEvery)
		}
	}
}

func (d *disk) drain() {
	d.mu.Lock()
	list := slices.Clone(d.list)
	d.mu.Unlock()
	for _, r := range list {
		if r.drain() {
			d.remove(r)
		}
	}
}

func (d *disk) remove(r *Recording) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for i, have := range d.list {
		if have == r {
			d.list = append(d.list[:i], d.list[i+1:]...)
			return
		}
	}
}

// drain writes what has come; true when the recording is over and its file complete.
func (r *Recording) drain() bool {
	r.mu.Lock()
	ended, length, why := r.ended, r.length, r.why
	r.mu.Unlock()
	t := r.tape
	for {
		p, ok := r.ring.take(t.packet[:])
		if !ok {
			break
		}
		t.lay(p)
	}
	if !ended {
		t.write(false)
		if t.err != nil {
			r.stop(recordError)
		}
		return false
	}
	err := t.close(length)
	if err != nil {
		why = recordError
		r.engine.log.Error("media: a recording could not be written", "path", r.path, "error", err)
	}
	r.result = RecordResult{Path: r.path, Seconds: float64(t.written) / float64(r.rate), Why: why,
		Lost: r.lost.Load(), Err: err}
	close(r.done)
	return true
}
