package transport

import (
	"errors"
	"net"
	"net/netip"
	"strings"
	"sync/atomic"
	"time"
)

// maxDatagram is the largest UDP payload.
const maxDatagram = 65535

// socket is one bound UDP address.
type socket struct {
	l      *Layer
	pc     net.PacketConn
	local  netip.AddrPort
	reader reader
	closed atomic.Bool
	buffer int // bytes the kernel gave for reading; 0 when it has no say
}

// reader takes datagrams from a socket. deliver must be done with b when it returns.
type reader interface {
	read(deliver func(b []byte, from netip.AddrPort, to netip.Addr)) error
	write(b []byte, to netip.AddrPort, from netip.Addr) error
}

func (l *Layer) bindUDP(e Endpoint) error {
	pc, err := l.o.Network.ListenPacket(e.Addr)
	if err != nil {
		return err
	}
	s := &socket{l: l, pc: pc, local: addrPort(pc.LocalAddr())}
	if udp, ok := pc.(*net.UDPConn); ok {
		s.buffer = setBuffers(udp)
		s.reader = newReader(udp, s.local.Addr())
	} else {
		s.reader = plainReader{pc}
	}
	l.sockets = append(l.sockets, s)
	l.endpoints = append(l.endpoints, Endpoint{UDP, s.local})
	return nil
}

func (s *socket) serve() {
	pause := time.Millisecond
	for {
		err := s.reader.read(s.receive)
		if s.closed.Load() || errors.Is(err, net.ErrClosed) {
			return
		}
		if err == nil {
			pause = time.Millisecond
			continue
		}
		// An ICMP error or a lack of memory passes; the listener must live on.
		if s.l.quiet.allow() {
			s.l.o.Log.Warn("sip: read failed", "listener", s.local, "err", err)
		}
		time.Sleep(pause)
		pause = min(2*pause, time.Second)
	}
}

func (s *socket) receive(b []byte, from netip.AddrPort, to netip.Addr) {
	// RFC 5626 §4.4.1 keeps UDP bindings open with STUN, but phones also send empty lines or zeros.
	if len(b) <= 8 && strings.Trim(string(b), "\r\n\x00 ") == "" {
		return
	}
	from = netip.AddrPortFrom(from.Addr().Unmap(), from.Port())
	s.l.receive(Flow{link: s, remote: from, local: to}, b)
}

func (s *socket) layer() *Layer              { return s.l }
func (s *socket) proto() Proto               { return UDP }
func (s *socket) localAddr() netip.AddrPort  { return s.local }
func (s *socket) remoteAddr() netip.AddrPort { return netip.AddrPort{} }
func (s *socket) alive() bool                { return !s.closed.Load() }

func (s *socket) write(f Flow, b []byte) error {
	if s.closed.Load() {
		return ErrClosed
	}
	return s.reader.write(b, f.remote, f.local)
}

func (s *socket) close() {
	s.closed.Store(true)
	s.pc.Close()
}

// plainReader reads any net.PacketConn, one datagram at a time.
type plainReader struct{ pc net.PacketConn }

func (r plainReader) read(deliver func([]byte, netip.AddrPort, netip.Addr)) error {
	buf := make([]byte, maxDatagram)
	for {
		n, from, err := r.pc.ReadFrom(buf)
		if err != nil {
			return err
		}
		deliver(buf[:n], addrPort(from), netip.Addr{})
	}
}

func (r plainReader) write(b []byte, to netip.AddrPort, _ netip.Addr) error {
	_, err := r.pc.WriteTo(b, net.UDPAddrFromAddrPort(to))
	return err
}

// warnBuffers says once when the kernel gave less than we asked for: a burst of calls then
// loses datagrams, and every loss costs its call half a second.
func (l *Layer) warnBuffers() {
	for _, s := range l.sockets {
		if s.buffer > 0 && s.buffer < wantBuffer {
			l.o.Log.Warn("sip: small UDP receive buffer; allow more with: sysctl -w net.core.rmem_max=4194304",
				"bytes", s.buffer, "wanted", wantBuffer)
			return
		}
	}
}

// ReadBuffer is the smallest receive buffer of the UDP sockets in bytes, 0 when unknown.
func (l *Layer) ReadBuffer() int {
	least := 0
	for _, s := range l.sockets {
		if least == 0 || s.buffer < least {
			least = s.buffer
		}
	}
	return least
}
