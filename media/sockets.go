package media

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"syscall"

	"tandem/clock"
)

// Sockets is the portable backend: a net.UDPConn and a reading goroutine a socket. It
// costs nearly twice what Epoll does.
func Sockets() Backend { return socketBackend{} }

type socketBackend struct{}

func (socketBackend) listen(addr netip.AddrPort) (conn, error) {
	network := "udp4"
	if addr.Addr().Is6() {
		network = "udp6"
	}
	udp, err := net.ListenUDP(network, net.UDPAddrFromAddrPort(addr))
	if errors.Is(err, syscall.EADDRINUSE) {
		return nil, errInUse
	}
	if err != nil {
		return nil, fmt.Errorf("media: %w", err)
	}
	port := uint16(udp.LocalAddr().(*net.UDPAddr).Port)
	c := &udpConn{udp: udp, addr: netip.AddrPortFrom(addr.Addr(), port), done: make(chan struct{})}
	go c.read()
	return c, nil
}

func (socketBackend) poller(c clock.Clock) (poller, error) { return newQueuePoller(c), nil }

type udpConn struct {
	inbox
	udp  *net.UDPConn
	addr netip.AddrPort
	done chan struct{}
}

func (c *udpConn) read() {
	defer close(c.done)
	b := make([]byte, maxPacket)
	for {
		n, from, err := c.udp.ReadFromUDPAddrPort(b)
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err == nil {
			c.push(b[:n], netip.AddrPortFrom(from.Addr().Unmap(), from.Port()))
		}
	}
}

func (c *udpConn) box() *inbox { return &c.inbox }

func (c *udpConn) send(b []byte, to netip.AddrPort) error {
	_, err := c.udp.WriteToUDPAddrPort(b, to)
	return err
}

func (c *udpConn) local() netip.AddrPort { return c.addr }

func (c *udpConn) close() error {
	c.inbox.close()
	err := c.udp.Close()
	<-c.done // returns at once: the descriptor is closed
	return err
}
