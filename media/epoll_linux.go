package media

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"sync/atomic"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"tandem/clock"
)

// Epoll is the backend of choice on Linux: raw non-blocking sockets and a level-triggered
// epoll descriptor a worker, which is waited for in the runtime's netpoller.
func Epoll() Backend { return epollBackend{} }

func defaultBackend() Backend { return Epoll() }

type epollBackend struct{}

func (epollBackend) listen(addr netip.AddrPort) (conn, error) { return listenRaw(addr) }

func (epollBackend) poller(clock.Clock) (poller, error) {
	p := &epollPoller{fd: -1, gate: -1, eventfd: -1, alarm: -1, nap: -1}
	var err error
	if p.fd, err = unix.EpollCreate1(unix.EPOLL_CLOEXEC); err == nil {
		p.gate, err = unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	}
	if err == nil {
		p.eventfd, err = unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK)
	}
	if err == nil {
		p.alarm, err = unix.TimerfdCreate(unix.CLOCK_MONOTONIC, unix.TFD_CLOEXEC|unix.TFD_NONBLOCK)
	}
	if err == nil {
		p.nap, err = unix.TimerfdCreate(unix.CLOCK_MONOTONIC, unix.TFD_CLOEXEC|unix.TFD_NONBLOCK)
	}
	if err != nil {
		err = fmt.Errorf("media: epoll: %w", err)
	} else {
		err = p.start()
	}
	if err != nil {
		for _, fd := range []int{p.fd, p.gate, p.eventfd, p.alarm, p.nap} {
			unix.Close(fd) // those that were not made are -1, which is refused
		}
		return nil, err
	}
	return p, nil
}

// What the entries of the epoll descriptors are; sockets have their slot's index.
const (
	wakeEntry  = -1
	alarmEntry = -2
	doorEntry  = -3
	napEntry   = -4
)

// epollPoller has its sockets, an eventfd and a timerfd in one epoll descriptor. To park it
// waits in the runtime's netpoller on another, the gate. One entry of that, the door, is the
// first descriptor, and shuts when it has been seen through; the other is a timer.
//
// To wake a worker costs the scheduler as much as several packets. So when packets come
// faster than napBusy, the worker leaves the door shut and naps: what comes within napTime
// waits in the sockets and is taken at once. Nothing waits longer than that.
//
// Deadlines go by the timerfd and not by time-outs of the waits: setting and clearing the
// hardware's timer at each wake-up costs as much as several packets on a virtual machine.
type epollPoller struct {
	fd      int
	gate    int
	file    *os.File // owns gate; puts it into the runtime's netpoller
	raw     syscall.RawConn
	eventfd int
	alarm   int         // the timerfd
	woken   atomic.Bool // the eventfd has been written and not yet read

	slots    []*socket
	free     []int
	events   [256]unix.EpollEvent
	in       source
	warmth   uint64                // so that the compiler keeps the loads of warm
	nap      int                   // the timerfd that ends a nap
	napping  bool                  // packets come so fast that it pays
	quick    int                   // waits in a row that were short
	last     time.Time             // end of the last wait
	deadline time.Time             // of the alarm
	poll     func(fd uintptr) bool // made once: a closure a wait would allocate
}

func (p *epollPoller) start() error {
	for _, e := range []struct {
		in, fd int
		entry  int32
		events uint32
	}{
		{p.fd, p.eventfd, wakeEntry, unix.EPOLLIN},
		{p.fd, p.alarm, alarmEntry, unix.EPOLLIN | unix.EPOLLET}, // it is never read
		{p.gate, p.fd, doorEntry, doorEvents},
		{p.gate, p.nap, napEntry, unix.EPOLLIN | unix.EPOLLET}, // nor is this
	} {
		ev := unix.EpollEvent{Events: e.events, Fd: e.entry}
		if err := unix.EpollCtl(e.in, unix.EPOLL_CTL_ADD, e.fd, &ev); err != nil {
			return fmt.Errorf("media: epoll_ctl: %w", err)
		}
	}
	// os.NewFile hands only non-blocking descriptors to the netpoller.
	if err := unix.SetNonblock(p.gate, true); err != nil {
		return fmt.Errorf("media: epoll descriptor: %w", err)
	}
	file := os.NewFile(uintptr(p.gate), "media-epoll")
	raw, err := file.SyscallConn()
	if err == nil {
		err = file.SetReadDeadline(time.Time{}) // fails when the netpoller has refused it
	}
	if err != nil {
		return fmt.Errorf("media: epoll descriptor: %w", err)
	}
	p.file, p.raw, p.poll = file, raw, p.seeThrough
	return nil
}

const doorEvents = unix.EPOLLIN | unix.EPOLLONESHOT

// seeThrough looks through the door without waiting and so shuts it; false lets
// RawConn.Read park the goroutine.
func (p *epollPoller) seeThrough(gate uintptr) bool {
	var door [1]unix.EpollEvent
	n, _, errno := unix.RawSyscall6(unix.SYS_EPOLL_PWAIT, gate, uintptr(unsafe.Pointer(&door[0])), 1, 0, 0, 0)
	return errno == 0 && n > 0
}

func (p *epollPoller) wait(until time.Time, ready []*socket) []*socket {
	p.setAlarm(until)
	p.park()
	n := p.collect()
	p.pace(time.Now(), n)
	for _, ev := range p.events[:n] {
		switch {
		case ev.Fd == wakeEntry:
			p.drain()
		case ev.Fd >= 0 && p.slots[ev.Fd] != nil:
			s := p.slots[ev.Fd]
			ready = append(ready, s)
			p.warmth += s.stream.warm() + uint64(s.conn.(*rawConn).fd)
		}
	}
	return ready
}

// setAlarm lets the timerfd end a wait at until.
func (p *epollPoller) setAlarm(until time.Time) {
	if until.Equal(p.deadline) {
		return
	}
	p.deadline = until
	var at unix.ItimerSpec // zero: none
	if !until.IsZero() {
		at.Value = unix.NsecToTimespec(int64(max(1, time.Until(until))))
	}
	unix.TimerfdSettime(p.alarm, 0, &at, nil) // a timerfd of ours and a valid time: it cannot fail
}

// What makes a worker nap, and for how long.
const (
	napTime  = 1500 * time.Microsecond
	napBusy  = time.Millisecond // between the ends of two waits
	napAfter = 16               // so many short waits in a row
	napLeast = 3                // packets that a nap must bring to be worth it
)

// park waits in the runtime's netpoller until something is ready, or for a nap.
func (p *epollPoller) park() {
	if p.napping {
		nap := unix.ItimerSpec{Value: unix.NsecToTimespec(int64(napTime))}
		unix.TimerfdSettime(p.nap, 0, &nap, nil) // as in setAlarm: it cannot fail
	} else {
		door := unix.EpollEvent{Events: doorEvents, Fd: doorEntry}
		unix.EpollCtl(p.gate, unix.EPOLL_CTL_MOD, p.fd, &door) // both are ours and open: it cannot fail
	}
	p.raw.Read(p.poll) // fails only after close
}

// pace decides whether the next wait is a nap: n is what the last one, which ended
// now, has brought.
func (p *epollPoller) pace(now time.Time, n int) {
	short := now.Sub(p.last) < napBusy
	p.last = now
	switch {
	case p.napping:
		p.napping = n >= napLeast
		p.quick = 0
	case short:
		p.quick++
		p.napping = p.quick >= napAfter
	default:
		p.quick = 0
	}
}

// collect asks the kernel what is ready.
func (p *epollPoller) collect() int {
	n, _, errno := unix.RawSyscall6(unix.SYS_EPOLL_PWAIT, uintptr(p.fd),
		uintptr(unsafe.Pointer(&p.events[0])), uintptr(len(p.events)), 0, 0, 0)
	if errno != 0 {
		return 0
	}
	return int(n)
}

func (p *epollPoller) drain() {
	var b [8]byte
	unix.Read(p.eventfd, b[:])
	p.woken.Store(false)
}

func (p *epollPoller) wake() {
	if p.woken.CompareAndSwap(false, true) {
		var one [8]byte
		binary.NativeEndian.PutUint64(one[:], 1)
		unix.Write(p.eventfd, one[:])
	}
}

func (p *epollPoller) add(s *socket) error {
	if n := len(p.free); n > 0 {
		s.slot, p.free = p.free[n-1], p.free[:n-1]
	} else {
		s.slot = len(p.slots)
		p.slots = append(p.slots, nil)
	}
	p.slots[s.slot] = s
	c := s.conn.(*rawConn)
	c.in = &p.in
	ev := unix.EpollEvent{Events: unix.EPOLLIN, Fd: int32(s.slot)}
	if err := unix.EpollCtl(p.fd, unix.EPOLL_CTL_ADD, int(c.fd), &ev); err != nil {
		p.release(s)
		return fmt.Errorf("media: epoll_ctl: %w", err)
	}
	return nil
}

func (p *epollPoller) remove(s *socket) {
	unix.EpollCtl(p.fd, unix.EPOLL_CTL_DEL, int(s.conn.(*rawConn).fd), nil)
	p.release(s)
}

func (p *epollPoller) release(s *socket) {
	p.slots[s.slot] = nil
	p.free = append(p.free, s.slot)
}

func (p *epollPoller) close() error {
	return errors.Join(p.file.Close(), unix.Close(p.fd), unix.Close(p.eventfd), unix.Close(p.alarm), unix.Close(p.nap))
}
