package transport

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"sync"
	"syscall"
	"time"
)

// Memory is a network inside the process, for tests and simulations: datagrams and streams
// between the addresses bound on it. It starts no goroutine, and all that waits does so on
// channels, so it works within testing/synctest.
type Memory struct {
	mu        sync.Mutex
	packets   map[netip.AddrPort]*memPacket
	listeners map[netip.AddrPort]*memListener
	port      uint16
	hook      func(Datagram) Verdict
}

// Datagram is what a Memory's hook decides about.
type Datagram struct {
	From, To netip.AddrPort
	Data     []byte // not to be changed or kept
}

// Verdict is the fate of a datagram: lost, sent again, late, or simply delivered.
type Verdict struct {
	Drop  bool
	Twice bool
	Delay time.Duration // late datagrams are overtaken by later ones
}

// NewMemory makes an empty network. Binding the unspecified address binds loopback.
func NewMemory() *Memory {
	return &Memory{
		packets:   map[netip.AddrPort]*memPacket{},
		listeners: map[netip.AddrPort]*memListener{},
		port:      40_000,
	}
}

// SetHook makes hook decide over each datagram from now on; nil delivers all. It is called by
// many goroutines at once.
func (m *Memory) SetHook(hook func(Datagram) Verdict) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.hook = hook
}

// ListenPacket implements Network.
func (m *Memory) ListenPacket(addr netip.AddrPort) (net.PacketConn, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	addr, err := m.bind("udp", addr, func(a netip.AddrPort) bool { return m.packets[a] != nil })
	if err != nil {
		return nil, err
	}
	p := &memPacket{m: m, addr: addr, in: make(chan memDatagram, memBacklog), done: make(chan struct{}), deadline: newDeadline()}
	m.packets[addr] = p
	return p, nil
}

// DialPacket implements Network.
func (m *Memory) DialPacket(remote netip.AddrPort) (net.Conn, error) {
	pc, err := m.ListenPacket(netip.AddrPortFrom(loopbackLike(remote.Addr()), 0))
	if err != nil {
		return nil, err
	}
	return &memPacketConn{pc.(*memPacket), remote}, nil
}

// Send delivers a datagram as if it came from any address at all, bound or not.
func (m *Memory) Send(from, to netip.AddrPort, data []byte) {
	m.deliver(to, memDatagram{from, append([]byte(nil), data...)})
}

// Listen implements Network.
func (m *Memory) Listen(addr netip.AddrPort) (net.Listener, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	addr, err := m.bind("tcp", addr, func(a netip.AddrPort) bool { return m.listeners[a] != nil })
	if err != nil {
		return nil, err
	}
	l := &memListener{m: m, addr: addr, in: make(chan net.Conn, memBacklog), done: make(chan struct{})}
	m.listeners[addr] = l
	return l, nil
}

// Dial implements Network.
func (m *Memory) Dial(ctx context.Context, local netip.Addr, remote netip.AddrPort) (net.Conn, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	l := m.listeners[remote]
	if l == nil {
		return nil, &net.OpError{Op: "dial", Net: "tcp", Addr: net.TCPAddrFromAddrPort(remote), Err: syscall.ECONNREFUSED}
	}
	if !local.IsValid() {
		local = loopbackLike(remote.Addr())
	}
	m.port++
	near := netip.AddrPortFrom(local, m.port)
	a, b := newMemConns(near, remote)
	select {
	case l.in <- b:
		return a, nil
	default:
		return nil, &net.OpError{Op: "dial", Net: "tcp", Addr: net.TCPAddrFromAddrPort(remote), Err: syscall.ECONNREFUSED}
	}
}

// Route implements Network: everything leaves from loopback.
func (m *Memory) Route(remote netip.AddrPort) (netip.Addr, error) {
	return loopbackLike(remote.Addr()), nil
}

// Addrs implements Network.
func (m *Memory) Addrs() ([]netip.Addr, error) {
	return []netip.Addr{netip.AddrFrom4([4]byte{127, 0, 0, 1}), netip.IPv6Loopback()}, nil
}

func loopbackLike(a netip.Addr) netip.Addr {
	if a.Is4() {
		return netip.AddrFrom4([4]byte{127, 0, 0, 1})
	}
	return netip.IPv6Loopback()
}

// bind settles the address; the caller holds the lock.
func (m *Memory) bind(network string, addr netip.AddrPort, taken func(netip.AddrPort) bool) (netip.AddrPort, error) {
	ip := addr.Addr().Unmap()
	if ip.IsUnspecified() {
		ip = loopbackLike(ip)
	}
	if addr.Port() != 0 {
		addr = netip.AddrPortFrom(ip, addr.Port())
		if taken(addr) {
			return addr, &net.OpError{Op: "listen", Net: network, Err: os.NewSyscallError("bind", syscall.EADDRINUSE)}
		}
		return addr, nil
	}
	for range 20_000 {
		m.port++
		if m.port < 10_000 {
			m.port = 10_000
		}
		if a := netip.AddrPortFrom(ip, m.port); !taken(a) {
			return a, nil
		}
	}
	return addr, fmt.Errorf("listen %s: no free port", network)
}

const memBacklog = 4096

type memDatagram struct {
	from netip.AddrPort
	data []byte
}

// memPacket is a bound datagram socket. Like a real one it loses what does not fit its buffer.
type memPacket struct {
	m        *Memory
	addr     netip.AddrPort
	in       chan memDatagram
	done     chan struct{}
	once     sync.Once
	deadline *deadline
}

func (p *memPacket) ReadFrom(b []byte) (int, net.Addr, error) {
	late := p.deadline.wait()
	select {
	case d := <-p.in:
		return copy(b, d.data), net.UDPAddrFromAddrPort(d.from), nil
	case <-p.done:
		return 0, nil, net.ErrClosed
	case <-late:
		return 0, nil, os.ErrDeadlineExceeded
	}
}

func (p *memPacket) WriteTo(b []byte, to net.Addr) (int, error) {
	select {
	case <-p.done:
		return 0, net.ErrClosed
	default:
	}
	if len(b) > 65507 {
		return 0, syscall.EMSGSIZE
	}
	dest := addrPort(to)
	p.m.mu.Lock()
	hook := p.m.hook
	p.m.mu.Unlock()
	d := memDatagram{p.addr, append([]byte(nil), b...)}
	var v Verdict
	if hook != nil {
		v = hook(Datagram{p.addr, dest, d.data})
	}
	if v.Drop {
		return len(b), nil
	}
	if v.Delay > 0 {
		time.AfterFunc(v.Delay, func() { p.m.deliver(dest, d) })
	} else {
		p.m.deliver(dest, d)
	}
	if v.Twice {
		p.m.deliver(dest, d)
	}
	return len(b), nil
}

func (m *Memory) deliver(to netip.AddrPort, d memDatagram) {
	m.mu.Lock()
	p := m.packets[to]
	m.mu.Unlock()
	if p == nil {
		return
	}
	select {
	case p.in <- d:
	default:
	}
}

func (p *memPacket) Close() error {
	p.once.Do(func() {
		close(p.done)
		p.m.mu.Lock()
		delete(p.m.packets, p.addr)
		p.m.mu.Unlock()
	})
	return nil
}

func (p *memPacket) LocalAddr() net.Addr                { return net.UDPAddrFromAddrPort(p.addr) }
func (p *memPacket) SetDeadline(t time.Time) error      { return p.SetReadDeadline(t) }
func (p *memPacket) SetReadDeadline(t time.Time) error  { p.deadline.set(t); return nil }
func (p *memPacket) SetWriteDeadline(t time.Time) error { return nil }

// memPacketConn is a datagram socket that exchanges with one address.
type memPacketConn struct {
	*memPacket
	remote netip.AddrPort
}

func (c *memPacketConn) Read(b []byte) (int, error) {
	for {
		n, from, err := c.ReadFrom(b)
		if err != nil || addrPort(from) == c.remote {
			return n, err
		}
	}
}

func (c *memPacketConn) Write(b []byte) (int, error) {
	return c.WriteTo(b, net.UDPAddrFromAddrPort(c.remote))
}

func (c *memPacketConn) RemoteAddr() net.Addr { return net.UDPAddrFromAddrPort(c.remote) }

type memListener struct {
	m    *Memory
	addr netip.AddrPort
	in   chan net.Conn
	done chan struct{}
	once sync.Once
}

func (l *memListener) Accept() (net.Conn, error) {
	select {
	case c := <-l.in:
		return c, nil
	case <-l.done:
		return nil, net.ErrClosed
	}
}

func (l *memListener) Addr() net.Addr { return net.TCPAddrFromAddrPort(l.addr) }

func (l *memListener) Close() error {
	l.once.Do(func() {
		l.m.mu.Lock()
		delete(l.m.listeners, l.addr)
		l.m.mu.Unlock()
		close(l.done)
		for {
			select {
			case c := <-l.in:
				c.Close()
			default:
				return
			}
		}
	})
	return nil
}

var errBrokenPipe = errors.New("broken pipe")
