package media

import (
	"encoding/base64"
	"fmt"
	"net/netip"
	"testing"

	"tandem/media/rtp"
	"tandem/media/srtp"
)

// relayed is a pair of bridged sessions without a kernel: round hands in one packet of the
// first leg's peer. The second leg is plain.
type relayed struct {
	a      *Session
	socket socket
	conn   idleConn
	sealer *srtp.Sender // of the peer; nil: plain
	plain  [rtp.HeaderSize + 160]byte
	buf    [512]byte
	h      rtp.Header
}

func newRelayed(t testing.TB, e *Engine, profile srtp.Profile) *relayed {
	t.Helper()
	r := &relayed{h: rtp.Header{SSRC: 1, Sequence: 1}}
	from := netip.MustParseAddrPort("127.0.0.1:4000")
	own := srtp.NewMaster(srtp.AESCM80)
	var list [2]*Session
	for i := range list {
		s, err := e.Open(SessionOptions{Bind: localhost})
		if err != nil {
			t.Fatal(err)
		}
		offer := "c=IN IP4 127.0.0.1\r\nm=audio 4000 RTP/AVP 0\r\n"
		if i == 0 && profile != 0 {
			own = srtp.NewMaster(profile)
			r.sealer = srtp.NewSender(own)
			offer += fmt.Sprintf("a=crypto:1 %s inline:%s\r\n", profile, base64.StdEncoding.EncodeToString(own.Secret()))
		}
		if _, err := s.Answer(theirSDP(offer)); err != nil {
			t.Fatal(err)
		}
		list[i] = s
	}
	r.a = list[0]
	if err := Bridge(list[0], list[1]); err != nil {
		t.Fatal(err)
	}
	r.conn.from = from
	for _, s := range list {
		s.do(func(m *stream) {
			m.rtp.conn = &r.conn
			if s == r.a {
				r.socket = socket{conn: &r.conn, stream: m}
			}
		})
	}
	t.Cleanup(func() {
		for _, s := range list {
			s.do(func(m *stream) { m.rtp.conn = m.pair.rtp })
		}
	})
	return r
}

// round relays one packet; the worker calls it.
func (r *relayed) round(w *worker) {
	r.h.Sequence++
	r.h.Timestamp += 160
	n := copy(r.buf[:], r.plain[:])
	r.h.Put(r.buf[:])
	if r.sealer != nil {
		n = r.sealer.RTP(r.buf[:], n)
	}
	r.conn.b = r.buf[:n]
	w.receive(&r.socket)
}

// TestSecureRelayDoesNotAllocate: an encrypted packet costs no more memory than a plain one.
func TestSecureRelayDoesNotAllocate(t *testing.T) {
	e := newEngine(t, Options{Workers: 1})
	for _, profile := range append(srtp.Profiles(), 0) {
		r := newRelayed(t, e, profile)
		var n float64
		r.a.do(func(m *stream) {
			n = testing.AllocsPerRun(300, func() { r.round(m.worker) })
		})
		if st := r.a.Stats(); n != 0 || st.RxPackets < 300 || st.Forged > 0 {
			t.Errorf("%v: %.2f allocations a packet, stats %+v", profile, n, st)
		}
	}
}

// BenchmarkSecureRelay is our own share of a relayed packet of 160 bytes that arrives
// encrypted and leaves in the clear, beside one that is plain on both legs. What the peer spends
// on encrypting is in the figure, and about as much as what we spend.
func BenchmarkSecureRelay(b *testing.B) {
	e, err := New(Options{Workers: 1})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { e.Close() })
	for _, profile := range []srtp.Profile{0, srtp.AESCM80, srtp.AESCM32, srtp.AESGCM} {
		name := "plain"
		if profile != 0 {
			name = profile.String()
		}
		b.Run(name, func(b *testing.B) {
			r := newRelayed(b, e, profile)
			b.ReportAllocs()
			b.ResetTimer()
			r.a.do(func(m *stream) {
				for range b.N {
					r.round(m.worker)
				}
			})
		})
	}
}
