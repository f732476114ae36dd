package transport

import (
	"bytes"
	"errors"
	"net/netip"

	"github.com/emiago/sipgo/sip"
)

// Errors that Flow.Send may wrap.
var (
	ErrClosed    = errors.New("connection closed")
	ErrQueueFull = errors.New("write queue full")
	ErrNoFlow    = errors.New("no flow")
)

// Flow is a way to a peer and back: for UDP our socket and the peer's address, for streams the
// connection. It is a comparable value, cheap to copy; the zero Flow is none. No state is kept
// for a UDP peer, so a spoofer cannot make us grow.
type Flow struct {
	link   link
	remote netip.AddrPort // datagrams only
	local  netip.Addr     // the address of ours that a datagram came to, when bound to all
	widens bool
}

// link is what a Flow runs over: a datagram socket, a connection or the loop.
type link interface {
	layer() *Layer
	proto() Proto
	localAddr() netip.AddrPort
	remoteAddr() netip.AddrPort
	alive() bool
	write(f Flow, b []byte) error
}

// IsZero tells whether f is no flow at all.
func (f Flow) IsZero() bool { return f.link == nil }

// Proto is the flow's protocol; that of a loop is TCP.
func (f Flow) Proto() Proto {
	if f.link == nil {
		return ""
	}
	return f.link.proto()
}

// Reliable tells whether what is sent either arrives or the flow dies.
func (f Flow) Reliable() bool { return f.link != nil && f.link.proto().Reliable() }

// Remote is the peer's address.
func (f Flow) Remote() netip.AddrPort {
	if f.link == nil || f.remote.IsValid() {
		return f.remote
	}
	return f.link.remoteAddr()
}

// Local is our address on the flow; its IP is unspecified when the socket is bound to all
// addresses and the flow began with us.
func (f Flow) Local() netip.AddrPort {
	if f.link == nil {
		return netip.AddrPort{}
	}
	l := f.link.localAddr()
	if f.local.IsValid() {
		return netip.AddrPortFrom(f.local, l.Port())
	}
	return l
}

// Alive tells whether the flow can still carry messages. A UDP flow lives as long as its socket.
func (f Flow) Alive() bool { return f.link != nil && f.link.alive() }

// IsLoop tells whether the flow leads back to ourselves (see Layer.Loop).
func (f Flow) IsLoop() bool {
	_, ok := f.link.(*loop)
	return ok
}

// String is for logs: "udp 127.0.0.1:5060 to 127.0.0.1:40000".
func (f Flow) String() string {
	if f.link == nil {
		return "none"
	}
	if f.IsLoop() {
		return "loop"
	}
	return string(f.Proto()) + " " + f.Local().String() + " to " + f.Remote().String()
}

// Send writes a message out as Encode gives it. It never waits for the peer: on a stream the
// message joins a bounded queue, and a full queue is an error that ends the connection.
func (f Flow) Send(msg sip.Message) error { return f.Write(Encode(msg)) }

// Write sends an encoded message, as Send does. The bytes must not be changed afterwards.
func (f Flow) Write(b []byte) error {
	if f.link == nil {
		return ErrNoFlow
	}
	l := f.link.layer()
	if tap := l.tap.Load(); tap != nil { // before an answer can come
		(*tap)(Out, f, b)
	}
	if err := f.link.write(f, b); err != nil {
		l.counts.sendErrors.Add(1)
		return err
	}
	l.counts.sent.Add(1)
	l.counts.tx.encoded(b)
	return nil
}

// Encode is the message as it goes over the wire. It adds a missing Content-Length to msg
// (RFC 3261 §20.14: a stream's framing lives by it).
func Encode(msg sip.Message) []byte {
	if msg.ContentLength() == nil {
		msg.SetBody(msg.Body())
	}
	var b bytes.Buffer
	b.Grow(1024 + len(msg.Body()))
	msg.StringWrite(&b)
	return bytes.Clone(b.Bytes()) // kept for resending, so no longer than it need be
}
