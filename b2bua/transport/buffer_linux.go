package transport

import (
	"net"

	"golang.org/x/sys/unix"
)

// wantBuffer is the socket buffer to ask for, in bytes. With the kernel's default a burst of
// some hundred calls a second already loses datagrams.
const wantBuffer = 4 << 20

// setBuffers enlarges both buffers, past the system's limit where we may, and returns the
// receive buffer the kernel gave.
func setBuffers(c *net.UDPConn) int {
	raw, err := c.SyscallConn()
	if err != nil {
		return 0
	}
	got := 0
	err = raw.Control(func(fd uintptr) {
		if unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, wantBuffer) != nil {
			_ = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_RCVBUF, wantBuffer)
		}
		if unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_SNDBUFFORCE, wantBuffer) != nil {
			_ = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_SNDBUF, wantBuffer)
		}
		got, _ = unix.GetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_RCVBUF)
	})
	if err != nil {
		return 0
	}
	return got / 2 // the kernel reports twice what it was asked for (socket(7))
}
