package media

import (
	"bytes"
	"net"
	"net/netip"
	"testing"
	"time"

	"tandem/media/rtp"
)

// FuzzDatagram throws datagrams at both ports of a bridged, recorded session.
func FuzzDatagram(f *testing.F) {
	b := make([]byte, 172)
	rtp.Header{SSRC: 1}.Put(b)
	f.Add(b, false, uint8(0))
	rtp.Header{SSRC: 1, PayloadType: 96, Marker: true}.Put(b)
	f.Add(b[:16], false, uint8(3))
	f.Add([]byte{0x81, rtcpSR, 0, 12, 0, 0, 0, 1}, true, uint8(0))
	f.Add(append([]byte{0x81, rtcpRR, 0, 7}, make([]byte, 28)...), true, uint8(1))
	f.Add([]byte{0x80, rtcpBYE, 0xFF, 0xFF}, true, uint8(0))
	f.Add([]byte{0x81, rtcpSDES, 0, 2, 0, 0, 0, 1, 1, 200, 'x', 0}, true, uint8(0))
	f.Add([]byte{0x80, rtcpXR, 0, 4, 0, 0, 0, 1, xrReceiverTime, 0, 0, 2, 1, 2, 3, 4, 5, 6, 7, 8}, true, uint8(0))
	f.Add(append([]byte{0x80, rtcpXR, 0, 10, 0, 0, 0, 1, xrVoIP, 0, 0, 8}, make([]byte, 32)...), true, uint8(0))
	f.Add(append([]byte{0x80, rtcpXR, 0, 2, 0, 0, 0, 1, xrVoIP, 0, 0xFF, 0xFF}, b...), false, uint8(0))
	e, err := New(Options{Workers: 1, Backend: NewMemory()})
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(func() { e.Close() })
	var pair [2]*Session
	for i := range pair {
		if pair[i], err = e.Open(SessionOptions{Bind: localhost}); err != nil {
			f.Fatal(err)
		}
		offer := theirSDP("c=IN IP4 127.0.0.1\r\nm=audio 4000 RTP/AVP 0 8 96\r\na=rtpmap:96 telephone-event/8000\r\n")
		if _, err := pair[i].Answer(offer); err != nil {
			f.Fatal(err)
		}
		if _, err := pair[i].Record(RecordOptions{Path: f.TempDir() + "/x.wav", Silence: time.Hour}); err != nil {
			f.Fatal(err)
		}
	}
	if err := Bridge(pair[0], pair[1]); err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, b []byte, rtcp bool, port uint8) {
		from := netip.AddrPortFrom(localhost, 4000+uint16(port%4))
		ok := pair[0].do(func(m *stream) {
			b = bytes.Clone(b[:min(len(b), maxPacket)]) // as long as what a worker reads
			if rtcp {
				m.receiveRTCP(b, from)
			} else {
				m.receive(b, from)
			}
		})
		if !ok || e.Faults() > 0 {
			t.Fatalf("%x ended the session", b)
		}
	})
}

func TestIPv6(t *testing.T) {
	t.Parallel()
	if c, err := net.ListenPacket("udp6", "[::1]:0"); err != nil {
		t.Skip("no IPv6 here:", err)
	} else {
		c.Close()
	}
	for name, b := range map[string]Backend{"epoll": Epoll(), "sockets": Sockets()} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e := newEngine(t, Options{Workers: 1, Backend: b})
			s, err := e.Open(SessionOptions{Bind: netip.IPv6Loopback()})
			if err != nil {
				t.Fatal(err)
			}
			p := newPeerAt(t, netip.IPv6Loopback())
			offer := []byte("v=0\r\no=x 1 1 IN IP6 ::1\r\ns=-\r\nc=IN IP6 ::1\r\nt=0 0\r\nm=audio " +
				p.addr().String()[6:] + " RTP/AVP 0\r\n")
			answer, err := s.Answer(offer)
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.Contains(answer, []byte("c=IN IP6 ::1\r\n")) {
				t.Errorf("answer %s", answer)
			}
			if err := Bridge(s, s); err != nil {
				t.Fatal(err)
			}
			p.to = s.LocalAddr()
			p.send(sound(1))
			if got := p.next(); !bytes.Equal(got.payload, sound(1)) || got.from != s.LocalAddr() {
				t.Errorf("%x from %v", got.payload, got.from)
			}
		})
	}
}

func TestRingWrapsAndFills(t *testing.T) {
	t.Parallel()
	r := ring{data: make([]byte, ringSize)}
	var buf [maxPacket]byte
	in, out := 0, 0
	for round := range 50 {
		for r.put(piece{int64(in), SideHeard, 1, sound(in)[:100+in%60]}) {
			in++
		}
		if in-out < 300 {
			t.Fatalf("round %d: full with %d pieces", round, in-out)
		}
		for range 100 + round*7 {
			p, ok := r.take(buf[:])
			if !ok {
				break
			}
			if p.at != int64(out) || p.side != SideHeard || p.format != 1 || !bytes.Equal(p.payload, sound(out)[:100+out%60]) {
				t.Fatalf("piece %d came out as %+v", out, p)
			}
			out++
		}
	}
	for {
		if _, ok := r.take(buf[:]); !ok {
			break
		}
		out++
	}
	if in != out {
		t.Errorf("%d pieces in, %d out", in, out)
	}
}

func TestTapeOverLongGaps(t *testing.T) {
	t.Parallel()
	path := t.TempDir() + "/x.wav"
	tp, err := newTape(RecordOptions{Path: path}, 8000)
	if err != nil {
		t.Fatal(err)
	}
	quiet := muLawOf(make([]int16, 160))
	voice := muLawOf(ramp(160, 5))
	tp.lay(piece{1000, SidePeer, uint8(formatNamed("PCMU").index), voice})
	tp.write(false)
	tp.lay(piece{200, SidePeer, uint8(formatNamed("PCMU").index), voice})     // only its place is left: it is not written yet
	tp.lay(piece{500_000, SidePeer, uint8(formatNamed("PCMU").index), voice}) // a minute later
	tp.lay(piece{499_900, SidePeer, uint8(formatNamed("PCMU").index), quiet}) // a straggler
	tp.lay(piece{10, SidePeer, uint8(formatNamed("PCMU").index), voice})      // hopelessly late
	if err := tp.close(600_000); err != nil {
		t.Fatal(err)
	}
	a := readWAV(t, path).PCM
	if len(a) != 600_000 {
		t.Fatalf("%d samples", len(a))
	}
	want := decoded(ramp(160, 5))
	for at, from := range map[int]int{1000: 0, 200: 0, 500_060: 60} {
		for i, v := range want[from:] {
			if a[at+i] != v {
				t.Fatalf("sample %d is %d, want %d", at+i, a[at+i], v)
			}
		}
	}
	for _, at := range []int{0, 199, 999, 1160, 300_000, 500_000, 500_059, 500_160, 599_999} {
		if a[at] != 0 {
			t.Errorf("sample %d is %d, want silence", at, a[at])
		}
	}
}
