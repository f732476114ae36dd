package transport

import (
	"errors"
	"io"
	"net"
	"net/netip"
	"os"
	"testing"
	"testing/synctest"
	"time"
)

// dialled runs f in a bubble with a connection that we opened to a peer of the test's own.
func dialled(t *testing.T, o Options, f func(t *testing.T, l *Layer, b *inbox, far net.Conn, flow Flow)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		n := NewMemory()
		o.Network = n
		b := newInbox()
		l := serve(t, o, b, "tcp://127.0.0.1:5060")
		ln, err := n.Listen(mustAddrPort("127.0.0.1:5070"))
		if err != nil {
			t.Fatal(err)
		}
		flow, err := l.Connect(t.Context(), target(TCP, mustAddrPort("127.0.0.1:5070")))
		if err != nil {
			t.Fatal(err)
		}
		far, err := ln.Accept()
		if err != nil {
			t.Fatal(err)
		}
		f(t, l, b, far, flow)
		far.Close()
		ln.Close()
		l.Close()
	})
}

// pinged waits for a ping and tells when it came.
func pinged(t *testing.T, far net.Conn) time.Time {
	t.Helper()
	_ = far.SetReadDeadline(time.Time{})
	b := make([]byte, 100)
	n, err := far.Read(b)
	if err != nil || string(b[:n]) != "\r\n\r\n" {
		t.Fatalf("%q, %v", b[:n], err)
	}
	return time.Now()
}

func TestDialledConnectionsArePinged(t *testing.T) {
	t.Parallel()
	dialled(t, Options{IdleTimeout: 24 * time.Hour}, func(t *testing.T, _ *Layer, b *inbox, far net.Conn, flow Flow) {
		last := time.Now()
		for range 20 {
			now := pinged(t, far)
			// RFC 5626 §4.4.1: 95 to 120 s, and not always the same.
			if d := now.Sub(last); d < 95*time.Second || d > 120*time.Second {
				t.Errorf("pinged after %v", d)
			}
			last = now
			time.Sleep(5 * time.Second)
			put(t, far, "\r\n")
		}
		pinged(t, far)
		start := time.Now() // this one stays without an answer
		if err := <-b.closed; !errors.Is(err, errNoPong) || flow.Alive() {
			t.Errorf("ended with %v", err)
		}
		if d := time.Since(start); d < pongTimeout || d > pongTimeout+lingerTime {
			t.Errorf("closed %v after the ping", d)
		}
	})
}

// TestPeersThatKnowNoPongKeepTheirConnections: RFC 5626 obliges only who agreed to it.
func TestPeersThatKnowNoPongKeepTheirConnections(t *testing.T) {
	t.Parallel()
	dialled(t, Options{IdleTimeout: 24 * time.Hour}, func(t *testing.T, _ *Layer, b *inbox, far net.Conn, flow Flow) {
		for range 20 {
			pinged(t, far)
		}
		put(t, far, streamed("z9hG4bK1")) // and are heard all the same
		if m := b.next(t); m.Err != nil || m.Flow != flow {
			t.Errorf("%v over %v", m.Err, m.Flow)
		}
	})
}

func TestOurPingsDoNotKeepAnIdleConnection(t *testing.T) {
	t.Parallel()
	dialled(t, Options{IdleTimeout: 10 * time.Minute}, func(t *testing.T, _ *Layer, b *inbox, far net.Conn, _ Flow) {
		start := time.Now()
		done := make(chan struct{})
		go func() {
			defer close(done)
			buf := make([]byte, 100)
			for {
				if _, err := far.Read(buf); err != nil {
					return
				}
				if _, err := io.WriteString(far, "\r\n"); err != nil {
					return
				}
			}
		}()
		if err := <-b.closed; !errors.Is(err, errIdle) {
			t.Errorf("ended with %v", err)
		}
		if d := time.Since(start); d < 10*time.Minute || d > 11*time.Minute {
			t.Errorf("after %v", d)
		}
		far.Close()
		<-done
	})
}

// TestPingsCrossing: both sides ping at once; line ends alone tell which is which.
func TestPingsCrossing(t *testing.T) {
	t.Parallel()
	dialled(t, Options{IdleTimeout: 24 * time.Hour}, func(t *testing.T, _ *Layer, b *inbox, far net.Conn, flow Flow) {
		for range 5 {
			pinged(t, far)
			put(t, far, "\r\n\r\n"+"\r\n") // theirs, and their answer to ours
			if got := get(t, far, "\r\n"); got != "\r\n" {
				t.Errorf("our answer is %q", got)
			}
		}
		put(t, far, streamed("z9hG4bK1"))
		b.next(t)
		if !flow.Alive() {
			t.Error("the connection ended")
		}
	})
}

func TestAcceptedStreamsAreNotPinged(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		n := NewMemory()
		b := newInbox().echo()
		l := serve(t, Options{Network: n, IdleTimeout: time.Hour}, b, "tcp://127.0.0.1:5060")
		c, err := n.Dial(t.Context(), netip.Addr{}, l.Endpoints()[0].Addr)
		if err != nil {
			t.Fatal(err)
		}
		put(t, c, streamed("z9hG4bK1"))
		get(t, c, "SIP/2.0 200")
		_ = c.SetReadDeadline(time.Now().Add(50 * time.Minute))
		if k, err := c.Read(make([]byte, 100)); k > 0 || !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("%d bytes, %v", k, err)
		}
		c.Close()
		l.Close()
	})
}
