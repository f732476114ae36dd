package transport

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/coder/websocket"
	"github.com/emiago/sipgo/sip"
)

// browser opens a WebSocket as a page of origin does; "" for a program that is none.
func browser(t testing.TB, url, origin string, client *http.Client) (*websocket.Conn, error) {
	t.Helper()
	header := http.Header{}
	if origin != "" {
		header.Set("Origin", origin)
	}
	ctx, cancel := context.WithTimeout(background(), 10*time.Second)
	defer cancel()
	ws, res, err := websocket.Dial(ctx, url, &websocket.DialOptions{HTTPClient: client, HTTPHeader: header, Subprotocols: []string{"sip"}})
	if err != nil {
		if res != nil {
			err = fmt.Errorf("%d: %w", res.StatusCode, err)
		}
		return nil, err
	}
	t.Cleanup(func() { _ = ws.CloseNow() })
	return ws, nil
}

func overWS(via string) string { return request("WS", via+";branch=z9hG4bK1;rport", "") }

func wsPut(t testing.TB, ws *websocket.Conn, kind websocket.MessageType, s string) {
	t.Helper()
	if err := ws.Write(background(), kind, []byte(s)); err != nil {
		t.Fatal(err)
	}
}

func wsGet(t testing.TB, ws *websocket.Conn) (websocket.MessageType, string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(background(), 10*time.Second)
	defer cancel()
	kind, b, err := ws.Read(ctx)
	if err != nil {
		t.Fatal(err)
	}
	return kind, string(b)
}

func TestWebSocketCarriesOneMessageAFrame(t *testing.T) {
	t.Parallel()
	a := newAuthority(t)
	b := newInbox().echo()
	l := serve(t, Options{Security: a.security("localhost", "127.0.0.1")}, b, "ws://127.0.0.1:0", "wss://127.0.0.1:0", "ws://[::1]:0")
	https := &http.Client{Transport: &http.Transport{TLSClientConfig: a.client("localhost")}}
	for _, e := range l.Endpoints() {
		ws, err := browser(t, fmt.Sprintf("%s://%s/any/path", e.Proto, e.Addr), "", https)
		if err != nil {
			t.Fatal(err)
		}
		if ws.Subprotocol() != "sip" {
			t.Errorf("subprotocol %q", ws.Subprotocol())
		}
		// RFC 7118 §5.1: a browser does not know its address.
		text := strings.Replace(overWS("df7jal23ls0d.invalid"), "/WS ", "/"+e.Proto.Via()+" ", 1)
		for _, kind := range []websocket.MessageType{websocket.MessageText, websocket.MessageBinary} {
			wsPut(t, ws, kind, text)
			got, answer := wsGet(t, ws)
			if got != websocket.MessageText || !strings.HasPrefix(answer, "SIP/2.0 200") {
				t.Errorf("kind %v: %.60q", got, answer)
			}
			m := b.next(t)
			if m.Flow.Proto() != e.Proto || !m.Flow.OneWay() || !m.Flow.Reliable() || m.Flow.Advertised() != e.Addr {
				t.Errorf("%v, advertised %v", m.Flow, m.Flow.Advertised())
			}
			if via := m.Msg.Via(); via.Host != "df7jal23ls0d.invalid" || via.Value() == "" {
				t.Errorf("Via %v", via)
			}
			if v, _ := m.Msg.Via().Params.Get("received"); v != m.Flow.Remote().Addr().String() {
				t.Errorf("received=%s", v)
			}
			// What cannot stand in a text frame goes in a binary one.
			req := m.Msg.(*sip.Request)
			if err := m.Flow.Send(sip.NewResponseFromRequest(req, 200, "OK", []byte("\xff\xfe"))); err != nil {
				t.Fatal(err)
			}
			if got, answer := wsGet(t, ws); got != websocket.MessageBinary || !strings.HasSuffix(answer, "\xff\xfe") {
				t.Errorf("kind %v: %.60q", got, answer)
			}
		}
	}
}

// TestWebSocketPeerIsReachedOverItsConnectionOnly: nobody can open a WebSocket to a browser.
func TestWebSocketPeerIsReachedOverItsConnectionOnly(t *testing.T) {
	t.Parallel()
	b := newInbox()
	l := serve(t, Options{ConnectTimeout: time.Second}, b, "ws://127.0.0.1:0")
	ws, err := browser(t, "ws://"+l.Endpoints()[0].Addr.String(), "", nil)
	if err != nil {
		t.Fatal(err)
	}
	wsPut(t, ws, websocket.MessageText, overWS("x.invalid"))
	m := b.next(t)
	req := m.Msg.(*sip.Request)
	if f, err := l.Response(req, m.Flow); err != nil || f != m.Flow {
		t.Errorf("%v, %v", f, err)
	}
	if err := m.Flow.Send(req); err != nil { // a request of ours goes the same way
		t.Fatal(err)
	}
	if _, got := wsGet(t, ws); !strings.HasPrefix(got, "OPTIONS ") {
		t.Errorf("%.60q", got)
	}
	if _, err := l.Resolve(background(), uri(t, "sip:alice@x.invalid;transport=ws")); err == nil {
		t.Error("a name that cannot be was resolved")
	}
	_ = ws.Close(websocket.StatusNormalClosure, "")
	b.flowEnd(t)
	if _, err := l.Response(req, m.Flow); !errors.Is(err, ErrClosed) {
		t.Errorf("a response for a browser that has gone: %v", err)
	}
}

func TestWebSocketHandshake(t *testing.T) {
	t.Parallel()
	const key = "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
	const head = "GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n" + key
	l := serve(t, Options{}, newInbox().echo(), "ws://127.0.0.1:0")
	for name, c := range map[string]struct{ send, want string }{
		"right":                {head + "Sec-WebSocket-Protocol: chat, SIP\r\n\r\n", "HTTP/1.1 101 "},
		"no subprotocol":       {head + "\r\n", "HTTP/1.1 400 "},
		"another subprotocol":  {head + "Sec-WebSocket-Protocol: chat\r\n\r\n", "HTTP/1.1 400 "},
		"a web browser":        {"GET / HTTP/1.1\r\nHost: x\r\n\r\n", "HTTP/1.1 426 "},
		"POST":                 {strings.Replace(head, "GET", "POST", 1) + "Sec-WebSocket-Protocol: sip\r\n\r\n", "HTTP/1.1 405 "},
		"old version":          {strings.Replace(head, "13", "8", 1) + "Sec-WebSocket-Protocol: sip\r\n\r\n", "HTTP/1.1 400 "},
		"SIP":                  {streamed("z9hG4bK1"), "HTTP/1.1 400 "},
		"garbage":              {"\x16\x03\x01\r\n\r\n", "HTTP/1.1 400 "},
		"endless header":       {head + "X: " + strings.Repeat("y", 100_000), "HTTP/1.1 400 "},
		"masked frame missing": {head + "Sec-WebSocket-Protocol: sip\r\n\r\n\x81\x02hi", "HTTP/1.1 101 "},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c1 := dialTCP(t, l.Endpoints()[0].Addr)
			go func() { _, _ = io.WriteString(c1, c.send) }()
			got := get(t, c1, "\r\n\r\n")
			if !strings.HasPrefix(got, c.want) {
				t.Errorf("got %.200q, want %q", got, c.want)
			}
			if name != "right" {
				wantEOF(t, c1)
			}
		})
	}
}

func TestWebSocketOrigin(t *testing.T) {
	t.Parallel()
	a := newAuthority(t)
	l := serve(t, Options{
		Domain: "example.com", Origins: []string{"https://*.allowed.example", "https://one.example:8443"}, Security: a.security("localhost"),
	}, newInbox(), "ws://127.0.0.1:0", "wss://127.0.0.1:0")
	for _, c := range []struct {
		proto        Proto
		origin, host string
		want         bool
	}{
		{WS, "", "pbx.example.net", true}, // no browser
		{WS, "https://example.com", "sip.example.com", true},
		{WS, "http://EXAMPLE.com:8000", "sip.example.com", true},
		{WS, "https://evil.example", "sip.example.com", false},
		{WS, "https://a.allowed.example", "sip.example.com", true},
		{WS, "http://a.allowed.example", "sip.example.com", false},
		{WS, "https://one.example:8443", "sip.example.com", true},
		{WS, "https://one.example", "sip.example.com", false},
		{WS, "http://127.0.0.1:3000", "127.0.0.1:5066", true},
		{WS, "http://localhost:3000", "127.0.0.1:5066", true},
		{WS, "http://192.0.2.1", "192.0.2.1:5066", true},
		{WS, "http://192.0.2.2", "192.0.2.1:5066", false},
		{WS, "http://rebound.example", "rebound.example:5066", false}, // DNS rebinding
		{WSS, "https://pbx.example.net", "pbx.example.net:5067", true},
		{WSS, "https://evil.example", "pbx.example.net:5067", false},
		{WS, "null", "127.0.0.1:5066", false},
		{WS, "file://", "127.0.0.1:5066", false},
		{WS, "::", "127.0.0.1:5066", false},
	} {
		req := &http.Request{Host: c.host, Header: http.Header{}}
		if c.origin != "" {
			req.Header.Set("Origin", c.origin)
		}
		if err := l.checkOrigin(req, c.proto); (err == nil) != c.want {
			t.Errorf("%s of %s from a page of %q: %v", c.proto, c.host, c.origin, err)
		}
	}
	if _, err := browser(t, "ws://"+l.Endpoints()[0].Addr.String(), "https://evil.example", nil); err == nil || !strings.HasPrefix(err.Error(), "403") {
		t.Errorf("got %v", err)
	}
	if _, err := browser(t, "ws://"+l.Endpoints()[0].Addr.String(), "http://localhost:3000", nil); err != nil {
		t.Error(err)
	}
	l.SetOrigins([]string{"*"})
	if _, err := browser(t, "ws://"+l.Endpoints()[0].Addr.String(), "https://evil.example", nil); err != nil {
		t.Error(err)
	}
}

func TestWebSocketKeepAlives(t *testing.T) {
	t.Parallel()
	b := newInbox().echo()
	l := serve(t, Options{}, b, "ws://127.0.0.1:0")
	ws, err := browser(t, "ws://"+l.Endpoints()[0].Addr.String(), "", nil)
	if err != nil {
		t.Fatal(err)
	}
	wsPut(t, ws, websocket.MessageText, "\r\n\r\n")
	if _, got := wsGet(t, ws); got != "\r\n" {
		t.Errorf("pong is %q", got)
	}
	wsPut(t, ws, websocket.MessageText, "\r\n") // a pong nobody asked for
	wsPut(t, ws, websocket.MessageText, "garbage")
	wsPut(t, ws, websocket.MessageText, "\r\n"+overWS("x.invalid"))
	if _, got := wsGet(t, ws); !strings.HasPrefix(got, "SIP/2.0 200") {
		t.Errorf("%q", got)
	}
	ctx := ws.CloseRead(background())
	if err := ws.Ping(ctx); err != nil {
		t.Errorf("our ping was not answered: %v", err)
	}
	if n := l.Counts(); n.Dropped != 1 || n.Received != 1 || n.Conns != 1 {
		t.Errorf("%+v", n)
	}
}

// webSocketBubble has a layer and a browser on a memory network, in virtual time.
func webSocketBubble(t *testing.T, o Options, f func(t *testing.T, b *inbox, nc net.Conn, ws *websocket.Conn)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		n := NewMemory()
		o.Network = n
		b := newInbox().echo()
		l := serve(t, o, b, "ws://127.0.0.1:5066")
		nc, err := n.Dial(t.Context(), netip.Addr{}, l.Endpoints()[0].Addr)
		if err != nil {
			t.Fatal(err)
		}
		ws, err := browser(t, "ws://127.0.0.1:5066", "", &http.Client{Transport: upgrader{nc}})
		if err != nil {
			t.Fatal(err)
		}
		f(t, b, nc, ws)
		nc.Close()
		l.Close()
	})
}

func TestWebSocketServerPingsAndHangsUpOnSilence(t *testing.T) {
	t.Parallel()
	webSocketBubble(t, Options{IdleTimeout: time.Hour}, func(t *testing.T, b *inbox, nc net.Conn, ws *websocket.Conn) {
		wsPut(t, ws, websocket.MessageText, overWS("x.invalid"))
		wsGet(t, ws)
		ctx, stop := context.WithCancel(t.Context())
		defer stop()
		start := time.Now()
		go func() { // reads, and so answers pings, for ten minutes
			_, _, _ = ws.Read(ctx)
		}()
		time.Sleep(10 * time.Minute)
		select {
		case err := <-b.closed:
			t.Fatalf("closed after %v: %v", time.Since(start), err)
		default:
		}
		stop() // the browser goes
		if err := <-b.closed; err == nil {
			t.Error("it ended without a reason")
		}
	})
}

func TestWebSocketSilentPeerIsClosed(t *testing.T) {
	t.Parallel()
	webSocketBubble(t, Options{IdleTimeout: time.Hour}, func(t *testing.T, b *inbox, nc net.Conn, ws *websocket.Conn) {
		wsPut(t, ws, websocket.MessageText, overWS("x.invalid"))
		wsGet(t, ws)
		start := time.Now() // nobody reads any more: no pong
		if err := <-b.closed; !errors.Is(err, errNoPong) {
			t.Errorf("ended with %v", err)
		}
		if d := time.Since(start); d < 24*time.Second+pongTimeout || d > pingWebSocket+pongTimeout+time.Second {
			t.Errorf("after %v", d)
		}
	})
}

func TestWebSocketTimeouts(t *testing.T) {
	t.Parallel()
	webSocketBubble(t, Options{MessageTimeout: 10 * time.Second}, func(t *testing.T, b *inbox, nc net.Conn, ws *websocket.Conn) {
		start := time.Now()
		<-b.closed
		if d := time.Since(start); d < 10*time.Second || d > 11*time.Second {
			t.Errorf("a WebSocket that never said anything closed after %v", d)
		}
	})
	webSocketBubble(t, Options{MessageTimeout: 10 * time.Second}, func(t *testing.T, b *inbox, nc net.Conn, ws *websocket.Conn) {
		wsPut(t, ws, websocket.MessageText, overWS("x.invalid"))
		wsGet(t, ws)
		start := time.Now()
		part := "OPTIONS sip:a@b SIP/2.0\r\n"
		put(t, nc, "\x01"+string([]byte{0x80 | byte(len(part))})+"\x00\x00\x00\x00"+part) // a text frame, masked with zeros, and not the last one
		if err := <-b.closed; !errors.Is(err, errHalf) {
			t.Errorf("ended with %v", err)
		}
		if d := time.Since(start); d < 10*time.Second || d > 11*time.Second {
			t.Errorf("half a message closed after %v", d)
		}
	})
}

func TestWebSocketCaps(t *testing.T) {
	t.Parallel()
	b := newInbox().echo()
	l := serve(t, Options{MaxConnsPerSource: 2, MaxMessage: 10_000}, b, "ws://127.0.0.1:0")
	url := "ws://" + l.Endpoints()[0].Addr.String()
	ws, err := browser(t, url, "", nil)
	if err != nil {
		t.Fatal(err)
	}
	dialTCP(t, l.Endpoints()[0].Addr) // one that never shakes hands counts
	waitFor(t, "two connections", func() bool { return l.Counts().Conns == 2 })
	if _, err := browser(t, url, "", nil); err == nil {
		t.Error("a third was let in")
	}
	wsPut(t, ws, websocket.MessageText, request("WS", "x.invalid;branch=z9hG4bK1", strings.Repeat("x", 9_000)))
	wsGet(t, ws)
	_ = ws.Write(background(), websocket.MessageText, make([]byte, 10_001))
	if _, _, err := ws.Read(background()); websocket.CloseStatus(err) != websocket.StatusMessageTooBig {
		t.Errorf("got %v", err)
	}
	if err := b.flowEnd(t); !errors.Is(err, ErrTooLarge) {
		t.Errorf("ended with %v", err)
	}
}

func TestWebSocketDialled(t *testing.T) {
	t.Parallel()
	a := newAuthority(t)
	theirs := newInbox().echo()
	far := serve(t, Options{Security: a.security("far.example.com")}, theirs, "ws://127.0.0.1:0", "wss://127.0.0.1:0", "tcp://127.0.0.1:0")
	in := newInbox()
	l := serve(t, Options{Security: a.security("us.example.com"), ConnectTimeout: time.Second}, in, "udp://127.0.0.1:0")
	for _, e := range far.Endpoints()[:2] {
		f, err := l.Connect(background(), Target{Proto: e.Proto, Addr: e.Addr, Host: "far.example.com"})
		if err != nil {
			t.Fatal(err)
		}
		msg, _ := parseText(overWS("x.invalid"))
		if err := f.Send(msg); err != nil {
			t.Fatal(err)
		}
		if m := in.next(t); m.Flow != f || f.OneWay() {
			t.Errorf("%v, %v", m.Flow, f)
		}
		theirs.next(t)
	}
	if _, err := l.Connect(background(), Target{Proto: WSS, Addr: far.Endpoints()[1].Addr, Host: "evil.example.com"}); err == nil {
		t.Error("a certificate for another host was taken")
	}
	if _, err := l.Connect(background(), Target{Proto: WS, Addr: far.Endpoints()[2].Addr}); err == nil {
		t.Error("connected by WebSocket to a TCP listener")
	}
	far.Close()
	in.flowEnd(t)
	in.flowEnd(t)
}

func TestWebSocketCloseIsPolite(t *testing.T) {
	t.Parallel()
	b := newInbox()
	l := serve(t, Options{}, b, "ws://127.0.0.1:0")
	ws, err := browser(t, "ws://"+l.Endpoints()[0].Addr.String(), "", nil)
	if err != nil {
		t.Fatal(err)
	}
	wsPut(t, ws, websocket.MessageText, overWS("x.invalid"))
	m := b.next(t)
	for range 20 {
		if err := m.Flow.Send(sip.NewResponseFromRequest(m.Msg.(*sip.Request), 200, "OK", nil)); err != nil {
			t.Fatal(err)
		}
	}
	start := time.Now()
	go l.Close()
	for range 20 {
		wsGet(t, ws)
	}
	if _, _, err := ws.Read(background()); websocket.CloseStatus(err) != websocket.StatusGoingAway {
		t.Errorf("got %v", err)
	}
	if d := time.Since(start); d > 3*time.Second {
		t.Errorf("closing took %v", d)
	}
}
