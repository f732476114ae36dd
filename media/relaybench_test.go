package media

import (
	"net/netip"
	"strconv"
	"testing"

	"tandem/media/rtp"
)

// idleConn is a socket without a kernel: it takes what it is given and gives one packet.
type idleConn struct {
	b    []byte
	from netip.AddrPort
}

func (c *idleConn) recv(b []byte) (int, netip.AddrPort, error) { return copy(b, c.b), c.from, nil }
func (c *idleConn) send([]byte, netip.AddrPort) error          { return nil }
func (c *idleConn) local() netip.AddrPort                      { return c.from }
func (c *idleConn) close() error                               { return nil }

// BenchmarkRelay is our own share of a relayed packet, without the kernel's.
func BenchmarkRelay(b *testing.B) {
	for _, legs := range []int{2, 400, 2000} {
		b.Run(strconv.Itoa(legs)+" legs", func(b *testing.B) {
			e, err := New(Options{Workers: 1})
			if err != nil {
				b.Fatal(err)
			}
			defer e.Close()
			var sessions []*Session
			from := netip.MustParseAddrPort("127.0.0.1:4000")
			for i := range legs {
				s, err := e.Open(SessionOptions{Bind: localhost})
				if err != nil {
					b.Fatal(err)
				}
				offer := "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio 4000 RTP/AVP 0\r\n"
				if _, err := s.Answer([]byte(offer)); err != nil {
					b.Fatal(err)
				}
				sessions = append(sessions, s)
				if i%2 == 1 {
					if err := Bridge(sessions[i-1], s); err != nil {
						b.Fatal(err)
					}
				}
			}
			conns := make([]idleConn, legs)
			sockets := make([]*socket, legs)
			for i, s := range sessions {
				s.do(func(m *stream) {
					h := rtp.Header{SSRC: uint32(i) + 1}
					conns[i] = idleConn{make([]byte, 172), from}
					h.Put(conns[i].b)
					sockets[i] = &socket{conn: &conns[i], stream: m}
					m.rtp.conn = &conns[i]
				})
			}
			b.ReportAllocs()
			sessions[0].do(func(m *stream) {
				for n := range b.N {
					c := &conns[n%legs]
					round := n / legs
					c.b[2], c.b[3] = byte(round>>8), byte(round)
					m.worker.receive(sockets[n%legs])
				}
			})
			for _, s := range sessions {
				s.do(func(m *stream) { m.rtp.conn = m.pair.rtp })
			}
		})
	}
}
