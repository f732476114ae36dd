package transport

import (
	"errors"
	"net"
	"net/netip"
	"sync"
	"syscall"

	"golang.org/x/net/ipv4"
	"golang.org/x/net/ipv6"
)

// batch is how many datagrams one system call may bring. Each keeps a buffer of the largest size.
const batch = 16

// batchReader reads a real UDP socket several datagrams a system call. On a socket bound to all
// addresses it notes which one each datagram was sent to, and answers from there: the peer would
// take no answer from another.
type batchReader struct {
	udp *net.UDPConn
	in  interface {
		ReadBatch([]ipv4.Message, int) (int, error)
	} // ipv4.Message is ipv6.Message
	dst  func(oob []byte) netip.Addr // nil: bound to one address
	src  func(a netip.Addr) []byte
	oobs sync.Map // netip.Addr -> control message; as many as we have addresses
}

func newReader(udp *net.UDPConn, bound netip.Addr) reader {
	r := &batchReader{udp: udp}
	any := bound.IsUnspecified()
	if bound.Is4() {
		p := ipv4.NewPacketConn(udp)
		r.in = p
		if any && p.SetControlMessage(ipv4.FlagDst, true) == nil {
			r.dst, r.src = destination4, source4
		}
		return r
	}
	p := ipv6.NewPacketConn(udp)
	r.in = p
	if any && p.SetControlMessage(ipv6.FlagDst, true) == nil {
		r.dst, r.src = destination6, source6
	}
	return r
}

func (r *batchReader) read(deliver func([]byte, netip.AddrPort, netip.Addr)) error {
	ms := make([]ipv4.Message, batch)
	for i := range ms {
		ms[i].Buffers = [][]byte{make([]byte, maxDatagram)}
		if r.dst != nil {
			ms[i].OOB = make([]byte, 128)
		}
	}
	for {
		n, err := r.in.ReadBatch(ms, 0)
		if err != nil {
			return err
		}
		for i := range ms[:n] {
			m := &ms[i]
			var to netip.Addr
			if r.dst != nil {
				to = r.dst(m.OOB[:m.NN])
			}
			deliver(m.Buffers[0][:m.N], addrPort(m.Addr), to)
		}
	}
}

func (r *batchReader) write(b []byte, to netip.AddrPort, from netip.Addr) error {
	if r.src == nil || !from.IsValid() {
		_, err := r.udp.WriteToUDPAddrPort(b, to)
		return err
	}
	oob, ok := r.oobs.Load(from)
	if !ok {
		oob, _ = r.oobs.LoadOrStore(from, r.src(from))
	}
	_, _, err := r.udp.WriteMsgUDPAddrPort(b, oob.([]byte), to)
	if errors.Is(err, syscall.EINVAL) {
		// Not an address to send from: what came was a broadcast, or the address has gone.
		_, err = r.udp.WriteToUDPAddrPort(b, to)
	}
	return err
}

func destination4(oob []byte) netip.Addr {
	var cm ipv4.ControlMessage
	if cm.Parse(oob) != nil {
		return netip.Addr{}
	}
	a, _ := netip.AddrFromSlice(cm.Dst)
	return a.Unmap()
}

func destination6(oob []byte) netip.Addr {
	var cm ipv6.ControlMessage
	if cm.Parse(oob) != nil {
		return netip.Addr{}
	}
	a, _ := netip.AddrFromSlice(cm.Dst)
	return a
}

func source4(a netip.Addr) []byte { return (&ipv4.ControlMessage{Src: a.AsSlice()}).Marshal() }
func source6(a netip.Addr) []byte { return (&ipv6.ControlMessage{Src: a.AsSlice()}).Marshal() }
