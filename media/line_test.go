package media

import (
	"bytes"
	"fmt"
	"net/netip"
	"testing"
	"time"

	"tandem/media/rtp"
	"tandem/media/sdp"
)

// linePeer is a far end of a line: it has described itself with one stream.
func linePeer(t *testing.T, l *Line, stream string) *peer {
	t.Helper()
	p := newPeer(t)
	p.describe(l, stream)
	p.to = netip.AddrPortFrom(localhost, l.session.local.Port())
	return p
}

func (p *peer) describe(l *Line, stream string) {
	p.t.Helper()
	d, err := sdp.Parse(fmt.Appendf(nil, "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n"+stream, p.addr().Port()))
	if err != nil {
		p.t.Fatal(err)
	}
	if err := l.Take(d, &d.Media[0]); err != nil {
		p.t.Fatal(err)
	}
}

func openLine(t *testing.T, e *Engine, kind string) *Line {
	t.Helper()
	m := sdp.Media{Type: kind, Proto: map[string]string{"video": "RTP/AVP", "image": "udptl"}[kind]}
	l, err := e.OpenLine(SessionOptions{Bind: localhost}, &m)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l
}

// passes fails unless what from sends arrives at to byte by byte.
func passes(t *testing.T, from, to *peer, b []byte) {
	t.Helper()
	if err := from.write(b, from.to); err != nil {
		t.Fatal(err)
	}
	got, at, ok := to.read(10 * time.Second)
	if !ok || !bytes.Equal(got, b) || at != to.to {
		t.Fatalf("%x came as %x from %s", b, got, at)
	}
}

// until waits for what must become true.
func until(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(20 * time.Second); !ok(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal(what)
		}
	}
}

func TestLineRelaysUntouched(t *testing.T) {
	t.Parallel()
	for kind, stream := range map[string]string{
		"video": "m=video %d RTP/AVP 96\r\na=rtpmap:96 H264/90000\r\n",
		"image": "m=image %d udptl t38\r\n",
	} {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			setups(t, func(t *testing.T, o Options) {
				e := newEngine(t, o)
				a, b := openLine(t, e, kind), openLine(t, e, kind)
				pa, pb := linePeer(t, a, stream), linePeer(t, b, stream)
				if err := JoinLines(a, b); err != nil {
					t.Fatal(err)
				}
				for i := range 30 {
					passes(t, pa, pb, lineDatagram(kind, i))
					passes(t, pb, pa, lineDatagram(kind, i+1000))
				}
				stranger := newPeer(t)
				for i := range 5 {
					if err := stranger.write(lineDatagram(kind, 500+i), pa.to); err != nil {
						t.Fatal(err)
					}
				}
				until(t, "strangers are not counted", func() bool { return a.Stats().Strangers == 5 })
				passes(t, pa, pb, lineDatagram(kind, 30)) // and nothing of theirs before it
				if s := a.Stats(); s.RxPackets != 31 || s.TxPackets != 30 || s.Remote != pa.addr() || s.Stranger != stranger.addr() {
					t.Errorf("stats of a: %+v", s)
				}
				a.Close()
				b.Close()
				if _, used := e.Ports(); used != 0 {
					t.Errorf("%d pairs of ports still in use", used)
				}
				if n := e.Faults(); n != 0 {
					t.Errorf("%d faults", n)
				}
			})
		})
	}
}

// lineDatagram is number n of a stream: RTP, or UDPTL whose first bytes look like anything.
func lineDatagram(kind string, n int) []byte {
	if kind == "image" {
		return []byte{byte(n >> 8), byte(n), 6, 0xC0, 1, 0x80, 0, 0, byte(n)}
	}
	b := make([]byte, rtp.HeaderSize+1100)
	rtp.Header{PayloadType: 96, Sequence: uint16(n), Timestamp: uint32(n) * 3000, SSRC: 7, Marker: n%3 == 0}.Put(b)
	copy(b[rtp.HeaderSize:], sound(n))
	return b
}

func TestLineFollowsItsPeer(t *testing.T) {
	t.Parallel()
	const stream = "m=image %d udptl t38\r\n"
	e := newEngine(t, Options{Workers: 1})
	a, b := openLine(t, e, "image"), openLine(t, e, "image")
	pa, pb := linePeer(t, a, stream), linePeer(t, b, stream)
	if err := JoinLines(a, b); err != nil {
		t.Fatal(err)
	}
	// Behind NAT its port is not the one it has described.
	moved := newPeer(t)
	moved.to = pa.to
	for i := range latchRun {
		if err := moved.write(lineDatagram("image", i), moved.to); err != nil {
			t.Fatal(err)
		}
	}
	if got, _, ok := pb.read(10 * time.Second); !ok || !bytes.Equal(got, lineDatagram("image", latchRun-1)) {
		t.Fatalf("came as %x", got)
	}
	passes(t, pb, moved, lineDatagram("image", 77))
}

func TestLineRelaysRTCP(t *testing.T) {
	t.Parallel()
	const stream = "m=video %d RTP/AVP 96\r\na=rtpmap:96 H264/90000\r\n"
	e := newEngine(t, Options{Workers: 1})
	a, b := openLine(t, e, "video"), openLine(t, e, "video")
	pa, pb := linePeer(t, a, stream), linePeer(t, b, stream)
	ra, rb := newPeer(t), newPeer(t)
	pa.describe(a, stream+fmt.Sprintf("a=rtcp:%d\r\n", ra.addr().Port()))
	pb.describe(b, stream+fmt.Sprintf("a=rtcp:%d\r\n", rb.addr().Port()))
	if err := JoinLines(a, b); err != nil {
		t.Fatal(err)
	}
	ra.to = netip.AddrPortFrom(localhost, pa.to.Port()+1)
	rb.to = netip.AddrPortFrom(localhost, pb.to.Port()+1)
	pli := []byte{0x81, 206, 0, 2, 0, 0, 0, 7, 0, 0, 0, 9} // picture loss indication
	passes(t, ra, rb, pli)
	passes(t, rb, ra, pli)
	if s := a.Stats(); s.RxRTCP != 1 || s.TxRTCP != 1 {
		t.Errorf("stats of a: %+v", s)
	}
}

func TestLineShown(t *testing.T) {
	t.Parallel()
	d, err := sdp.Parse([]byte("v=0\r\no=- 1 1 IN IP4 10.1.1.1\r\ns=-\r\nc=IN IP4 10.1.1.1\r\nt=0 0\r\n" +
		"m=video 4444 RTP/AVPF 96 97\r\nc=IN IP4 10.1.1.2\r\nb=AS:512\r\na=rtpmap:96 H264/90000\r\na=fmtp:96 profile-level-id=42e01f\r\n" +
		"a=rtpmap:97 VP8/90000\r\na=rtcp:4450\r\na=mid:v\r\na=candidate:1 1 UDP 1 10.1.1.1 4444 typ host\r\n" +
		"a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:secret\r\na=rtcp-fb:96 nack pli\r\na=sendonly\r\n"))
	if err != nil {
		t.Fatal(err)
	}
	l := openLine(t, newEngine(t, Options{Workers: 1}), "video")
	s := sdp.Session{Conn: sdp.Conn{Addr: localhost}, Media: []sdp.Media{l.Shown(&d.Media[0])}}
	text := string(s.Marshal())
	want := fmt.Sprintf("m=video %d RTP/AVPF 96 97\r\nb=AS:512\r\na=rtpmap:96 H264/90000\r\na=fmtp:96 profile-level-id=42e01f\r\n"+
		"a=rtpmap:97 VP8/90000\r\na=rtcp-fb:96 nack pli\r\na=sendonly\r\n", l.session.local.Port())
	if !bytes.HasSuffix([]byte(text), []byte(want)) {
		t.Errorf("shown as\n%s\nwant\n%s", text, want)
	}
}
