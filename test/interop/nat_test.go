//go:build interop

package interop

import (
	"fmt"
	"net"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"
)

// TestPhoneBehindANAT: a phone in a network of its own, behind a router that masquerades, registers
// and says nothing more for longer than the router remembers. It is called all the same, and each
// side hears the other; then it calls itself.
func TestPhoneBehindANAT(t *testing.T) {
	t.Parallel()
	if !mayNamespace(t) {
		t.Skip("TestPhoneBehindAProxyThatRewritesPorts stands in for it")
	}
	public, router, home := newNamespace(t, "public"), newNamespace(t, "router"), newNamespace(t, "home")
	home.wire("inside", "10.77.0.2/24", router, "lan", "10.77.0.1/24")
	router.wire("wan", "172.31.77.2/24", public, "outside", "172.31.77.1/24")
	run(t, "ip", "-n", home.name, "route", "add", "default", "via", "10.77.0.1")
	router.masquerade("wan")

	srv := serve(t, setup{config: twoUsers, listen: []string{"udp://172.31.77.1:0"}, in: public})
	alice, bob := chirp(300, 3000, 120*time.Second), chirp(3000, 400, 120*time.Second)
	a := newSoftphoneIn(t, home, "10.77.0.2", alice)
	b := newSoftphoneIn(t, public, "172.31.77.1", bob)
	began := time.Now()
	a.login(t, account{user: "1001", password: "first-secret", domain: srv.udp, register: true})
	b.login(t, account{user: "1002", password: "second-secret", domain: srv.udp, register: true})
	boundElsewhere(t, srv, "1001", "10.77.0.2", "172.31.77.2")

	stillReached(t, a, began.Add(35*time.Second))
	b.call(t, srv.uri("1001"))
	bothHear(t, b, a, bob, alice)
}

// stillReached waits until it is so late and the server has shown the router twice that the
// phone is there.
func stillReached(t *testing.T, s *softphone, late time.Time) {
	t.Helper()
	deadline := time.Now().Add(2 * time.Minute)
	for strings.Count(s.out.String(), "OPTIONS sip:") < 2 || time.Now().Before(late) {
		if time.Now().After(deadline) {
			t.Fatal("no OPTIONS comes through the router")
		}
		time.Sleep(100 * time.Millisecond)
	}
}

// bothHear compares what two phones in a call hear with what they say, and hangs up.
func bothHear(t *testing.T, caller, callee *softphone, callerSays, calleeSays []int16) {
	t.Helper()
	caller.hears(t, 3*time.Second)
	callee.hears(t, 3*time.Second)
	byCaller := caller.heard(t)
	byCallee := callee.heard(t)
	holds(t, "what the caller heard", byCaller, second(calleeSays, 1), second(callerSays, 1))
	holds(t, "what the callee heard", byCallee, second(callerSays, 1), second(calleeSays, 1))
}

// boundElsewhere checks that a user's contact says one address and was registered from another.
func boundElsewhere(t *testing.T, srv *server, user, says, from string) {
	t.Helper()
	var rows []map[string]any
	eventually(t, user+"'s registration is kept", func() bool {
		rows = srv.records(t, `select * from bindings where "user" = ?`, user)
		return len(rows) == 1
	})
	uri, source := fmt.Sprint(rows[0]["uri"]), fmt.Sprint(rows[0]["source"])
	_, port, _ := strings.Cut(source, ":")
	if !strings.Contains(uri, "@"+says+":") || !strings.HasPrefix(source, from+":") || strings.Contains(uri, ":"+port) {
		t.Errorf("%s is bound as %s from %s", user, uri, source)
	}
}

// TestPhoneBehindAProxyThatRewritesPorts: where nobody may make a network, a proxy for UDP stands
// between: the server sees its ports, not the phone's, and only what comes from the server gets
// through to the phone.
func TestPhoneBehindAProxyThatRewritesPorts(t *testing.T) {
	t.Parallel()
	srv := serve(t, setup{config: twoUsers + trustNobody})
	at := rewritePorts(t, srv.udp)
	alice, bob := chirp(300, 3000, 60*time.Second), chirp(3000, 400, 60*time.Second)
	a, b := newSoftphone(t, alice), newSoftphone(t, bob)
	a.login(t, account{user: "1001", password: "first-secret", domain: at, register: true})
	b.login(t, account{user: "1002", password: "second-secret", domain: srv.udp, register: true})
	boundElsewhere(t, srv, "1001", "127.0.0.1", "127.0.0.1")
	b.call(t, srv.uri("1001"))
	bothHear(t, b, a, bob, alice)
}

// rewritePorts sends what comes to the address that it returns on to a server, from a port of its
// own for each sender, and back.
func rewritePorts(t *testing.T, server netip.AddrPort) netip.AddrPort {
	t.Helper()
	loopback := &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)}
	inside, err := net.ListenUDP("udp", loopback)
	if err != nil {
		t.Fatal(err)
	}
	var mu sync.Mutex
	outside := map[netip.AddrPort]*net.UDPConn{}
	t.Cleanup(func() {
		inside.Close()
		mu.Lock()
		defer mu.Unlock()
		for _, c := range outside {
			c.Close()
		}
	})
	door := func(from netip.AddrPort) *net.UDPConn {
		mu.Lock()
		defer mu.Unlock()
		if c := outside[from]; c != nil {
			return c
		}
		c, err := net.DialUDP("udp", loopback, net.UDPAddrFromAddrPort(server))
		if err != nil {
			t.Error(err)
			return nil
		}
		outside[from] = c
		go forward(c.Read, func(b []byte) { inside.WriteToUDPAddrPort(b, from) })
		return c
	}
	go func() {
		var from netip.AddrPort
		read := func(b []byte) (n int, err error) {
			n, from, err = inside.ReadFromUDPAddrPort(b)
			return n, err
		}
		forward(read, func(b []byte) {
			if c := door(from); c != nil {
				c.Write(b)
			}
		})
	}()
	return inside.LocalAddr().(*net.UDPAddr).AddrPort()
}

// forward hands on what is read until that fails.
func forward(read func([]byte) (int, error), to func([]byte)) {
	b := make([]byte, 65536)
	for {
		n, err := read(b)
		if err != nil {
			return
		}
		to(b[:n])
	}
}
