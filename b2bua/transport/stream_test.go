package transport

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/emiago/sipgo/sip"
)

func textLog(w io.Writer) *slog.Logger { return slog.New(slog.NewTextHandler(w, nil)) }

func TestEachTCPListenerAnswersOnTheConnection(t *testing.T) {
	t.Parallel()
	l := serve(t, Options{}, newInbox().echo(), "tcp://127.0.0.1:0", "tcp://127.0.0.2:0", "tcp://[::1]:0")
	for _, e := range l.Endpoints() {
		c := dialTCP(t, e.Addr)
		put(t, c, streamed("z9hG4bK1"))
		get(t, c, "SIP/2.0 200")
	}
}

func TestStreamMessagesInPieces(t *testing.T) {
	t.Parallel()
	b := newInbox()
	l := serve(t, Options{}, b, "tcp://127.0.0.1:0")
	c := dialTCP(t, l.Endpoints()[0].Addr)
	large := request("TCP", "127.0.0.1;branch=z9hG4bKlarge", strings.Repeat("v=0\r\n\r\n", 9400))
	folded := strings.Replace(streamed("z9hG4bKfold"), "From: ", "Subject: one\r\n two\r\nFrom: ", 1)
	text := "\r\n" + streamed("z9hG4bK1") + "\r\n" + large + folded + streamed("z9hG4bK2")
	if len(large) < 64<<10 {
		t.Fatalf("only %d bytes", len(large))
	}
	go func() {
		for len(text) > 0 { // sizes that cut everywhere, in the middle of line ends too
			n := min(len(text), 1+len(text)%1461)
			if _, err := io.WriteString(c, text[:n]); err != nil {
				return
			}
			text = text[n:]
		}
	}()
	for _, want := range []string{"z9hG4bK1", "z9hG4bKlarge", "z9hG4bKfold", "z9hG4bK2"} {
		m := b.next(t)
		if branch, _ := m.Msg.Via().Params.Get("branch"); branch != want || m.Err != nil {
			t.Errorf("got %s, %v; want %s", branch, m.Err, want)
		}
		if want == "z9hG4bKlarge" && len(m.Msg.Body()) != 65800 {
			t.Errorf("body of %d bytes", len(m.Msg.Body()))
		}
		if h := m.Msg.(*sip.Request).GetHeader("subject"); want == "z9hG4bKfold" && (h == nil || h.Value() != "one two") {
			t.Errorf("folded header: %v", h)
		}
	}
}

func TestLargeResponsesOnTCP(t *testing.T) {
	t.Parallel()
	b := newInbox()
	body := strings.Repeat("x", 60<<10)
	b.on = func(m *Incoming) {
		_ = m.Flow.Send(sip.NewResponseFromRequest(m.Msg.(*sip.Request), 200, "OK", []byte(body)))
	}
	l := serve(t, Options{}, b, "tcp://127.0.0.1:0")
	c := dialTCP(t, l.Endpoints()[0].Addr)
	put(t, c, streamed("z9hG4bK1"))
	get(t, c, "\r\n\r\n"+body)
}

func TestPingPong(t *testing.T) {
	t.Parallel()
	l := serve(t, Options{}, newInbox().echo(), "tcp://127.0.0.1:0")
	c := dialTCP(t, l.Endpoints()[0].Addr)
	put(t, c, "\r\n\r\n")
	if got := get(t, c, "\r\n"); got != "\r\n" {
		t.Errorf("pong is %q", got)
	}
	// A ping cut in two, then a single line end before a message, which is no ping.
	put(t, c, "\r")
	put(t, c, "\n\r\n\r\n"+streamed("z9hG4bK1"))
	if got := get(t, c, "\r\n\r\n"); !strings.HasPrefix(got, "\r\nSIP/2.0 200") {
		t.Errorf("got %q", got)
	}
}

// TestBadStreams: what cannot be framed is answered if it can be and costs its connection;
// what is merely wrong costs nothing.
func TestBadStreams(t *testing.T) {
	t.Parallel()
	ok := streamed("z9hG4bK1")
	without := func(header string) string {
		i := strings.Index(ok, header)
		return ok[:i] + ok[i+strings.Index(ok[i:], "\r\n")+2:]
	}
	l := serve(t, Options{MaxMessage: 70000}, newInbox().echo(), "tcp://127.0.0.1:0")
	for name, c := range map[string]struct {
		send, want string
		ends       bool
	}{
		"HTTP":                    {"GET / HTTP/1.1\r\nHost: x\r\n\r\n", "", true},
		"binary":                  {strings.Repeat("\x00\xff\x16\x03", 30000), "", true},
		"first line without end":  {strings.Repeat("a", 80000), "", true},
		"no Content-Length":       {without("Content-Length"), "SIP/2.0 400", true},
		"negative Content-Length": {strings.Replace(ok, "Length: 0", "Length: -1", 1), "SIP/2.0 400", true},
		"giant Content-Length":    {strings.Replace(ok, "Length: 0", "Length: 4294967295", 1), "SIP/2.0 400", true},
		"two Content-Lengths":     {strings.Replace(ok, "Content-Length: 0", "l: 5\r\nContent-Length: 0", 1), "SIP/2.0 400", true},
		"too large":               {strings.Replace(ok, "Length: 0", "Length: 70000", 1) + strings.Repeat("x", 70000), "SIP/2.0 400", true},
		"header flood":            {strings.Replace(ok, "From:", strings.Repeat("X: y\r\n", 40000)+"From:", 1), "", true},
		"no From":                 {without("From") + ok, "SIP/2.0 400", false},
		"bad line":                {strings.Replace(ok, "From:", "no colon here\r\nFrom:", 1), "SIP/2.0 400", false},
		"bad URI":                 {strings.Replace(ok, "sip:alice@127.0.0.1 SIP", "<sip:alice@127.0.0.1> SIP", 1), "SIP/2.0 400", false},
		"NULs":                    {strings.Replace(ok, "From:", "X: \x00\x00\r\nFrom:", 1), "SIP/2.0 400", false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			conn := dialTCP(t, l.Endpoints()[0].Addr)
			go io.WriteString(conn, c.send) // may fail: the far end hangs up in the middle
			if !c.ends {
				get(t, conn, c.want)
				put(t, conn, streamed("z9hG4bKnext"))
				get(t, conn, "SIP/2.0 200")
				return
			}
			if got := string(wantEOF(t, conn)); !strings.HasPrefix(got, c.want) || (c.want == "") != (got == "") {
				t.Errorf("got %.100q", got)
			}
		})
	}
}

func TestConnectionCaps(t *testing.T) {
	t.Parallel()
	b := newInbox().echo()
	l := serve(t, Options{MaxConns: 5, MaxConnsPerSource: 3}, b, "tcp://127.0.0.1:0")
	var open []net.Conn
	from := func(ip string) net.Conn {
		d := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(ip)}}
		c, err := d.Dial("tcp", l.Endpoints()[0].Addr.String())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { c.Close() })
		return c
	}
	accepted := func(ip string) {
		t.Helper()
		c := from(ip)
		put(t, c, streamed("z9hG4bK1"))
		get(t, c, "SIP/2.0 200")
		open = append(open, c)
	}
	for range 3 {
		accepted("127.0.0.1")
	}
	wantEOF(t, from("127.0.0.1")) // the fourth of one address
	accepted("127.0.0.2")
	accepted("127.0.0.2")
	wantEOF(t, from("127.0.0.3")) // the sixth in all
	if n := l.Counts(); n.Refused != 2 || n.Conns != 5 {
		t.Errorf("%+v", n)
	}
	for _, c := range open {
		c.Close()
	}
	for range open {
		b.flowEnd(t)
	}
	if n := l.Counts().Conns; n != 0 {
		t.Errorf("%d connections left", n)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.sources) != 0 || len(l.conns) != 0 {
		t.Errorf("left: %v %v", l.sources, l.conns)
	}
}

func TestSlowReaderLosesItsConnectionAndNobodyWaits(t *testing.T) {
	t.Parallel()
	b := newInbox()
	l := serve(t, Options{MaxQueue: 1 << 20}, b, "tcp://127.0.0.1:0")
	c := dialTCP(t, l.Endpoints()[0].Addr)
	put(t, c, streamed("z9hG4bK1"))
	m := b.next(t)
	res := sip.NewResponseFromRequest(m.Msg.(*sip.Request), 200, "OK", make([]byte, 32<<10))
	var err error
	var slowest time.Duration
	for range 2000 { // far more than the kernel's buffers and the queue hold
		start := time.Now()
		err = m.Flow.Send(res)
		slowest = max(slowest, time.Since(start))
		if err != nil {
			break
		}
	}
	if !errors.Is(err, ErrQueueFull) {
		t.Errorf("got %v", err)
	}
	if slowest > time.Second {
		t.Errorf("a Send waited %v", slowest)
	}
	if err := b.flowEnd(t); !errors.Is(err, ErrQueueFull) {
		t.Errorf("the flow ended with %v", err)
	}
	if m.Flow.Alive() || !errors.Is(m.Flow.Send(res), ErrClosed) {
		t.Error("the flow lives on")
	}
}

func TestSendsFromManyGoroutinesStayWhole(t *testing.T) {
	t.Parallel()
	b := newInbox()
	l := serve(t, Options{}, b, "tcp://127.0.0.1:0")
	c := dialTCP(t, l.Endpoints()[0].Addr)
	put(t, c, streamed("z9hG4bK1"))
	m := b.next(t)
	var wg sync.WaitGroup
	const senders, each = 8, 50
	for g := range senders {
		wg.Go(func() {
			for i := range each {
				res := sip.NewResponseFromRequest(m.Msg.(*sip.Request).Clone(), 200, "OK", []byte(fmt.Sprintf("%d-%d", g, i)))
				if err := m.Flow.Send(res); err != nil {
					t.Error(err)
				}
			}
		})
	}
	p := sip.NewParser().NewSIPStream()
	buf, next, n := make([]byte, 4096), [senders]int{}, 0
	_ = c.SetReadDeadline(time.Now().Add(10 * time.Second))
	for n < senders*each {
		k, err := c.Read(buf)
		if err != nil {
			t.Fatal(err)
		}
		err = p.ParseSIPStream(buf[:k], func(msg sip.Message) {
			var g, i int
			if _, err := fmt.Sscanf(string(msg.Body()), "%d-%d", &g, &i); err != nil || next[g] != i {
				t.Errorf("body %q, want %d next", msg.Body(), next[g])
			}
			next[g]++
			n++
		})
		if err != nil && !errors.Is(err, sip.ErrParseSipPartial) {
			t.Fatal(err)
		}
	}
	wg.Wait()
}

// bubble runs a test in virtual time on a memory network.
func bubble(t *testing.T, o Options, f func(t *testing.T, l *Layer, b *inbox, c net.Conn)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		o.Network = NewMemory()
		b := newInbox().echo()
		l := serve(t, o, b, "tcp://127.0.0.1:5060")
		c, err := o.Network.Dial(t.Context(), netip.Addr{}, l.Endpoints()[0].Addr)
		if err != nil {
			t.Fatal(err)
		}
		f(t, l, b, c)
		c.Close()
		l.Close()
	})
}

func TestHalfMessageTimesOut(t *testing.T) {
	t.Parallel()
	bubble(t, Options{MessageTimeout: 10 * time.Second}, func(t *testing.T, _ *Layer, b *inbox, c net.Conn) {
		put(t, c, streamed("z9hG4bK1"))
		get(t, c, "200")
		time.Sleep(time.Minute) // between messages there is time
		text := streamed("z9hG4bK2")
		start := time.Now()
		var wg sync.WaitGroup
		defer wg.Wait()
		wg.Go(func() {
			for i := range text { // a byte a second keeps it moving, which does not help
				if _, err := c.Write([]byte{text[i]}); err != nil {
					return
				}
				time.Sleep(time.Second)
			}
		})
		if err := <-b.closed; !errors.Is(err, errHalf) {
			t.Errorf("ended with %v", err)
		}
		if d := time.Since(start); d < 10*time.Second || d > 11*time.Second {
			t.Errorf("after %v", d)
		}
	})
}

func TestSilentConnectionTimesOut(t *testing.T) {
	t.Parallel()
	bubble(t, Options{MessageTimeout: 10 * time.Second}, func(t *testing.T, _ *Layer, b *inbox, _ net.Conn) {
		start := time.Now()
		<-b.closed
		if d := time.Since(start); d < 10*time.Second || d > 11*time.Second {
			t.Errorf("a connection that never said anything closed after %v", d)
		}
	})
}

func TestIdleConnectionTimesOutAndPingsKeepIt(t *testing.T) {
	t.Parallel()
	bubble(t, Options{IdleTimeout: 10 * time.Minute}, func(t *testing.T, _ *Layer, b *inbox, c net.Conn) {
		put(t, c, streamed("z9hG4bK1"))
		get(t, c, "200")
		for range 10 {
			time.Sleep(9 * time.Minute)
			put(t, c, "\r\n\r\n")
			get(t, c, "\r\n")
		}
		start := time.Now()
		if err := <-b.closed; !errors.Is(err, errIdle) {
			t.Errorf("ended with %v", err)
		}
		if d := time.Since(start); d < 10*time.Minute || d > 11*time.Minute {
			t.Errorf("after %v", d)
		}
	})
}

func TestStuckWriterTimesOut(t *testing.T) {
	t.Parallel()
	bubble(t, Options{WriteTimeout: 10 * time.Second}, func(t *testing.T, _ *Layer, b *inbox, c net.Conn) {
		put(t, c, streamed("z9hG4bK1"))
		get(t, c, "200")
		m := <-b.msgs
		res := sip.NewResponseFromRequest(m.Msg.(*sip.Request), 200, "OK", make([]byte, 100<<10))
		if err := m.Flow.Send(res); err != nil { // more than the pipe takes
			t.Fatal(err)
		}
		start := time.Now()
		<-b.closed
		if d := time.Since(start); d < 10*time.Second || d > 11*time.Second {
			t.Errorf("after %v", d)
		}
	})
}

func TestHalfClosedPeerStillGetsItsAnswers(t *testing.T) {
	t.Parallel()
	b := newInbox()
	b.on = func(m *Incoming) {
		for range 30 { // more than the kernel's buffers of a reader that has not begun hold at once
			_ = m.Flow.Send(sip.NewResponseFromRequest(m.Msg.(*sip.Request), 200, "OK", make([]byte, 30<<10)))
		}
	}
	l := serve(t, Options{MaxQueue: 4 << 20}, b, "tcp://127.0.0.1:0")
	c := dialTCP(t, l.Endpoints()[0].Addr)
	put(t, c, streamed("z9hG4bK1"))
	if err := c.(*net.TCPConn).CloseWrite(); err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(string(wantEOF(t, c)), "SIP/2.0 200"); n != 30 {
		t.Errorf("%d of 30 arrived", n)
	}
}

func TestCloseLetsTheLastMessagesLeave(t *testing.T) {
	t.Parallel()
	b := newInbox()
	l := serve(t, Options{}, b, "tcp://127.0.0.1:0")
	c := dialTCP(t, l.Endpoints()[0].Addr)
	put(t, c, streamed("z9hG4bK1"))
	m := b.next(t)
	for range 20 {
		if err := m.Flow.Send(sip.NewResponseFromRequest(m.Msg.(*sip.Request), 200, "OK", nil)); err != nil {
			t.Fatal(err)
		}
	}
	start := time.Now()
	go l.Close()
	if n := strings.Count(string(wantEOF(t, c)), "SIP/2.0 200"); n != 20 {
		t.Errorf("%d of 20 arrived", n)
	}
	if d := time.Since(start); d > 3*time.Second {
		t.Errorf("closing took %v", d)
	}
}
