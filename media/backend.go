package media

import (
	"errors"
	"net/netip"
	"time"

	"tandem/clock"
)

// Backend is where the engine's UDP sockets come from: Epoll, Sockets or a Memory.
type Backend interface {
	// listen binds a UDP socket. Port 0 takes a free one.
	listen(addr netip.AddrPort) (conn, error)
	// poller makes what one worker waits on.
	poller(c clock.Clock) (poller, error)
}

// conn is a UDP socket that never blocks. Only its worker calls recv, send and close;
// listen and the worker's start order the rest.
type conn interface {
	// recv takes one waiting datagram, errAgain when there is none. Longer ones are cut to b.
	recv(b []byte) (n int, from netip.AddrPort, err error)
	send(b []byte, to netip.AddrPort) error
	local() netip.AddrPort
	close() error
}

// poller tells one worker which sockets have datagrams. It is level-triggered: a socket
// comes up again as long as something waits in it. All but wake belong to the worker.
type poller interface {
	add(s *socket) error
	remove(s *socket)
	// wait appends the sockets that can be read to ready. It returns when there is one,
	// after wake, or at until (the zero time: never).
	wait(until time.Time, ready []*socket) []*socket
	// wake ends the current or the next wait; any goroutine may call it.
	wake()
	close() error
}

// socket is one UDP port of a stream as its worker sees it.
type socket struct {
	conn   conn
	stream *stream
	rtcp   bool
	slot   int // the poller's
	closed bool
}

var (
	errAgain  = errors.New("media: nothing to read")
	errInUse  = errors.New("media: address in use")
	errClosed = errors.New("media: socket closed")
)
