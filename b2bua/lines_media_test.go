package b2bua

import (
	"bytes"
	"fmt"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/emiago/sipgo/sip"

	"tandem/media"
)

// TestVideoArrives sends RTP through the ports that the two legs were told, and compares
// what leaves towards the callee.
func TestVideoArrives(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		network := media.NewMemory()
		here := netip.MustParseAddr("10.0.1.1")
		var engine, far *media.Engine
		w := newWorld(t, handlerFunc(bobRelayed), func(o *Options) {
			engine, far = mediaOn(t, network), mediaOn(t, network)
			o.Media = engine
		})
		a, b := w.peer(1), w.peer(2)
		camera, err := far.Open(media.SessionOptions{Bind: here, KeepAlive: true})
		if err != nil {
			t.Fatal(err)
		}
		a.body += strings.Replace(videoLine, "5000", fmt.Sprint(camera.LocalAddr().Port()), 1)
		a.calls("200")
		invite := b.request(sip.INVITE)
		toBob := w.describes(invite, "audio video")[1].Port
		b.answer(invite, 200, "b", b.body+videoLine)
		b.request(sip.ACK)
		toAlice := w.describes(a.response(200), "audio video")[1].Port
		a.send("ACK", "200", "")

		var mu sync.Mutex
		var sent, arrived [][]byte
		network.Tap(func(from, to netip.AddrPort, p []byte) {
			mu.Lock()
			defer mu.Unlock()
			switch {
			case from == camera.LocalAddr() && to == netip.AddrPortFrom(w.addr.Addr(), uint16(toAlice)):
				sent = append(sent, bytes.Clone(p))
			case from == netip.AddrPortFrom(w.addr.Addr(), uint16(toBob)) && to == netip.MustParseAddrPort("10.0.1.2:5000"):
				arrived = append(arrived, bytes.Clone(p))
			}
		})
		if _, err := camera.Answer(fmt.Appendf(nil, "v=0\r\no=- 1 1 IN IP4 10.0.0.1\r\ns=-\r\nc=IN IP4 10.0.0.1\r\nt=0 0\r\nm=audio %d RTP/AVP 0\r\n", toAlice)); err != nil {
			t.Fatal(err)
		}
		time.Sleep(2 * time.Second) // virtual
		camera.Close()
		synctest.Wait()
		mu.Lock()
		if len(sent) < 50 || len(arrived) != len(sent) || !bytes.Equal(bytes.Join(sent, nil), bytes.Join(arrived, nil)) {
			t.Errorf("%d datagrams sent, %d arrived", len(sent), len(arrived))
		}
		mu.Unlock()
		a.hangsUp()
		b.hungUp()
		w.close()
		_ = engine.Close()
		_ = far.Close()
	})
}

func mediaOn(t *testing.T, network *media.Memory) *media.Engine {
	e, err := media.New(media.Options{Backend: network, Workers: 1, PortMin: 10000, PortMax: 20000})
	if err != nil {
		t.Fatal(err)
	}
	return e
}
