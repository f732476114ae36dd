package media

import (
	"net/netip"
	"sync"

	"tandem/clock"
)

// Memory is a network inside the process, with no delay and no loss: for simulations in
// virtual time. Engines that are to hear each other share one.
type Memory struct {
	mu    sync.RWMutex
	conns map[netip.AddrPort]*memoryConn
	next  uint16
	tap   func(from, to netip.AddrPort, b []byte)
	cut   map[netip.Addr]bool
	bend  func(from, to netip.AddrPort, b []byte) [][]byte
}

// Cut loses every datagram from and to an address from now on.
func (m *Memory) Cut(ip netip.Addr) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.cut == nil {
		m.cut = map[netip.Addr]bool{}
	}
	m.cut[ip] = true
}

// Tap shows every datagram that is sent from now on to f, which must not block, keep b or
// write on it.
func (m *Memory) Tap(f func(from, to netip.AddrPort, b []byte)) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.tap = f
}

// Disturb lets f say what arrives in place of each datagram that is sent from now on: nothing,
// what it kept of others before, both. It must not block or write on b.
func (m *Memory) Disturb(f func(from, to netip.AddrPort, b []byte) [][]byte) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.bend = f
}

// NewMemory makes an empty network.
func NewMemory() *Memory {
	return &Memory{conns: map[netip.AddrPort]*memoryConn{}, next: firstEphemeral}
}

// firstEphemeral is the lowest port handed out for port 0 (RFC 6335 §6).
const firstEphemeral = 49152

func (m *Memory) listen(addr netip.AddrPort) (conn, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if addr.Port() == 0 {
		addr = m.pick(addr.Addr())
	}
	if _, used := m.conns[addr]; used || addr.Port() == 0 {
		return nil, errInUse
	}
	c := &memoryConn{net: m, addr: addr}
	m.conns[addr] = c
	return c, nil
}

func (m *Memory) pick(ip netip.Addr) netip.AddrPort {
	for range 1<<16 - firstEphemeral {
		addr := netip.AddrPortFrom(ip, m.next)
		if m.next++; m.next == 0 {
			m.next = firstEphemeral
		}
		if _, used := m.conns[addr]; !used {
			return addr
		}
	}
	return netip.AddrPort{}
}

func (m *Memory) poller(c clock.Clock) (poller, error) { return newQueuePoller(c), nil }

// find is the socket bound to the address, or to all addresses with that port; the lock is held.
func (m *Memory) find(to netip.AddrPort) *memoryConn {
	if c := m.conns[to]; c != nil {
		return c
	}
	any := netip.IPv4Unspecified()
	if to.Addr().Is6() {
		any = netip.IPv6Unspecified()
	}
	return m.conns[netip.AddrPortFrom(any, to.Port())]
}

type memoryConn struct {
	inbox
	net  *Memory
	addr netip.AddrPort
}

func (c *memoryConn) box() *inbox { return &c.inbox }

func (c *memoryConn) send(b []byte, to netip.AddrPort) error {
	from := c.addr
	if from.Addr().IsUnspecified() {
		from = netip.AddrPortFrom(loopback(from.Addr()), from.Port())
	}
	c.net.mu.RLock()
	peer, tap, bend := c.net.find(to), c.net.tap, c.net.bend
	cut := c.net.cut[from.Addr()] || c.net.cut[to.Addr()]
	c.net.mu.RUnlock()
	if cut {
		return nil
	}
	if tap != nil {
		tap(from, to, b)
	}
	arriving := [][]byte{b}
	if bend != nil {
		arriving = bend(from, to, b)
	}
	for _, b := range arriving {
		if peer != nil {
			peer.push(b, from)
		}
	}
	return nil
}

func loopback(ip netip.Addr) netip.Addr {
	if ip.Is6() {
		return netip.IPv6Loopback()
	}
	return netip.AddrFrom4([4]byte{127, 0, 0, 1})
}

func (c *memoryConn) local() netip.AddrPort { return c.addr }

func (c *memoryConn) close() error {
	c.inbox.close()
	c.net.mu.Lock()
	defer c.net.mu.Unlock()
	delete(c.net.conns, c.addr)
	return nil
}
