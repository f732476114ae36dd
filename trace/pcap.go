package trace

import (
	"encoding/binary"
	"io"
	"net/netip"
)

// Pcap writes messages as the file format of tcpdump (draft-ietf-opsawg-pcap), which Wireshark
// and tshark read: each as one UDP packet between its true addresses, whatever it came by, for
// what was within TLS could not be read otherwise.
type Pcap struct{ w io.Writer }

const (
	pcapMagic   = 0xa1b23c4d // times in nanoseconds
	linkTypeRaw = 101        // packets begin with the IP header
	maxPacket   = 65535
)

// NewPcap writes the beginning of a file.
func NewPcap(w io.Writer) (*Pcap, error) {
	head := binary.LittleEndian.AppendUint32(nil, pcapMagic)
	head = binary.LittleEndian.AppendUint16(head, 2)
	head = binary.LittleEndian.AppendUint16(head, 4)
	head = append(head, make([]byte, 8)...) // zone and accuracy: zero
	head = binary.LittleEndian.AppendUint32(head, maxPacket)
	head = binary.LittleEndian.AppendUint32(head, linkTypeRaw)
	_, err := w.Write(head)
	return &Pcap{w}, err
}

// Write adds a message.
func (p *Pcap) Write(m Message) error {
	from, to := m.Remote, m.Local
	if m.Sent {
		from, to = to, from
	}
	packet := datagram(from, to, m.Text)
	head := binary.LittleEndian.AppendUint32(nil, uint32(m.At.Unix()))
	head = binary.LittleEndian.AppendUint32(head, uint32(m.At.Nanosecond()))
	head = binary.LittleEndian.AppendUint32(head, uint32(len(packet)))
	head = binary.LittleEndian.AppendUint32(head, uint32(len(packet)))
	_, err := p.w.Write(append(head, packet...))
	return err
}

// datagram is an IP packet with a UDP datagram. A text that does not fit is cut.
func datagram(from, to netip.AddrPort, text []byte) []byte {
	const udp, protocolUDP, hops = 8, 17, 64
	source, target := from.Addr().Unmap(), to.Addr().Unmap()
	if source.Is4() != target.Is4() { // an address that is not known
		source, target = netip.AddrFrom16(source.As16()), netip.AddrFrom16(target.As16())
	}
	text = text[:min(len(text), maxPacket-60)]
	var b []byte
	if source.Is4() {
		b = append(b, 0x45, 0)
		b = binary.BigEndian.AppendUint16(b, uint16(20+udp+len(text)))
		b = append(b, 0, 0, 0, 0, hops, protocolUDP, 0, 0)
		b = append(append(b, source.AsSlice()...), target.AsSlice()...)
		binary.BigEndian.PutUint16(b[10:], checksum(b))
	} else {
		b = append(b, 0x60, 0, 0, 0)
		b = binary.BigEndian.AppendUint16(b, uint16(udp+len(text)))
		b = append(b, protocolUDP, hops)
		b = append(append(b, source.AsSlice()...), target.AsSlice()...)
	}
	b = binary.BigEndian.AppendUint16(b, from.Port())
	b = binary.BigEndian.AppendUint16(b, to.Port())
	b = binary.BigEndian.AppendUint16(b, uint16(udp+len(text)))
	b = append(b, 0, 0) // no checksum, which UDP allows
	return append(b, text...)
}

// checksum is that of an IP header: the ones' complement of the sum of its words.
func checksum(b []byte) uint16 {
	var sum uint32
	for i := 0; i+1 < len(b); i += 2 {
		sum += uint32(binary.BigEndian.Uint16(b[i:]))
	}
	for sum > 0xffff {
		sum = sum>>16 + sum&0xffff
	}
	return ^uint16(sum)
}
