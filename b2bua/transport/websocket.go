package transport

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"strings"

	"github.com/coder/websocket"
)

// subprotocol is SIP's name on a WebSocket (RFC 7118 §4.1).
const subprotocol = "sip"

// maxUpgrade bounds the HTTP messages that open a WebSocket, in bytes.
const maxUpgrade = 16 << 10

// webSocket tells whether the protocol runs over a WebSocket.
func (p Proto) webSocket() bool { return p == WS || p == WSS }

// OneWay tells whether the peer can be reached over this flow alone: it opened a WebSocket to
// us, which nobody can open to it (RFC 7118 §5.1).
func (f Flow) OneWay() bool {
	c, ok := f.link.(*conn)
	return ok && c.accepted && c.p.webSocket()
}

// acceptWebSocket answers the request that opens a WebSocket. The connection's timer bounds it.
func (c *conn) acceptWebSocket() error {
	br := bufio.NewReader(io.LimitReader(c.nc, maxUpgrade))
	w := &upgrade{nc: c.nc, br: br, header: http.Header{}}
	req, err := http.ReadRequest(br)
	if err != nil {
		http.Error(w, "not an HTTP request that I can read", http.StatusBadRequest)
		return err
	}
	if err := c.l.checkOrigin(req, c.p); err != nil {
		http.Error(w, err.Error(), http.StatusForbidden)
		return err
	}
	// Without the header it is no WebSocket, which Accept answers.
	if offered := req.Header.Values("Sec-WebSocket-Protocol"); req.Header.Get("Upgrade") != "" && !listed(offered, subprotocol) {
		http.Error(w, "this WebSocket speaks the subprotocol sip only", http.StatusBadRequest)
		return errors.New("WebSocket without the subprotocol sip")
	}
	ws, err := websocket.Accept(w, req, &websocket.AcceptOptions{
		Subprotocols:       []string{subprotocol},
		InsecureSkipVerify: true, // checkOrigin knows better
		OnPingReceived:     c.pinged,
	})
	if err != nil {
		return err
	}
	ws.SetReadLimit(int64(c.l.o.MaxMessage))
	now := c.l.o.Clock.Now()
	c.mu.Lock()
	defer c.mu.Unlock()
	c.ws = ws
	c.keep.start(c, now)
	return nil
}

// dialWebSocket opens a WebSocket to c.host, or to the address where there is no name. Which
// path serves SIP a URI cannot tell; it is the root with most.
func (c *conn) dialWebSocket(ctx context.Context) error {
	host := netip.AddrPortFrom(c.remote.Addr().WithZone(""), c.remote.Port()).String()
	if c.host != "" {
		host = net.JoinHostPort(c.host, fmt.Sprint(c.remote.Port()))
	}
	stop := context.AfterFunc(ctx, func() { c.raw.Close() })
	defer stop()
	ws, _, err := websocket.Dial(ctx, "ws://"+host+"/", &websocket.DialOptions{
		HTTPClient:     &http.Client{Transport: upgrader{c.nc}},
		Subprotocols:   []string{subprotocol},
		OnPingReceived: c.pinged,
	})
	if err != nil {
		return err
	}
	if ws.Subprotocol() == "" {
		return errors.New("WebSocket without the subprotocol sip")
	}
	ws.SetReadLimit(int64(c.l.o.MaxMessage))
	c.ws = ws
	return nil
}

// pinged notes a peer that keeps its connection alive.
func (c *conn) pinged(context.Context, []byte) bool {
	now := c.l.o.Clock.Now()
	c.mu.Lock()
	defer c.mu.Unlock()
	c.used = now
	return true
}

// readFrames hands over one message a frame, text or binary (RFC 7118 §4.2).
func (c *conn) readFrames() error {
	for {
		_, r, err := c.ws.Reader(context.Background())
		if err != nil {
			return err
		}
		c.touch(false, true)
		b, err := io.ReadAll(r)
		if errors.Is(err, websocket.ErrMessageTooBig) {
			c.l.counts.dropped.Add(1)
			return ErrTooLarge
		}
		if err != nil {
			return err
		}
		c.frame(b)
	}
}

// frame takes one message, or a keep-alive of the kind that streams have (RFC 7118 §6).
func (c *conn) frame(b []byte) {
	msg := bytes.TrimLeft(b, "\r\n")
	if len(msg) > 0 {
		c.l.receive(c.flow(), msg)
	} else if bytes.Equal(b, headEnd) {
		_ = c.put(crlf, false)
	}
	c.touch(len(msg) > 0, false)
}

// listed tells whether a list header names token.
func listed(values []string, token string) bool {
	for _, v := range values {
		for one := range strings.SplitSeq(v, ",") {
			if strings.EqualFold(strings.TrimSpace(one), token) {
				return true
			}
		}
	}
	return false
}

// upgrade is the http.ResponseWriter of a request that opens a WebSocket.
type upgrade struct {
	nc     net.Conn
	br     *bufio.Reader
	header http.Header
	begun  bool
}

func (w *upgrade) Header() http.Header { return w.header }

func (w *upgrade) WriteHeader(code int) {
	if w.begun {
		return
	}
	w.begun = true
	if code != http.StatusSwitchingProtocols {
		w.header.Set("Connection", "close")
	}
	var b bytes.Buffer
	fmt.Fprintf(&b, "HTTP/1.1 %d %s\r\n", code, http.StatusText(code))
	_ = w.header.Write(&b)
	b.Write(crlf)
	_, _ = w.nc.Write(b.Bytes()) // what fails here fails again with the first frame
}

func (w *upgrade) Write(b []byte) (int, error) {
	w.WriteHeader(http.StatusOK)
	return w.nc.Write(b)
}

// Hijack implements http.Hijacker.
func (w *upgrade) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	return w.nc, bufio.NewReadWriter(w.br, bufio.NewWriter(w.nc)), nil
}

// upgrader is an http.RoundTripper on a connection that stands already.
type upgrader struct{ nc net.Conn }

func (u upgrader) RoundTrip(req *http.Request) (*http.Response, error) {
	if err := req.Write(u.nc); err != nil {
		return nil, err
	}
	br := bufio.NewReader(io.LimitReader(u.nc, maxUpgrade))
	res, err := http.ReadResponse(br, req)
	if err != nil {
		return nil, err
	}
	if res.StatusCode == http.StatusSwitchingProtocols {
		early, _ := br.Peek(br.Buffered())
		res.Body = struct {
			io.Reader
			io.WriteCloser
		}{io.MultiReader(bytes.NewReader(early), u.nc), u.nc}
	}
	return res, nil
}
