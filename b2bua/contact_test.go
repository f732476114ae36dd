package b2bua

import (
	"context"
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/emiago/sipgo/sip"

	"tandem/b2bua/registrar"
)

// ringing dials a user and returns when that has ended.
func ringing(ctx context.Context, c *Call) error {
	_, _ = c.BridgeTo(ctx, []string{"user:1001"}, DialOptions{})
	return nil
}

// RFC 3327: the INVITE goes back through the proxies that the REGISTER came through.
func TestPathIsTheRoute(t *testing.T) {
	inWorld(t, ringing, func(w *world) {
		proxy, caller := w.peer(1), w.peer(2)
		res := proxy.registers("1001", "first", "Path: <sip:token@edge.example;lr>, <sip:10.0.1.9;lr>", "Supported: path", "Contact: <sip:1001@192.168.1.5>")
		if got := headersOf(res, "Path"); res.StatusCode != 200 || strings.Join(got, ",") != "<sip:token@edge.example;lr>, <sip:10.0.1.9;lr>" {
			t.Errorf("%d with Path %q", res.StatusCode, got)
		}
		caller.send("INVITE", "1001", caller.body)
		proxy.fresh()
		invite := proxy.request(sip.INVITE)
		if got := headersOf(invite, "Route"); strings.Join(got, ",") != "<sip:token@edge.example;lr>,<sip:10.0.1.9;lr>" {
			t.Errorf("Route %q", got)
		}
		if invite.Recipient.String() != "sip:1001@192.168.1.5" {
			t.Errorf("Request-URI %s", invite.Recipient.String())
		}
		proxy.answer(invite, 486, "b", "")
		proxy.request(sip.ACK)
	}, guardedFor("10.0.1.2/32"))
}

// guardedFor is guarded with one source that is trusted.
func guardedFor(prefix string) func(*Options) {
	return func(o *Options) {
		guarded(o)
		o.ACL = trusting(netip.MustParsePrefix(prefix))
	}
}

// The proxy's connection has gone: its address is asked for a way, whatever host the Path names.
func TestPathOutlivesTheConnection(t *testing.T) {
	inWorld(t, ringing, func(w *world) {
		l, err := w.net.Listen(netip.MustParseAddrPort("10.0.1.1:5070"))
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		x := w.wire("tcp", 1)
		register := func(extra string) string {
			return fmt.Sprintf("REGISTER sip:%[1]s SIP/2.0\r\nVia: SIP/2.0/TCP 10.0.1.1;branch=z9hG4bK%[2]d\r\nFrom: <sip:1001@%[1]s>;tag=1\r\nTo: <sip:1001@%[1]s>\r\n"+
				"Call-ID: r\r\nCSeq: %[2]d REGISTER\r\nContact: <sip:1001@192.168.1.5;transport=tcp>\r\nPath: <sip:edge.example:5070;transport=tcp;lr>\r\n%[3]sContent-Length: 0\r\n\r\n",
				w.addr, len(extra)+1, extra)
		}
		x.send(register(""))
		r, _ := x.next(time.Second)
		x.send(register(authorization(t, r.text, "REGISTER", "sip:"+w.addr.String(), "1001", "first")))
		if r, _ = x.next(time.Second); r.code != 200 {
			t.Fatalf("got %s", r.text)
		}
		x.close()
		synctest.Wait()
		caller := w.peer(2)
		caller.send("INVITE", "1001", caller.body)
		conn, err := l.Accept()
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		buf := make([]byte, 8192)
		_ = conn.SetReadDeadline(time.Now().Add(time.Minute))
		n, err := conn.Read(buf)
		if err != nil || !strings.HasPrefix(string(buf[:n]), "INVITE sip:1001@192.168.1.5;transport=tcp SIP/2.0\r\n") ||
			!strings.Contains(string(buf[:n]), "Route: <sip:edge.example:5070;transport=tcp;lr>\r\n") {
			t.Errorf("%v, got %s", err, buf[:n])
		}
		caller.response(100)
		caller.send("CANCEL", "1001", "")
	}, guardedFor("10.0.1.2/32"))
}

// RFC 5626: of the flows of one phone the best is taken, and the 200 says that we know how.
func TestOutbound(t *testing.T) {
	inWorld(t, ringing, func(w *world) {
		a, b, other, caller := w.peer(1), w.peer(3), w.peer(4), w.peer(2)
		contact := func(p *peer, instance string, id int) string {
			return fmt.Sprintf(`Contact: <sip:1001@%s;ob>;+sip.instance="<urn:uuid:%s>";reg-id=%d`, p.addr, instance, id)
		}
		res := a.registers("1001", "first", contact(a, "1", 1), "Supported: path, outbound")
		for name, want := range map[string]string{"Require": "outbound", "Supported": "path, outbound", "Flow-Timer": "120"} {
			if got, _ := headerOf(res, name); got != want {
				t.Errorf("%s: %q, want %q", name, got, want)
			}
		}
		time.Sleep(time.Second)
		b.registers("1001", "first", contact(b, "1", 2), "Supported: outbound", "Require: outbound")
		plain := other.registers("1001", "first", contact(other, "2", 1))
		if _, has := headerOf(plain, "Require"); has || len(headersOf(plain, "Contact")) != 3 {
			t.Errorf("a phone without outbound gets %s", plain)
		}
		far := w.peer(5)
		res = far.registers("1001", "first", contact(far, "3", 1), "Supported: outbound", "Via: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bKx")
		if res.StatusCode != 439 {
			t.Errorf("through a proxy that cannot find the phone again: %d", res.StatusCode)
		}
		caller.send("INVITE", "1001", caller.body)
		for _, p := range []*peer{b, other} {
			p.fresh()
			p.answer(p.request(sip.INVITE), 486, "b", "")
			p.request(sip.ACK)
		}
		a.silent(time.Second)
	}, guardedFor("10.0.1.2/32"))
}

// Two contacts ring at once, each where it registered from, whatever address it names.
func TestContactsAreReachedWhereTheyRegisteredFrom(t *testing.T) {
	inWorld(t, ringing, func(w *world) {
		a, b, caller := w.peer(1), w.peer(3), w.peer(2)
		for _, p := range []*peer{a, b} {
			if res := p.registers("1001", "first", "Contact: <sip:1001@192.168.1.5:5062>"); res.StatusCode != 200 {
				t.Fatal(res)
			}
		}
		caller.send("INVITE", "1001", caller.body)
		for _, p := range []*peer{a, b} {
			p.fresh()
			p.answer(p.request(sip.INVITE), 486, "b", "")
			p.request(sip.ACK)
		}
	}, guardedFor("10.0.1.2/32"))
}

func TestContactsBehindNATAreKeptAlive(t *testing.T) {
	inWorld(t, ringing, func(w *world) {
		inside, open := w.peer(1), w.peer(3)
		inside.registers("1001", "first", "Contact: <sip:1001@192.168.1.5:5062;line=a>")
		open.registers("1002", "second")
		inside.fresh()
		last := time.Now()
		for n := range 4 {
			ping := inside.request(sip.OPTIONS)
			if ping.Recipient.String() != "sip:1001@192.168.1.5:5062;line=a" {
				t.Errorf("OPTIONS for %s", ping.Recipient.String())
			}
			if d := time.Since(last); n > 0 && d != 25*time.Second || d > 25*time.Second {
				t.Errorf("ping %d after %v", n, d)
			}
			last = time.Now()
			inside.answer(ping, 200, "x", "")
		}
		open.silent(time.Minute)
		synctest.Wait()
		if n := w.server.Counts(); n.ClientTransactions != 0 {
			t.Errorf("pings keep %d transactions", n.ClientTransactions)
		}
	}, guarded, func(o *Options) {
		o.Registrar = registrar.New(registrar.Options{KeepAlive: 25 * time.Second, Ping: KeepAlive})
	})
}
