package b2bua

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/emiago/sipgo/sip"
)

// TestEarlyDialogsEachWithItsMedia: a proxy behind us lets two phones ring, each with a sound of
// its own. The last one that speaks is heard, and in the end the one that answers.
func TestEarlyDialogsEachWithItsMedia(t *testing.T) {
	inWorld(t, toBob, func(w *world) {
		a, b := w.peer(1), w.peer(2)
		both := "RTP/AVP 0 8 101"
		a.body = strings.Replace(a.body, "RTP/AVP 0 101", both, 1)
		a.calls("200")
		invite := b.request(sip.INVITE)
		codec := func() string {
			synctest.Wait()
			for _, l := range w.server.Calls(w.t.Context())[0].Legs {
				if l.Role == "b" {
					return l.Codec
				}
			}
			return ""
		}
		mulaw := b.body
		alaw := strings.NewReplacer("RTP/AVP 0 101", "RTP/AVP 8 101", "a=rtpmap:0 PCMU/8000", "a=rtpmap:8 PCMA/8000").Replace(b.body)
		tags := map[string]bool{}
		heard := func(res *sip.Response) {
			tag, _ := res.To().Params.Get("tag")
			tags[tag] = true
		}
		b.answer(invite, 183, "one", mulaw)
		heard(a.response(183))
		if got := codec(); !strings.EqualFold(got, "pcmu") {
			t.Errorf("after the first: %s", got)
		}
		b.answer(invite, 183, "two", alaw)
		heard(a.response(183))
		if got := codec(); !strings.EqualFold(got, "pcma") {
			t.Errorf("after the second: %s", got)
		}
		b.answer(invite, 200, "one", mulaw)
		if ack := b.request(sip.ACK); !strings.Contains(ack.To().Value(), "tag=one") {
			t.Errorf("ACK:\n%s", ack)
		}
		heard(a.response(200))
		if got := codec(); !strings.EqualFold(got, "pcmu") {
			t.Errorf("after the answer: %s", got)
		}
		if len(tags) != 1 {
			t.Errorf("the caller has seen %d dialogs of ours", len(tags)) // one each, RFC 3261 §12.1
		}
		a.send("ACK", "", "")
		a.hangsUp()
		b.hungUp()
	})
}

// TestRingingReachesTheCaller as it came, and 199 does not: another fork may still answer.
func TestRingingReachesTheCaller(t *testing.T) {
	inWorld(t, toBob, func(w *world) {
		a, b := w.peer(1), w.peer(2)
		a.calls("200")
		invite := b.request(sip.INVITE)
		for _, code := range []int{180, 181, 182} {
			b.answer(invite, code, fmt.Sprint("b", code), "")
			a.response(code)
		}
		b.answer(invite, 199, "b180", "") // RFC 6228 §4: that early dialog has ended
		b.answer(invite, 200, "b182", b.body)
		b.request(sip.ACK)
		a.response(200)
		a.send("ACK", "", "")
		talking(a, b)
	})
}
