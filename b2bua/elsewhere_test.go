package b2bua

import (
	"context"
	"net"
	"net/netip"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/emiago/sipgo/sip"
	"github.com/miekg/dns"

	"tandem/b2bua/transport"
)

// inNamedWorld is inWorld with a name server that knows peers 2 and 3 as two.example, in that
// order.
func inNamedWorld(t *testing.T, h handlerFunc, test func(w *world)) {
	n := transport.NewMemory()
	at := netip.MustParseAddrPort("10.0.0.53:53")
	inWorld(t, h, func(w *world) {
		w.net = n
		pc, err := n.ListenPacket(at)
		if err != nil {
			t.Fatal(err)
		}
		done := make(chan struct{})
		go func() {
			defer close(done)
			answerNames(pc)
		}()
		defer func() { pc.Close(); <-done }()
		test(w)
	}, func(o *Options) {
		_ = o.Transport.Close()
		var err error
		o.Transport, err = transport.New(transport.Options{Network: n, Log: o.Log, DNS: []netip.AddrPort{at}, Listen: []transport.Endpoint{
			{Proto: transport.UDP, Addr: serverAddr}, {Proto: transport.TCP, Addr: serverAddr}}})
		if err != nil {
			t.Fatal(err)
		}
	})
}

// answerNames is a name server.
func answerNames(pc net.PacketConn) {
	zone := map[uint16][]string{
		dns.TypeSRV: {"_sip._udp.two.example. 600 IN SRV 10 0 5060 p2.example.", "_sip._udp.two.example. 600 IN SRV 20 0 5060 p3.example."},
		dns.TypeA:   {"p2.example. 600 IN A 10.0.1.2", "p3.example. 600 IN A 10.0.1.3"},
	}
	buf := make([]byte, 4096)
	for {
		n, from, err := pc.ReadFrom(buf)
		if err != nil {
			return
		}
		q := new(dns.Msg)
		if q.Unpack(buf[:n]) != nil {
			continue
		}
		m := new(dns.Msg).SetReply(q)
		for _, text := range zone[q.Question[0].Qtype] {
			if rr, err := dns.NewRR(text); err == nil && strings.EqualFold(rr.Header().Name, q.Question[0].Name) {
				m.Answer = append(m.Answer, rr)
			}
		}
		b, err := m.Pack()
		if err == nil {
			_, _ = pc.WriteTo(b, from)
		}
	}
}

func dialTwo(ctx context.Context, c *Call) error {
	_, err := c.BridgeTo(ctx, []string{"sip:x@two.example"}, DialOptions{})
	return err
}

// talk answers the INVITE that p gets, and ends the call.
func talk(w *world, a, p *peer) *sip.Request {
	w.t.Helper()
	req := p.request(sip.INVITE)
	p.answer(req, 200, "b", p.body)
	p.request(sip.ACK)
	a.response(200)
	a.send("ACK", "", "")
	a.send("BYE", "", "")
	p.hungUp()
	a.response(200)
	return req
}

func TestSilentTargetGivesWayToTheNext(t *testing.T) {
	inNamedWorld(t, dialTwo, func(w *world) {
		a, first, second := w.peer(1), w.peer(2), w.peer(3)
		a.calls("700")
		start := time.Now()
		lost := first.request(sip.INVITE)
		req := talk(w, a, second)
		if d := time.Since(start); d < signLimit || d > signLimit+time.Second {
			t.Errorf("the next was tried after %v", d)
		}
		// RFC 3263 §4.3: the same request with another branch.
		if req.CallID().Value() != lost.CallID().Value() || req.CSeq().SeqNo != lost.CSeq().SeqNo || req.From().Value() != lost.From().Value() ||
			req.Via().Value() == lost.Via().Value() {
			t.Errorf("first\n%s\nthen\n%s", lost, req)
		}
		if legs := w.last().Legs; len(legs) != 2 || legs[1].Remote != "10.0.1.3:5060" {
			t.Errorf("%+v", legs)
		}
	})
}

func TestRefusingTargetGivesWayAndIsRemembered(t *testing.T) {
	inNamedWorld(t, dialTwo, func(w *world) {
		a, first, second := w.peer(1), w.peer(2), w.peer(3)
		a.calls("700")
		start := time.Now()
		first.answer(first.request(sip.INVITE), 503, "x", "", "Retry-After: 120")
		first.request(sip.ACK)
		talk(w, a, second)
		if d := time.Since(start); d > time.Second {
			t.Errorf("the next was tried after %v", d)
		}
		again := w.peer(4)
		again.calls("700")
		talk(w, again, second)
		first.silent(time.Second)
		time.Sleep(2 * time.Minute)
		third := w.peer(5)
		third.calls("700")
		talk(w, third, first)
	})
}

func TestLastTargetsFailureIsTheLegs(t *testing.T) {
	inNamedWorld(t, dialTwo, func(w *world) {
		a, first, second := w.peer(1), w.peer(2), w.peer(3)
		a.calls("700")
		for _, p := range []*peer{first, second} {
			p.answer(p.request(sip.INVITE), 503, "x", "")
			p.request(sip.ACK)
		}
		if res, ok := a.recv().(*sip.Response); !ok || res.StatusCode != 503 {
			t.Errorf("got\n%s", res)
		}
		a.refused()
	})
}

func TestTargetThatRingsOrRefusesIsTheOne(t *testing.T) {
	inNamedWorld(t, dialTwo, func(w *world) {
		a, first, second := w.peer(1), w.peer(2), w.peer(3)
		a.calls("700")
		req := first.request(sip.INVITE)
		first.answer(req, 100, "", "")
		second.silent(2 * signLimit)
		first.answer(req, 486, "x", "")
		first.request(sip.ACK)
		second.silent(time.Second)
		if res, ok := a.recv().(*sip.Response); !ok || res.StatusCode != 486 {
			t.Errorf("got\n%s", res)
		}
		a.refused()
	})
}

// TestTargetThatWakesUpLate: it answers the INVITE that was given up, and is told that nobody
// wants it any more.
func TestTargetThatWakesUpLate(t *testing.T) {
	inNamedWorld(t, dialTwo, func(w *world) {
		a, first, second := w.peer(1), w.peer(2), w.peer(3)
		a.calls("700")
		lost := first.request(sip.INVITE)
		req := second.request(sip.INVITE)
		second.answer(req, 200, "b", second.body)
		second.request(sip.ACK)
		a.response(200)
		a.send("ACK", "", "")
		first.answer(lost, 200, "late", first.body)
		for got := map[sip.RequestMethod]bool{}; !got[sip.ACK] || !got[sip.BYE]; {
			r, ok := first.recv().(*sip.Request)
			if !ok {
				t.Fatal("not a request")
			}
			got[r.Method] = true
			if r.Method == sip.BYE {
				first.answer(r, 200, "", "")
			}
		}
		a.send("BYE", "", "")
		second.hungUp()
		a.response(200)
		synctest.Wait()
	})
}

func TestCallerWhoGivesUpWhileATargetIsSought(t *testing.T) {
	inNamedWorld(t, dialTwo, func(w *world) {
		a, first, second := w.peer(1), w.peer(2), w.peer(3)
		a.calls("700")
		first.request(sip.INVITE)
		second.request(sip.INVITE)
		a.send("CANCEL", "700", "")
		a.response(200)
		a.response(487)
		a.refused()
	})
}
