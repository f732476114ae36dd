package media

import (
	"encoding/binary"
	"net/netip"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"tandem/media/rtp"
)

// qualities are those that have been told so far.
func (b *bubble) qualities() []Quality {
	var list []Quality
	for _, e := range b.events() {
		if e.Kind == EventQuality {
			list = append(list, e.Quality)
		}
	}
	return list
}

// controlOf is the RTCP port beside an RTP port.
func controlOf(a netip.AddrPort) netip.AddrPort { return netip.AddrPortFrom(a.Addr(), a.Port()+1) }

func TestQualityIsToldWhileTheCallRuns(t *testing.T) {
	t.Parallel()
	inBubble(t, SessionOptions{KeepAlive: true}, func(t *testing.T, b *bubble) {
		say := func(seconds int, lost func(i int) bool) {
			for i := range seconds * 50 {
				if lost(i) {
					b.peer.h.Sequence++
					b.peer.h.Timestamp += 160
				} else {
					b.peer.send(sound(i))
				}
				time.Sleep(20 * time.Millisecond)
			}
		}
		say(60, func(int) bool { return false })
		good := len(b.qualities())
		if good < 7 || good > 24 { // each 2.5 to 7.5 s
			t.Fatalf("%d events in a minute", good)
		}
		say(60, func(i int) bool { return i%10 == 0 })
		told := b.qualities()
		for i, q := range told {
			switch {
			case i < good && (q.Lost > 0 || q.MOS < 4.2):
				t.Errorf("event %d of a clean line: %+v", i, q)
			case i > good && (q.MOS < 2.5 || q.MOS > 3.6 || q.Lost*10 < q.Expected*9/10 || q.Lost*10 > q.Expected*12/10):
				t.Errorf("event %d of a line that loses a tenth: %+v", i, q)
			case q.Far || q.RTT != 0:
				t.Errorf("event %d knows of reports that did not come: %+v", i, q)
			}
		}
		time.Sleep(time.Minute)
		if n := len(b.qualities()); n > len(told)+1 {
			t.Errorf("%d events of a line on which nothing comes", n-len(told))
		}
	})
}

// TestWhatThePeerReports reads RR and XR about our stream, and about others.
func TestWhatThePeerReports(t *testing.T) {
	t.Parallel()
	inBubble(t, SessionOptions{KeepAlive: true}, func(t *testing.T, b *bubble) {
		b.peer.send(sound(1))
		time.Sleep(time.Second)
		ssrc := b.peer.next().SSRC
		block := func(ssrc uint32) []byte {
			p := make([]byte, 24)
			binary.BigEndian.PutUint32(p, ssrc)
			binary.BigEndian.PutUint32(p[4:], 64<<24|17)
			binary.BigEndian.PutUint32(p[12:], 240) // 30 ms at 8 kHz
			return p
		}
		other, ours := block(ssrc+1), block(ssrc)
		other[7] = 200
		rr := slices.Concat([]byte{0x82, rtcpRR, 0, 13, 0, 0, 0, 1}, other, ours)
		voip := append([]byte{0x80, rtcpXR, 0, 10, 0, 0, 0, 1, xrVoIP, 0, 0, 8}, make([]byte, 32)...)
		binary.BigEndian.PutUint32(voip[12:], ssrc)
		voip[8+26] = 34
		unknown := []byte{0x80, rtcpXR, 0, 2, 0, 0, 0, 1, 99, 0, 0, 0}
		control := memoryPeer(t, b.mem, "127.0.0.1:4001")
		to := controlOf(b.peer.to)
		control.write(slices.Concat(rr, unknown, voip), to)
		synctest.Wait()
		st := b.Stats()
		if st.FarLost != 17 || st.FarJitter != 30*time.Millisecond || st.FarMOS != 3.4 || st.RxRTCP != 1 || st.Malformed != 0 {
			t.Errorf("stats %+v", st)
		}
		voip[8+26] = 127 // not known
		rr[8+24+5], rr[8+24+6], rr[8+24+7] = 0xFF, 0xFF, 0xFE
		control.write(slices.Concat(rr, voip), to)
		time.Sleep(10 * time.Second)
		if st := b.Stats(); st.FarLost != 0 || st.FarMOS != 3.4 {
			t.Errorf("two packets too many make a loss of %d, an unknown grade one of %v", st.FarLost, st.FarMOS)
		}
		q := b.qualities()
		if len(q) == 0 || !q[0].Far || q[0].FarLost != 0.25 || q[0].FarMOS != 3.4 || q[0].FarJitter != 30*time.Millisecond {
			t.Errorf("events %+v", q)
		}
	})
}

// TestRoundTripOfAListener answers one who sends no sound and so gets no round trip from
// reports (RFC 3611 §4.4, §4.5).
func TestRoundTripOfAListener(t *testing.T) {
	t.Parallel()
	inBubble(t, SessionOptions{KeepAlive: true}, func(t *testing.T, b *bubble) {
		b.peer.send(sound(1))
		control := memoryPeer(t, b.mem, "127.0.0.1:4001")
		time.Sleep(8 * time.Second)
		lastReport(control, nil)
		question := []byte{0x80, rtcpXR, 0, 4, 0, 0, 0, 77, xrReceiverTime, 0, 0, 2, 1, 2, 3, 4, 5, 6, 7, 8}
		rr := []byte{0x80, rtcpRR, 0, 1, 0, 0, 0, 77}
		control.write(slices.Concat(rr, question), controlOf(b.peer.to))
		asked := time.Now()
		for range 2 {
			got, _, ok := control.read(10 * time.Second)
			if !ok {
				t.Fatal("no report")
			}
			x := partOf(got, rtcpXR)
			if asked.IsZero() {
				if x != nil {
					t.Errorf("answered again: %x", got)
				}
				break
			}
			if len(x) != 24 {
				t.Fatalf("no answer in %x", got)
			}
			held := time.Duration(be32(x[20:])) * time.Second / 65536
			if x[8] != xrDLRR || be32(x[12:]) != 77 || be32(x[16:]) != 0x03040506 {
				t.Errorf("answer %x", x)
			}
			if d := time.Since(asked) - held; d < -time.Millisecond || d > time.Millisecond {
				t.Errorf("held for %v, the answer came after %v", held, time.Since(asked))
			}
			asked = time.Time{}
		}
	})
}

// partOf is the packet of one type within a compound packet, or nil.
func partOf(b []byte, kind byte) []byte {
	for len(b) >= 4 {
		size := 4 * (int(binary.BigEndian.Uint16(b[2:])) + 1)
		if b[1] == kind {
			return b[:size]
		}
		b = b[size:]
	}
	return nil
}

// TestMOS holds the estimate to what the E-model says.
func TestMOS(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		codec       string
		lost        uint64 // of 1000
		jitter, rtt time.Duration
		low, high   float64
	}{
		{"PCMU", 0, 0, 0, 4.39, 4.41},
		{"PCMA", 10, 0, 0, 4.25, 4.38},
		{"PCMU", 50, 0, 0, 3.8, 4.05},
		{"PCMU", 200, 0, 0, 2, 2.9},
		{"PCMU", 1000, 0, 0, 1, 1.6},
		{"PCMU", 0, 0, 300 * time.Millisecond, 4.25, 4.35},
		{"PCMU", 0, 100 * time.Millisecond, 600 * time.Millisecond, 2, 2.6},
		{"G722", 0, 0, 0, 4.25, 4.4},
		{"opus", 0, 0, 0, 4.35, 4.5},
		{"G722", 50, 0, 0, 3.2, 4},
		{"opus", 50, 0, 0, 3.8, 4.2},
	} {
		got := mos(c.codec, rtp.Totals{Expected: 1000, Lost: c.lost}, c.jitter, c.rtt)
		if got < c.low || got > c.high {
			t.Errorf("%s with %d of 1000 lost, jitter %v, round trip %v: %v, want %v to %v", c.codec, c.lost, c.jitter, c.rtt, got, c.low, c.high)
		}
	}
	if got := mos("PCMU", rtp.Totals{}, 0, 0); got != 0 {
		t.Errorf("nothing received is worth %v", got)
	}
}
