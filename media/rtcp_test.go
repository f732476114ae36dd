package media

import (
	"bytes"
	"net/netip"
	"testing"
	"testing/synctest"
	"time"
)

func TestRTCP(t *testing.T) {
	t.Parallel()
	inBubble(t, SessionOptions{KeepAlive: true}, func(t *testing.T, b *bubble) {
		control := memoryPeer(t, b.mem, "127.0.0.1:4001")
		to := netip.AddrPortFrom(b.peer.to.Addr(), b.peer.to.Port()+1)
		for i := range 400 {
			if i%20 != 0 { // 5% are lost
				b.peer.send(sound(i))
			} else {
				b.peer.h.Sequence++
				b.peer.h.Timestamp += 160
			}
			time.Sleep(20 * time.Millisecond)
		}
		got, from, ok := control.read(time.Second)
		if !ok || got[1] != rtcpSR || from.Port() != to.Port() || got[0] != 0x81 {
			t.Fatalf("no sender report with one block: %x from %v", got, from)
		}
		sent, _ := b.peer.hear(time.Second)
		if ssrc := be32(got[4:]); ssrc != sent.SSRC {
			t.Errorf("report of %x, stream of %x", ssrc, sent.SSRC)
		}
		if be32(got[28:]) != b.peer.h.SSRC || got[32] < 8 || got[32] > 20 {
			t.Errorf("report block %x: the fraction lost should be near 13 of 256", got[28:52])
		}
		lastReport(control, nil)
		got, _, _ = control.read(10 * time.Second)
		time.Sleep(50 * time.Millisecond) // under way, there and back
		rr := append([]byte{0x81, rtcpRR, 0, 7, 0, 0, 0, 1}, make([]byte, 24)...)
		copy(rr[8:], got[4:8])    // on our stream
		copy(rr[24:], got[10:14]) // the time of our report
		control.write(rr, to)
		synctest.Wait()
		st := b.Stats()
		if st.RxRTCP != 1 || st.TxRTCP < 2 || st.MOS < 2 || st.MOS > 4.2 || st.Lost != 19 {
			t.Errorf("stats %+v", st)
		}
		if d := st.RTT - 50*time.Millisecond; d < -time.Millisecond || d > time.Millisecond {
			t.Errorf("round trip %v", st.RTT)
		}
		stranger := memoryPeer(t, b.mem, "203.0.113.77:5001")
		stranger.write(rr, to)
		control.write([]byte{0x81, rtcpRR, 0, 99}, to)
		synctest.Wait()
		if st := b.Stats(); st.RxRTCP != 1 || st.Strangers != 1 || st.Malformed != 1 {
			t.Errorf("stats %+v", st)
		}
		b.Close()
		last := lastReport(control, nil)
		if !bytes.Contains(last, []byte{0x81, rtcpBYE, 0, 1}) {
			t.Errorf("no BYE in %x", last)
		}
	})
}

func be32(b []byte) uint32 {
	return uint32(b[0])<<24 | uint32(b[1])<<16 | uint32(b[2])<<8 | uint32(b[3])
}

// lastReport reads all RTCP that waits and returns the newest, or last.
func lastReport(p *peer, last []byte) []byte {
	for {
		b, _, ok := p.read(time.Millisecond)
		if !ok {
			return last
		}
		last = b
	}
}
