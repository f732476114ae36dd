package transaction_test

import (
	"bufio"
	"context"
	"errors"
	"net"
	"net/netip"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/emiago/sipgo/sip"

	"tandem/b2bua/transaction"
	"tandem/b2bua/transport"
)

// dialIn connects to the layer by TCP.
func (r *rig) dialIn() net.Conn {
	r.Helper()
	c, err := r.net.Dial(r.Context(), netip.MustParseAddr("127.0.0.1"), netip.MustParseAddrPort("127.0.0.1:5060"))
	if err != nil {
		r.Fatal(err)
	}
	r.Cleanup(func() { c.Close() })
	return c
}

// line reads the start line of the next message, which has no body.
func (r *rig) line(b *bufio.Reader) string {
	r.Helper()
	first, err := b.ReadString('\n')
	if err != nil {
		r.Fatal(err)
	}
	for {
		s, err := b.ReadString('\n')
		if err != nil {
			r.Fatal(err)
		}
		if s == "\r\n" {
			return strings.TrimSpace(first)
		}
	}
}

func tcp(s string) string { return strings.Replace(s, "SIP/2.0/UDP", "SIP/2.0/TCP", 1) }

func TestReliableServerResendsNothing(t *testing.T) {
	t.Parallel()
	inBubble(t, func(r *rig) {
		c := r.dialIn()
		b := bufio.NewReader(c)
		write(t, c, tcp(theirs("INVITE", "z9hG4bK1")))
		r.respond(486)
		r.want("response", r.line(b), "SIP/2.0 486 Reason")
		time.Sleep(31 * time.Second)
		write(t, c, tcp(theirsTo("ACK", "z9hG4bK1", "<sip:alice@127.0.0.1>;tag=we")))
		write(t, c, tcp(theirs("OPTIONS", "z9hG4bK2")))
		r.respond(200)
		r.want("nothing between", r.line(b), "SIP/2.0 200 Reason")
		// Timers I and J are zero.
		r.wantEmpty()
		r.want("user", r.user.seen(), "INVITE | end <nil> | OPTIONS | end <nil>")
		c.Close()
		synctest.Wait()
	})
}

func write(t *testing.T, c net.Conn, s string) {
	t.Helper()
	if _, err := c.Write([]byte(s)); err != nil {
		t.Fatal(err)
	}
	synctest.Wait()
}

func TestDeadConnectionEndsItsTransactions(t *testing.T) {
	t.Parallel()
	inBubble(t, func(r *rig) {
		ln, err := r.net.Listen(netip.MustParseAddrPort("127.0.0.1:5080"))
		if err != nil {
			t.Fatal(err)
		}
		f, err := r.tl.Connect(context.Background(), transport.Target{Proto: transport.TCP, Addr: netip.MustParseAddrPort("127.0.0.1:5080")})
		if err != nil {
			t.Fatal(err)
		}
		c, err := ln.Accept()
		if err != nil {
			t.Fatal(err)
		}
		if _, err := r.tx.Send(f, ourRequest(sip.INVITE), r.user); err != nil {
			t.Fatal(err)
		}
		write(t, c, tcp(theirs("INFO", "z9hG4bK1")))
		c.Close()
		synctest.Wait()
		if got := r.user.seen(); got != "INFO | end EOF | end EOF | flow closed" {
			t.Error(got)
		}
		r.wantEmpty()
		if _, err := r.tx.Send(f, ourRequest(sip.BYE), r.user); !errors.Is(err, transport.ErrClosed) {
			t.Errorf("sending on a dead flow: %v", err)
		}
		r.wantEmpty()
		ln.Close()
	})
}

func TestReliableClientInvite(t *testing.T) {
	t.Parallel()
	inBubble(t, func(r *rig) {
		ln, err := r.net.Listen(netip.MustParseAddrPort("127.0.0.1:5080"))
		if err != nil {
			t.Fatal(err)
		}
		defer ln.Close()
		f, err := r.tl.Connect(context.Background(), transport.Target{Proto: transport.TCP, Addr: netip.MustParseAddrPort("127.0.0.1:5080")})
		if err != nil {
			t.Fatal(err)
		}
		c, err := ln.Accept()
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		tx, err := r.tx.Send(f, ourRequest(sip.INVITE), r.user)
		if err != nil {
			t.Fatal(err)
		}
		b := bufio.NewReader(c)
		r.want("sent", r.line(b), "INVITE sip:bob@127.0.0.1:5070 SIP/2.0")
		write(t, c, answer(tx.Request(), 603, "a"))
		r.want("sent", r.line(b), "ACK sip:bob@127.0.0.1:5070 SIP/2.0")
		r.wantEmpty() // timer D is zero
		if _, err := r.tx.Send(f, ourRequest(sip.OPTIONS), r.user); err != nil {
			t.Fatal(err)
		}
		r.want("sent", r.line(b), "OPTIONS sip:bob@127.0.0.1:5070 SIP/2.0")
		time.Sleep(33 * time.Second)
		r.want("user", r.user.seen(), "603 | end <nil> | end transaction timed out")
		r.wantEmpty()
	})
}

func TestLoopCarriesACallToOurselves(t *testing.T) {
	t.Parallel()
	inBubble(t, func(r *rig) {
		r.user.request = func(s *transaction.Server) {
			if !s.Flow().IsLoop() {
				t.Error("not marked as looped")
			}
			for _, code := range []int{100, 180, 183, 200} {
				if err := s.Respond(transaction.NewResponse(s.Request(), code, "Reason", "we")); err != nil {
					t.Error(err)
				}
			}
		}
		if _, err := r.tx.Send(r.tl.Loop(), ourRequest(sip.INVITE), r.user); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		r.want("user", r.user.seen(), "INVITE | 100 | 180 | 183 | 200")
		time.Sleep(time.Minute)
		r.want("user", r.user.seen(), "INVITE | 100 | 180 | 183 | 200 | end <nil> | end <nil>")
		r.wantEmpty()
	})
}

func TestLossyNetworkStillCompletes(t *testing.T) {
	t.Parallel()
	inBubble(t, func(r *rig) {
		var count atomic.Int64
		r.net.SetHook(func(transport.Datagram) transport.Verdict {
			n := count.Add(1)
			return transport.Verdict{Drop: n%4 == 0, Twice: n%2 == 0, Delay: time.Duration(n%7) * 30 * time.Millisecond}
		})
		far := r.farLayer()
		done := make(chan error, 20)
		for range cap(done) {
			if _, err := r.tx.Send(r.flow2(far), ourRequest(sip.OPTIONS), ender(func(err error) { done <- err })); err != nil {
				t.Fatal(err)
			}
		}
		for range cap(done) {
			if err := <-done; err != nil {
				t.Error(err)
			}
		}
		time.Sleep(time.Minute)
		r.wantEmpty()
		far.Close()
	})
}

type ender func(error)

func (e ender) HandleResponse(*transaction.Client, *sip.Response) {}
func (e ender) HandleEnd(_ *transaction.Client, err error)        { e(err) }

// farLayer is a second stack on the same network that answers 200 to all.
func (r *rig) farLayer() *transport.Layer {
	r.Helper()
	tl, err := transport.New(transport.Options{Network: r.net, Log: quiet(), Listen: []transport.Endpoint{endpoint(r.T, "udp://127.0.0.1:5090")}})
	if err != nil {
		r.Fatal(err)
	}
	u := &user{request: func(s *transaction.Server) {
		_ = s.Respond(transaction.NewResponse(s.Request(), 200, "OK", "far"))
	}}
	tl.Serve(transaction.New(transaction.Options{Transport: tl, Handler: u, Log: quiet()}))
	return tl
}

func (r *rig) flow2(far *transport.Layer) transport.Flow {
	r.Helper()
	e := far.Endpoints()[0]
	f, err := r.tl.Connect(context.Background(), transport.Target{Proto: e.Proto, Addr: e.Addr})
	if err != nil {
		r.Fatal(err)
	}
	return f
}
