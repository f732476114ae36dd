package media

import (
	"fmt"
	"net"
	"net/netip"
	"testing"
	"time"

	"tandem/clock"
	"tandem/media/rtp"
	"tandem/media/sdp"
)

var localhost = netip.AddrFrom4([4]byte{127, 0, 0, 1})

type setup struct {
	name string
	o    Options
}

// engines are what every test of behaviour runs on.
func engines() []setup {
	return []setup{
		{"epoll/1", Options{Workers: 1, Backend: Epoll()}},
		{"epoll/3", Options{Workers: 3, Backend: Epoll()}},
		{"sockets/3", Options{Workers: 3, Backend: Sockets()}},
	}
}

// setups runs a test on all engines at the same time.
func setups(t *testing.T, run func(t *testing.T, o Options)) {
	t.Helper()
	for _, s := range engines() {
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

// wire is a plain UDP socket of a test: the system's, or a Memory's in virtual time.
type wire interface {
	addr() netip.AddrPort
	write(b []byte, to netip.AddrPort) error
	read(d time.Duration) (b []byte, from netip.AddrPort, ok bool)
}

type realWire struct{ *net.UDPConn }

func (w realWire) addr() netip.AddrPort { return w.LocalAddr().(*net.UDPAddr).AddrPort() }

func (w realWire) write(b []byte, to netip.AddrPort) error {
	_, err := w.WriteToUDPAddrPort(b, to)
	return err
}

func (w realWire) read(d time.Duration) ([]byte, netip.AddrPort, bool) {
	w.SetReadDeadline(time.Now().Add(d))
	b := make([]byte, maxPacket)
	n, from, err := w.ReadFromUDPAddrPort(b)
	return b[:n], from, err == nil
}

// memoryWire is a socket of a Memory; it waits on the clock of the bubble it is made in.
type memoryWire struct {
	conn
	poller *queuePoller
}

func (w memoryWire) addr() netip.AddrPort                    { return w.local() }
func (w memoryWire) write(b []byte, to netip.AddrPort) error { return w.send(b, to) }

func (w memoryWire) read(d time.Duration) ([]byte, netip.AddrPort, bool) {
	b, until := make([]byte, maxPacket), time.Now().Add(d)
	for {
		n, from, err := w.recv(b)
		if err == nil {
			return b[:n], from, true
		}
		if !time.Now().Before(until) {
			return nil, from, false
		}
		w.poller.wait(until, nil)
	}
}

// peer is the other end of a session: it writes its own SDP and RTP.
type peer struct {
	t *testing.T
	wire
	to netip.AddrPort
	h  rtp.Header
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
	return &peer{t: t, wire: realWire{conn}, h: firstHeader()}
}

// memoryPeer is a peer at an address of a Memory; port 0 takes any.
func memoryPeer(t *testing.T, m *Memory, at string) *peer {
	t.Helper()
	c, err := m.listen(netip.MustParseAddrPort(at))
	if err != nil {
		t.Fatal(err)
	}
	w := memoryWire{c, newQueuePoller(clock.System())}
	w.poller.add(&socket{conn: c})
	return &peer{t: t, wire: w, h: firstHeader()}
}

func firstHeader() rtp.Header {
	return rtp.Header{SSRC: rtp.NewSSRC(), Sequence: 100, Timestamp: 5000}
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
	if err := p.write(b, to); err != nil {
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

// hear waits for the next RTP packet; ok is false if none comes within d.
func (p *peer) hear(d time.Duration) (packet, bool) {
	p.t.Helper()
	until := time.Now().Add(d)
	for {
		b, from, ok := p.read(time.Until(until))
		if !ok {
			return packet{}, false
		}
		if rtp.Classify(b) == rtp.RTCP {
			continue
		}
		h, err := rtp.Parse(b)
		if err != nil {
			p.t.Fatalf("received %x: %v", b, err)
		}
		return packet{h, h.Payload(b), from, time.Now()}, true
	}
}

// next is hear, and fails the test if nothing comes within 5 s.
func (p *peer) next() packet {
	p.t.Helper()
	got, ok := p.hear(5 * time.Second)
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
