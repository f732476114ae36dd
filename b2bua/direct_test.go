package b2bua

import (
	"context"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/emiago/sipgo/sip"
)

func bobDirectly(ctx context.Context, c *Call) error {
	_, err := c.BridgeTo(ctx, []string{"sip:bob@10.0.1.2"}, DialOptions{Direct: true})
	return err
}

// names fails unless the SDP of m tells the address of p, and no other's.
func (w *world) names(m sip.Message, p *peer) {
	w.t.Helper()
	body := string(m.Body())
	if !strings.Contains(body, "c=IN IP4 "+p.addr.Addr().String()) || strings.Contains(body, "IN IP4 "+w.addr.Addr().String()) {
		w.t.Errorf("media not at %s:\n%s", p.addr.Addr(), m)
	}
}

func TestDirectMedia(t *testing.T) {
	inWorld(t, bobDirectly, func(w *world) {
		a, b := w.peer(1), w.peer(2)
		a.calls("200")
		invite := b.request(sip.INVITE)
		w.names(invite, a)
		b.answer(invite, 183, "b", b.body)
		w.names(a.response(183), b)
		b.answer(invite, 200, "b", b.body)
		b.request(sip.ACK)
		w.names(a.response(200), b)
		a.send("ACK", "200", "")
		if _, used := w.engine.Ports(); used != 0 {
			t.Errorf("%d ports in use", used)
		}
		synctest.Wait()

		// A re-INVITE is carried over, and so is its answer.
		a.send("INVITE", "", a.body+"a=sendonly\r\n")
		re := b.request(sip.INVITE)
		w.names(re, a)
		if !strings.Contains(string(re.Body()), "a=sendonly") || re.CSeq().SeqNo != 2 {
			t.Errorf("carried over as:\n%s", re)
		}
		b.answer(re, 200, "", b.body+"a=recvonly\r\n")
		b.request(sip.ACK)
		res := a.response(200)
		w.names(res, b)
		if !strings.Contains(string(res.Body()), "a=recvonly") {
			t.Errorf("answered with:\n%s", res)
		}
		a.send("ACK", "", "")
		synctest.Wait()

		b.send("UPDATE", "", b.body)
		carried := a.request(sip.INVITE)
		w.names(carried, b)
		a.answer(carried, 488, "", "")
		a.request(sip.ACK)
		if res := b.recv().(*sip.Response); res.StatusCode != 488 {
			t.Errorf("UPDATE answered with %d", res.StatusCode)
		}
		a.hangsUp()
		b.hungUp()
		if r := w.last(); r.Legs[1].MediaMode != "direct" || r.Call.Flags != "" {
			t.Errorf("record: %+v", r)
		}
	})
}

func TestDirectMediaLateOffer(t *testing.T) {
	inWorld(t, bobDirectly, func(w *world) {
		a, b := w.peer(1), w.peer(2)
		a.send("INVITE", "200", "")
		a.response(100)
		invite := b.request(sip.INVITE)
		if len(invite.Body()) != 0 {
			t.Errorf("an offer nobody made:\n%s", invite)
		}
		b.answer(invite, 200, "b", b.body)
		w.names(a.response(200), b)
		b.silent(100 * time.Millisecond) // the ACK waits for the answer
		a.send("ACK", "200", a.body)
		w.names(b.request(sip.ACK), a)
		a.hangsUp()
		b.hungUp()
	})
}

func TestDirectMediaOfAnAnsweredCaller(t *testing.T) {
	h := func(ctx context.Context, c *Call) error {
		if err := c.Answer(ctx, nil); err != nil {
			return nil
		}
		if err := c.Leg().Sleep(ctx, time.Second); err != nil {
			return nil
		}
		if err := bobDirectly(ctx, c); err != nil {
			return err
		}
		_, _ = c.Leg().Play(ctx, nil, PlayOptions{}) // media come back to us
		_ = c.Leg().Sleep(ctx, 2*time.Second)
		return nil
	}
	inWorld(t, h, func(w *world) {
		a, b := w.peer(1), w.peer(2)
		a.talks("200")
		invite := b.request(sip.INVITE)
		w.names(invite, a)
		b.answer(invite, 200, "b", b.body)
		b.request(sip.ACK)
		re := a.request(sip.INVITE)
		w.names(re, b)
		a.answer(re, 200, "", a.body)
		a.request(sip.ACK)
		synctest.Wait()
		b.send("BYE", "", "")
		b.response(200)
		back := a.request(sip.INVITE)
		if !strings.Contains(string(back.Body()), "c=IN IP4 10.0.0.1") {
			t.Errorf("media not taken back:\n%s", back)
		}
		a.answer(back, 200, "", a.body)
		a.request(sip.ACK)
		a.hungUp()
	})
}
