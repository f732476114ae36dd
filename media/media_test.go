package media

import (
	"fmt"
	"net"
	"net/netip"
	"testing"
	"time"

	"tandem/media/rtp"
	"tandem/media/sdp"
)

var localhost = netip.AddrFrom4([4]byte{127, 0, 0, 1})

// setups are the engines that every test of behaviour runs on.
func setups(t *testing.T, run func(t *testing.T, o Options)) {
	t.Helper()
	for _, s := range []struct {
		name string
		o    Options
	}{
		{"epoll/1", Options{Workers: 1, Backend: Epoll()}},
		{"epoll/3", Options{Workers: 3, Backend: Epoll()}},
		{"sockets/3", Options{Workers: 3, Backend: Sockets()}},
	} {
		t.Run(s.name, func(t *testing.T) {
			t.Parallel()
			run(t, s.o)
		})
	}
}

func newEngine(t *testing.T, o Options) *Engine {
	t.Helper()
	e, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { e.Close() })
	return e
}

func open(t *testing.T, e *Engine, o SessionOptions) *Session {
	t.Helper()
	o.Bind = localhost
	s, err := e.Open(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

// peer is the other end of a session: a plain UDP socket that writes its own SDP.
type peer struct {
	t    *testing.T
	conn *net.UDPConn
	to   netip.AddrPort
	h    rtp.Header
}

func newPeer(t *testing.T) *peer {
	t.Helper()
	return newPeerAt(t, localhost)
}

func newPeerAt(t *testing.T, ip netip.Addr) *peer {
	t.Helper()
	conn, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(netip.AddrPortFrom(ip, 0)))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return &peer{t: t, conn: conn, h: rtp.Header{SSRC: rtp.NewSSRC(), Sequence: 100, Timestamp: 5000}}
}

func (p *peer) addr() netip.AddrPort {
	return p.conn.LocalAddr().(*net.UDPAddr).AddrPort()
}

// offer is the peer's SDP; attributes is what comes after the m= line.
func (p *peer) offer(formats, attributes string) []byte {
	a := p.addr()
	return fmt.Appendf(nil, "v=0\r\no=- 1 1 IN IP4 %s\r\ns=-\r\nc=IN IP4 %s\r\nt=0 0\r\nm=audio %d RTP/AVP %s\r\n%s",
		a.Addr(), a.Addr(), a.Port(), formats, attributes)
}

const eventLines = "a=rtpmap:96 telephone-event/8000\r\na=fmtp:96 0-16\r\n"

// call lets the session answer the peer's offer.
func (p *peer) call(s *Session, formats string) {
	p.t.Helper()
	answer, err := s.Answer(p.offer(formats+" 96", eventLines))
	if err != nil {
		p.t.Fatal(err)
	}
	d, err := sdp.Parse(answer)
	if err != nil {
		p.t.Fatal(err)
	}
	_, m := d.Audio()
	p.to = d.AddrOf(m)
}

// send sends the next packet of the peer's stream.
func (p *peer) send(payload []byte) {
	p.t.Helper()
	p.sendTo(p.to, payload)
}

func (p *peer) sendTo(to netip.AddrPort, payload []byte) {
	p.t.Helper()
	b := make([]byte, rtp.HeaderSize+len(payload))
	copy(b[p.h.Put(b):], payload)
	if _, err := p.conn.WriteToUDPAddrPort(b, to); err != nil {
		p.t.Fatal(err)
	}
	p.h.Sequence++
	p.h.Timestamp += uint32(len(payload))
	p.h.Marker = false
}

// packet is what the peer has received.
type packet struct {
	rtp.Header
	payload []byte
	from    netip.AddrPort
	at      time.Time
}

// read waits for the next RTP packet; ok is false if none comes within d.
func (p *peer) read(d time.Duration) (packet, bool) {
	p.t.Helper()
	p.conn.SetReadDeadline(time.Now().Add(d))
	b := make([]byte, maxPacket)
	n, from, err := p.conn.ReadFromUDPAddrPort(b)
	if err != nil {
		return packet{}, false
	}
	h, err := rtp.Parse(b[:n])
	if err != nil {
		p.t.Fatalf("received %x: %v", b[:n], err)
	}
	return packet{h, h.Payload(b[:n]), from, time.Now()}, true
}

// next is read, and fails the test if nothing comes within 5 s.
func (p *peer) next() packet {
	p.t.Helper()
	got, ok := p.read(5 * time.Second)
	if !ok {
		p.t.Fatal("no packet within 5 s")
	}
	return got
}

// sound is a payload that no other number gives.
func sound(n int) []byte {
	b := make([]byte, 160)
	for i := range b {
		b[i] = byte(n*7 + i*3)
	}
	return b
}
