//go:build !linux

package transport

import "net"

const wantBuffer = 4 << 20

func setBuffers(c *net.UDPConn) int {
	_ = c.SetReadBuffer(wantBuffer)
	_ = c.SetWriteBuffer(wantBuffer)
	return 0
}
