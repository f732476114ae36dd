package transaction_test

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/emiago/sipgo/sip"

	"tandem/b2bua/transport"
)

// large is a request of ours that no datagram should carry.
func large(method sip.RequestMethod, size int) *sip.Request {
	req := ourRequest(method)
	req.SetBody([]byte(strings.Repeat("v", size)))
	return req
}

// listen accepts TCP connections where the peer is, and gives each to serve.
func (r *rig) listen(serve func(net.Conn)) net.Listener {
	r.Helper()
	ln, err := r.net.Listen(netip.MustParseAddrPort("127.0.0.1:5070"))
	if err != nil {
		r.Fatal(err)
	}
	go func() {
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			serve(c)
		}
	}()
	r.Cleanup(func() { ln.Close() })
	return ln
}

// takes reads whole messages off a stream and answers each request with code, unless it is 0.
func takes(got chan<- *sip.Request, code int) func(net.Conn) {
	return func(c net.Conn) {
		go func() {
			defer c.Close()
			for b := bufio.NewReader(c); ; {
				req, err := readRequest(b)
				if err != nil {
					return
				}
				got <- req
				if req.Method != sip.ACK && code > 0 {
					if _, err := c.Write([]byte(answer(req, code, "far"))); err != nil {
						return
					}
				}
			}
		}()
	}
}

func readRequest(b *bufio.Reader) (*sip.Request, error) {
	var head strings.Builder
	length := 0
	for {
		line, err := b.ReadString('\n')
		if err != nil {
			return nil, err
		}
		head.WriteString(line)
		if name, value, ok := strings.Cut(line, ":"); ok && strings.EqualFold(name, "Content-Length") {
			if _, err := fmt.Sscan(value, &length); err != nil {
				return nil, err
			}
		}
		if line == "\r\n" {
			break
		}
	}
	body := make([]byte, length)
	for n := 0; n < length; {
		k, err := b.Read(body[n:])
		if err != nil {
			return nil, err
		}
		n += k
	}
	msg, err := sip.ParseMessage([]byte(head.String() + string(body)))
	if err != nil {
		return nil, err
	}
	return msg.(*sip.Request), nil
}

func TestLargeRequestGoesByTCP(t *testing.T) {
	t.Parallel()
	inBubble(t, func(r *rig) {
		got := make(chan *sip.Request, 10)
		ln := r.listen(takes(got, 200))
		for _, method := range []sip.RequestMethod{sip.INVITE, sip.MESSAGE} {
			tx, err := r.tx.Send(r.flow(), large(method, 1300), r.user)
			if err != nil {
				t.Fatal(err)
			}
			req := <-got
			via := req.Via()
			if via.Transport != "TCP" || via.Host != "127.0.0.1" || via.Port != 5060 || len(req.GetHeaders("Via")) != 1 {
				t.Errorf("Via %v", via)
			}
			synctest.Wait()
			if tx.Flow().Proto() != transport.TCP || tx.Request().Via().Transport != "TCP" {
				t.Errorf("sent over %v with Via %v", tx.Flow(), tx.Request().Via())
			}
		}
		ack := large(sip.ACK, 1300)
		if err := r.tx.SendAck(r.flow(), ack); err != nil {
			t.Fatal(err)
		}
		if req := <-got; req.Method != sip.ACK || req.Via().Transport != "TCP" {
			t.Errorf("%v with Via %v", req.Method, req.Via())
		}
		if n := r.tl.Counts().Conns; n != 1 {
			t.Errorf("%d connections", n)
		}
		// What fits stays on UDP.
		r.sendRequest(sip.OPTIONS)
		r.want("small", r.peer.names(), "OPTIONS")
		ln.Close()
	})
}

func TestLargeRequestStaysOnUDPWhereItMust(t *testing.T) {
	t.Parallel()
	inBubble(t, func(r *rig) {
		r.listen(func(c net.Conn) { t.Error("a TCP connection was made"); c.Close() })
		fixed, err := r.tl.Connect(r.Context(), transport.Target{Proto: transport.UDP, Addr: netip.MustParseAddrPort("127.0.0.1:5070"), Fixed: true})
		if err != nil {
			t.Fatal(err)
		}
		r.peer.send(theirs("OPTIONS", "z9hG4bK1")) // where a phone registered from
		came := r.user.last().Flow()
		r.respond(200)
		r.peer.take()
		for _, f := range []transport.Flow{fixed, came} {
			if _, err := r.tx.Send(f, large(sip.MESSAGE, 20_000), r.user); err != nil {
				t.Fatal(err)
			}
			a := r.peer.take()
			if len(a) != 1 || len(a[0].msg.Body()) != 20_000 || a[0].msg.Via().Transport != "UDP" {
				t.Fatalf("%v", a)
			}
			r.peer.send(answer(a[0].msg, 200, "far"))
		}
		r.want("user", r.user.seen(), "OPTIONS | 200 | end <nil> | 200 | end <nil>")
	})
}

// TestLargeRequestWhereTCPIsRefused: at once by UDP, which is remembered.
func TestLargeRequestWhereTCPIsRefused(t *testing.T) {
	t.Parallel()
	inBubble(t, func(r *rig) {
		if _, err := r.tx.Send(r.flow(), large(sip.MESSAGE, 1300), r.user); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		a := r.peer.take()
		if len(a) != 1 || a[0].at != 0 || a[0].msg.Via().Transport != "UDP" {
			t.Fatalf("%v", a)
		}
		// It is resent as any datagram is.
		time.Sleep(600 * time.Millisecond)
		r.want("resent", r.peer.times(), "MESSAGE@500ms")
		r.peer.send(answer(a[0].msg, 200, "far"))
		r.want("user", r.user.seen(), "200 | end <nil>")
		// For ten minutes nobody asks again, though TCP would work now.
		got := make(chan *sip.Request, 10)
		r.listen(takes(got, 200))
		time.Sleep(9 * time.Minute)
		if _, err := r.tx.Send(r.flow(), large(sip.MESSAGE, 1300), r.user); err != nil {
			t.Fatal(err)
		}
		r.want("soon after", r.peer.names(), "MESSAGE")
		time.Sleep(2 * time.Minute)
		if _, err := r.tx.Send(r.flow(), large(sip.MESSAGE, 1300), r.user); err != nil {
			t.Fatal(err)
		}
		if req := <-got; req.Via().Transport != "TCP" {
			t.Errorf("Via %v", req.Via())
		}
	})
}

// holdNetwork never finishes a dial.
type holdNetwork struct{ *transport.Memory }

func (holdNetwork) Dial(ctx context.Context, _ netip.Addr, _ netip.AddrPort) (net.Conn, error) {
	<-ctx.Done()
	return nil, ctx.Err()
}

// TestLargeRequestWhereTCPIsSwallowed: a firewall that drops costs two seconds, once.
func TestLargeRequestWhereTCPIsSwallowed(t *testing.T) {
	t.Parallel()
	inBubbleOn(t, func(m *transport.Memory) transport.Network { return holdNetwork{m} }, func(r *rig) {
		for range 2 {
			if _, err := r.tx.Send(r.flow(), large(sip.INVITE, 1300), r.user); err != nil {
				t.Fatal(err)
			}
			time.Sleep(2100 * time.Millisecond)
			a := r.peer.take()
			if len(a) == 0 || a[0].at != 2*time.Second && a[0].at != 2100*time.Millisecond || a[0].msg.Via().Transport != "UDP" {
				t.Fatalf("%v", a)
			}
			r.peer.send(answer(a[0].msg, 486, "far"))
			r.want("ACK by UDP", r.peer.names(), "ACK")
		}
	})
}

// TestLargeRequestWhereTCPHangsUp: what answers on the port speaks no SIP.
func TestLargeRequestWhereTCPHangsUp(t *testing.T) {
	t.Parallel()
	inBubble(t, func(r *rig) {
		r.listen(func(c net.Conn) {
			_, _ = c.Read(make([]byte, 10))
			c.Close()
		})
		tx, err := r.tx.Send(r.flow(), large(sip.INVITE, 1300), r.user)
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Second)
		a := r.peer.take()
		if len(a) == 0 || a[0].msg.Via().Transport != "UDP" || tx.Flow().Proto() != transport.UDP {
			t.Fatalf("%v over %v", a, tx.Flow())
		}
		r.peer.send(answer(a[0].msg, 180, "far"))
		if err := tx.Cancel(); err != nil {
			t.Fatal(err)
		}
		r.want("CANCEL goes the same way", r.peer.names(), "CANCEL")
		r.peer.send(answer(a[0].msg, 487, "far"))
		r.want("ACK", r.peer.names(), "ACK")
		r.want("user", r.user.seen(), "flow closed | 180 | 487 | end <nil>")
	})
}

// TestLargeRequestCancelledAndTimedOut: CANCEL and ACK follow the INVITE, and a peer that takes
// the connection and says nothing is given up as ever.
func TestLargeRequestCancelledAndTimedOut(t *testing.T) {
	t.Parallel()
	inBubble(t, func(r *rig) {
		got := make(chan *sip.Request, 10)
		var conn net.Conn
		r.listen(func(c net.Conn) {
			conn = c
			takes(got, 0)(c)
		})
		tx, err := r.tx.Send(r.flow(), large(sip.INVITE, 1300), r.user)
		if err != nil {
			t.Fatal(err)
		}
		invite := <-got
		if err := tx.Cancel(); err != nil { // waits for a provisional
			t.Fatal(err)
		}
		write(t, conn, answer(invite, 180, "far"))
		cancel := <-got
		if cancel.Method != sip.CANCEL || cancel.Via().Value() != invite.Via().Value() {
			t.Errorf("%s with %v, INVITE with %v", cancel.Method, cancel.Via(), invite.Via())
		}
		write(t, conn, answer(cancel, 200, "far"))
		write(t, conn, answer(invite, 487, "far"))
		if ack := <-got; ack.Method != sip.ACK {
			t.Errorf("%s", ack.Method)
		}
		r.want("user", r.user.seen(), "180 | 487 | end <nil>")
		if _, err := r.tx.Send(r.flow(), large(sip.MESSAGE, 1300), r.user); err != nil {
			t.Fatal(err)
		}
		<-got
		time.Sleep(33 * time.Second)
		r.want("user", r.user.seen(), "180 | 487 | end <nil> | end transaction timed out")
		r.wantEmpty()
	})
}

// TestLargeRequestWhenTheLayerCloses: closing while a connection is sought ends the transaction.
func TestLargeRequestWhenTheLayerCloses(t *testing.T) {
	t.Parallel()
	inBubbleOn(t, func(m *transport.Memory) transport.Network { return holdNetwork{m} }, func(r *rig) {
		if _, err := r.tx.Send(r.flow(), large(sip.MESSAGE, 1300), r.user); err != nil {
			t.Fatal(err)
		}
		r.tl.Close()
		r.wantEmpty()
		r.want("user", r.user.seen(), "end connection closed")
	})
}
