package sim

import (
	"errors"
	"runtime"
	"runtime/metrics"
	"time"
)

// errRestless says that something in the process runs all the time.
var errRestless = errors.New("the simulation does not come to rest: a script, or something it has begun, runs without end")

const (
	// quietReads is how many readings in a row must show that nothing runs: one alone may miss
	// a goroutine that changes its processor while the queues are read.
	quietReads = 3
	restLimit  = time.Minute
	// stuckLimit is when a system call counts as one that never ends.
	stuckLimit = 3 * time.Second
)

// stillness tells when every goroutine of the process waits: then nothing can happen before
// the clock is moved. It asks the runtime itself, so nothing of what is simulated needs to
// report anything. Nobody else in the process may be at work meanwhile.
type stillness struct {
	samples []metrics.Sample
	outside uint64 // goroutines that are always in a system call, such as the one for signals
}

func newStillness() *stillness {
	s := &stillness{samples: []metrics.Sample{
		{Name: "/sched/goroutines/running:goroutines"},
		{Name: "/sched/goroutines/runnable:goroutines"},
		{Name: "/sched/goroutines/not-in-go:goroutines"},
	}}
	s.outside = ^uint64(0)
	for range 20 {
		runtime.Gosched()
		if _, _, outside := s.read(); outside < s.outside {
			s.outside = outside
		}
	}
	return s
}

func (s *stillness) read() (running, runnable, outside uint64) {
	metrics.Read(s.samples)
	return s.samples[0].Value.Uint64(), s.samples[1].Value.Uint64(), s.samples[2].Value.Uint64()
}

// wait returns when only its caller runs.
func (s *stillness) wait() error {
	began, stuck := time.Time{}, time.Time{} // of waiting; since when only system calls go on
	last := uint64(0)
	for quiet, turns := 0, 1; quiet < quietReads; turns++ {
		runtime.Gosched()
		running, runnable, outside := s.read()
		idle := running <= 1 && runnable == 0
		if idle && outside <= s.outside {
			quiet++
			continue
		}
		quiet = 0
		if turns%256 != 0 {
			continue
		}
		now := time.Now()
		if began.IsZero() {
			began = now
		}
		if !idle || outside != last {
			stuck, last = now, outside
		}
		switch {
		case idle && now.Sub(stuck) > stuckLimit:
			s.outside = outside
		case now.Sub(began) > restLimit:
			return errRestless
		}
		time.Sleep(50 * time.Microsecond) // of the machine: something has long work to do
	}
	return nil
}
