package transaction_test

import (
	"fmt"
	"net/netip"
	"testing"
	"testing/synctest"
	"time"

	"tandem/b2bua/transaction"
)

// TestSpoofedSourcesLeaveNothing: requests from 30,000 addresses are answered; what each costs
// ends with its transaction. It runs alone: it looks at the whole heap.
func TestSpoofedSourcesLeaveNothing(t *testing.T) {
	inBubble(t, func(r *rig) {
		r.user.request = func(s *transaction.Server) {
			_ = s.Respond(transaction.NewResponse(s.Request(), 401, "Unauthorized", "we"))
			s.OnEnd(func(error) {})
			r.user.mu.Lock()
			r.user.servers, r.user.log = r.user.servers[:0], r.user.log[:0]
			r.user.mu.Unlock()
		}
		sent, most := 0, 0
		round := func() {
			for range 6 {
				for range 1000 {
					sent++
					from := netip.AddrPortFrom(netip.AddrFrom4([4]byte{100, byte(sent >> 16), byte(sent >> 8), byte(sent)}), 5060)
					r.net.Send(from, r.tl.Endpoints()[0].Addr, []byte(theirs("OPTIONS", fmt.Sprintf("z9hG4bK%d", sent))))
				}
				synctest.Wait()
			}
			n, _ := r.tx.Counts()
			most = max(most, n)
			time.Sleep(33 * time.Second)
			r.wantEmpty()
		}
		round() // maps take their size, pools warm up
		before := heap()
		for range 5 {
			round()
		}
		after := heap()
		// A hundred bytes kept of each source would be 3 MB.
		t.Logf("heap %d KiB before, %d KiB after 30,000 sources; %d transactions at most", before>>10, after>>10, most)
		if after > before+2<<20 {
			t.Errorf("the heap grew by %d KiB", (after-before)>>10)
		}
		if n := r.tl.Counts().Received; n != uint64(sent) {
			t.Errorf("%d of %d handled", n, sent)
		}
	})
}
