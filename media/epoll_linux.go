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

// Epoll is the backend of choice on Linux: raw non-blocking sockets, a level-triggered
// epoll descriptor a worker, which itself waits in the runtime's netpoller.
func Epoll() Backend { return epollBackend{} }

func defaultBackend() Backend { return Epoll() }

type epollBackend struct{}

func (epollBackend) listen(addr netip.AddrPort) (conn, error) { return listenRaw(addr) }

func (epollBackend) poller(clock.Clock) (poller, error) {
	fd, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("media: epoll_create: %w", err)
	}
	wake, err := unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK)
	if err != nil {
		unix.Close(fd)
		return nil, fmt.Errorf("media: eventfd: %w", err)
	}
	p := &epollPoller{fd: fd, eventfd: wake}
	if err := p.start(); err != nil {
		unix.Close(wake)
		unix.Close(fd)
		return nil, err
	}
	return p, nil
}

// wakeSlot is the epoll data of the eventfd; sockets have their slot's index.
const wakeSlot = -1

type epollPoller struct {
	fd      int
	file    *os.File // owns fd; puts it into the runtime's netpoller
	raw     syscall.RawConn
	eventfd int
	woken   atomic.Bool // the eventfd has been written and not yet read

	slots    []*socket
	free     []int
	events   [256]unix.EpollEvent
	n        int
	deadline time.Time
	poll     func(fd uintptr) bool // made once: a closure a wait would allocate
}

func (p *epollPoller) start() error {
	ev := unix.EpollEvent{Events: unix.EPOLLIN, Fd: wakeSlot}
	if err := unix.EpollCtl(p.fd, unix.EPOLL_CTL_ADD, p.eventfd, &ev); err != nil {
		return fmt.Errorf("media: epoll_ctl: %w", err)
	}
	// os.NewFile hands only non-blocking descriptors to the netpoller.
	if err := unix.SetNonblock(p.fd, true); err != nil {
		return fmt.Errorf("media: epoll descriptor: %w", err)
	}
	file := os.NewFile(uintptr(p.fd), "media-epoll")
	raw, err := file.SyscallConn()
	if err == nil {
		err = file.SetReadDeadline(time.Time{}) // fails when the netpoller has refused it
	}
	if err != nil {
		return fmt.Errorf("media: epoll descriptor: %w", err)
	}
	p.file, p.raw, p.poll = file, raw, p.collect
	return nil
}

// collect asks the kernel without waiting; false lets RawConn.Read park the goroutine.
func (p *epollPoller) collect(fd uintptr) bool {
	for {
		n, _, errno := unix.RawSyscall6(unix.SYS_EPOLL_PWAIT, fd,
			uintptr(unsafe.Pointer(&p.events[0])), uintptr(len(p.events)), 0, 0, 0)
		if errno == unix.EINTR {
			continue
		}
		p.n = 0
		if errno == 0 {
			p.n = int(n)
		}
		return p.n > 0
	}
}

func (p *epollPoller) wait(until time.Time, ready []*socket) []*socket {
	if !until.Equal(p.deadline) {
		p.deadline = until
		p.file.SetReadDeadline(until) // fails only after close, when Read fails too
	}
	p.n = 0
	if err := p.raw.Read(p.poll); err != nil {
		// The time is up: what came meanwhile must not wait for the next round.
		p.collect(uintptr(p.fd))
	}
	for _, ev := range p.events[:p.n] {
		if ev.Fd == wakeSlot {
			p.drain()
			continue
		}
		if s := p.slots[ev.Fd]; s != nil {
			ready = append(ready, s)
		}
	}
	return ready
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
	ev := unix.EpollEvent{Events: unix.EPOLLIN, Fd: int32(s.slot)}
	if err := unix.EpollCtl(p.fd, unix.EPOLL_CTL_ADD, s.conn.(*rawConn).fd, &ev); err != nil {
		p.release(s)
		return fmt.Errorf("media: epoll_ctl: %w", err)
	}
	return nil
}

func (p *epollPoller) remove(s *socket) {
	unix.EpollCtl(p.fd, unix.EPOLL_CTL_DEL, s.conn.(*rawConn).fd, nil)
	p.release(s)
}

func (p *epollPoller) release(s *socket) {
	p.slots[s.slot] = nil
	p.free = append(p.free, s.slot)
}

func (p *epollPoller) close() error {
	return errors.Join(p.file.Close(), unix.Close(p.eventfd))
}
