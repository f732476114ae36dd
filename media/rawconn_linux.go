package media

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"unsafe"

	"golang.org/x/sys/unix"
)

// rawConn is a non-blocking UDP descriptor read and written by raw system calls: they do
// not tell the scheduler, which is right for calls that cannot block.
type rawConn struct {
	// What recv and send touch lies together: with hundreds of calls each line of memory
	// that a packet needs has to be fetched anew.
	fd      int32
	outSize uint32                // of out, 0 before the first send
	out     unix.RawSockaddrInet6 // where we sent last
	v6      bool
	in      *source

	addr  netip.AddrPort
	zone  uint32 // scope id of the last link-local address seen, and that address
	zoned netip.Addr
}

// source is where the kernel writes whom a datagram came from. All sockets of a worker
// share one.
type source struct {
	sa   unix.RawSockaddrInet6
	size uint32
}

func listenRaw(addr netip.AddrPort) (*rawConn, error) {
	family := unix.AF_INET
	if addr.Addr().Is6() {
		family = unix.AF_INET6
	}
	fd, err := unix.Socket(family, unix.SOCK_DGRAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, unix.IPPROTO_UDP)
	if err != nil {
		return nil, fmt.Errorf("media: socket: %w", err)
	}
	c := &rawConn{fd: int32(fd), v6: family == unix.AF_INET6}
	if err := c.bind(addr); err != nil {
		unix.Close(fd)
		return nil, err
	}
	return c, nil
}

func (c *rawConn) bind(addr netip.AddrPort) error {
	var sa unix.Sockaddr
	if c.v6 {
		if err := unix.SetsockoptInt(int(c.fd), unix.IPPROTO_IPV6, unix.IPV6_V6ONLY, 1); err != nil {
			return fmt.Errorf("media: IPV6_V6ONLY: %w", err)
		}
		sa = &unix.SockaddrInet6{Port: int(addr.Port()), Addr: addr.Addr().As16(), ZoneId: zoneID(addr.Addr().Zone())}
	} else {
		sa = &unix.SockaddrInet4{Port: int(addr.Port()), Addr: addr.Addr().Unmap().As4()}
	}
	if err := unix.Bind(int(c.fd), sa); err != nil {
		if errors.Is(err, unix.EADDRINUSE) {
			return errInUse
		}
		return fmt.Errorf("media: bind %s: %w", addr, err)
	}
	bound, err := unix.Getsockname(int(c.fd))
	if err != nil {
		return fmt.Errorf("media: getsockname: %w", err)
	}
	port := 0
	switch b := bound.(type) {
	case *unix.SockaddrInet4:
		port = b.Port
	case *unix.SockaddrInet6:
		port = b.Port
	}
	c.addr = netip.AddrPortFrom(addr.Addr(), uint16(port))
	return nil
}

func zoneID(zone string) uint32 {
	if zone == "" {
		return 0
	}
	if n, err := strconv.ParseUint(zone, 10, 32); err == nil {
		return uint32(n)
	}
	if ifi, err := net.InterfaceByName(zone); err == nil {
		return uint32(ifi.Index)
	}
	return 0
}

func (c *rawConn) recv(b []byte) (int, netip.AddrPort, error) {
	in := c.in
	for {
		in.size = uint32(unsafe.Sizeof(in.sa))
		n, _, errno := unix.RawSyscall6(unix.SYS_RECVFROM, uintptr(c.fd),
			uintptr(unsafe.Pointer(unsafe.SliceData(b))), uintptr(len(b)), 0,
			uintptr(unsafe.Pointer(&in.sa)), uintptr(unsafe.Pointer(&in.size)))
		switch errno {
		case 0:
			return int(n), c.from(), nil
		case unix.EINTR:
		case unix.EAGAIN:
			return 0, netip.AddrPort{}, errAgain
		default:
			return 0, netip.AddrPort{}, errno
		}
	}
}

func (c *rawConn) from() netip.AddrPort {
	if !c.v6 {
		sa := (*unix.RawSockaddrInet4)(unsafe.Pointer(&c.in.sa))
		return netip.AddrPortFrom(netip.AddrFrom4(sa.Addr), swap16(sa.Port))
	}
	sa := &c.in.sa
	ip := netip.AddrFrom16(sa.Addr)
	if id := sa.Scope_id; id != 0 {
		// A zone is a string and making it allocates: keep the last.
		if c.zone != id || c.zoned.WithZone("") != ip {
			c.zone, c.zoned = id, ip.WithZone(strconv.FormatUint(uint64(id), 10))
		}
		ip = c.zoned
	}
	return netip.AddrPortFrom(ip, swap16(sa.Port))
}

func (c *rawConn) send(b []byte, to netip.AddrPort) error {
	if !c.target(to) {
		return fmt.Errorf("media: %s has not this socket's address family", to)
	}
	for {
		_, _, errno := unix.RawSyscall6(unix.SYS_SENDTO, uintptr(c.fd),
			uintptr(unsafe.Pointer(unsafe.SliceData(b))), uintptr(len(b)), 0,
			uintptr(unsafe.Pointer(&c.out)), uintptr(c.outSize))
		switch errno {
		case 0:
			return nil
		case unix.EINTR:
		case unix.EAGAIN:
			return errAgain
		default:
			return errno
		}
	}
}

// target writes to as a kernel address.
func (c *rawConn) target(to netip.AddrPort) bool {
	ip := to.Addr()
	if ip.Is4In6() {
		ip = ip.Unmap()
	}
	if ip.Is4() == c.v6 || !ip.IsValid() {
		return false
	}
	if c.v6 {
		c.out = unix.RawSockaddrInet6{Family: unix.AF_INET6, Port: swap16(to.Port()), Addr: ip.As16()}
		if zone := ip.Zone(); zone != "" {
			c.out.Scope_id = zoneID(zone)
		}
		c.outSize = unix.SizeofSockaddrInet6
		return true
	}
	out := (*unix.RawSockaddrInet4)(unsafe.Pointer(&c.out))
	out.Family, out.Port, out.Addr = unix.AF_INET, swap16(to.Port()), ip.As4()
	c.outSize = unix.SizeofSockaddrInet4
	return true
}

func (c *rawConn) local() netip.AddrPort { return c.addr }

func (c *rawConn) close() error { return unix.Close(int(c.fd)) }

// swap16 turns a port between host and network byte order.
func swap16(v uint16) uint16 {
	b := (*[2]byte)(unsafe.Pointer(&v))
	return uint16(b[0])<<8 | uint16(b[1])
}
