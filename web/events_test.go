package web_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"testing"
	"time"

	"tandem/web"
)

// listener reads a stream of events.
type listener struct {
	t      *testing.T
	header http.Header
	body   io.ReadCloser
	lines  *bufio.Scanner
}

func listen(t *testing.T, url string, header map[string]string) *listener {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	t.Cleanup(cancel)
	req, err := http.NewRequestWithContext(ctx, "GET", url+"/api/v1/events", nil)
	if err != nil {
		t.Fatal(err)
	}
	for k, v := range header {
		req.Header.Set(k, v)
	}
	res, err := http.DefaultTransport.RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { res.Body.Close() })
	if res.StatusCode != 200 || res.Header.Get("Content-Type") != "text/event-stream" {
		t.Fatalf("%s %s", res.Status, res.Header.Get("Content-Type"))
	}
	return &listener{t: t, header: res.Header, body: res.Body, lines: bufio.NewScanner(res.Body)}
}

// next is the event after those already read: its name, id and data.
func (l *listener) next() (name, id, data string) {
	l.t.Helper()
	for l.lines.Scan() {
		key, value, _ := strings.Cut(l.lines.Text(), ": ")
		switch key {
		case "event":
			name = value
		case "id":
			id = value
		case "data":
			data = value
		case "":
			if name != "" {
				return name, id, data
			}
		}
	}
	l.t.Fatalf("the stream ended: %v", l.lines.Err())
	return
}

// ready waits until the server listens for us: what is published from now on is heard.
func (l *listener) ready() *listener {
	l.t.Helper()
	if !l.lines.Scan() || l.lines.Text() != ": listening" {
		l.t.Fatalf("the stream begins with %q: %v", l.lines.Text(), l.lines.Err())
	}
	return l
}

func feeding(t *testing.T, access web.Access) (*web.Feed, *httptest.Server) {
	o := optionsOf(&exchange{}, access)
	o.Feed = web.NewFeed()
	return o.Feed, serveAPI(t, web.New(o))
}

type thing struct {
	N int `json:"n"`
}

func TestEventsResume(t *testing.T) {
	t.Parallel()
	feed, s := feeding(t, web.Access{})
	feed.Publish("call", thing{0}) // before anybody listens
	a := listen(t, s.URL, nil).ready()
	for i := 1; i <= 5; i++ {
		feed.Publish("call", thing{i})
	}
	var third string
	for i := 1; i <= 5; i++ {
		name, id, data := a.next()
		if name != "call" || data != fmt.Sprintf(`{"n":%d}`, i) {
			t.Fatalf("event %d: %s %s", i, name, data)
		}
		if i == 3 {
			third = id
		}
	}
	a.body.Close()
	feed.Publish("reload", thing{6}) // while nobody listens
	b := listen(t, s.URL, map[string]string{"Last-Event-ID": third})
	for i := 4; i <= 6; i++ {
		if name, _, data := b.next(); data != fmt.Sprintf(`{"n":%d}`, i) || (name == "reload") != (i == 6) {
			t.Fatalf("resumed, event %d: %s %s", i, name, data)
		}
	}
	c := listen(t, s.URL, map[string]string{"Last-Event-ID": "elsewhere-7"})
	if name, _, _ := c.next(); name != "missed" {
		t.Errorf("with the id of another process: %s", name)
	}
	feed.Publish("call", thing{7})
	if _, _, data := c.next(); data != `{"n":7}` {
		t.Errorf("after that: %s", data)
	}
}

// TestEventsMissed: who comes back too late is told so, and then hears what is remembered.
func TestEventsMissed(t *testing.T) {
	t.Parallel()
	feed, s := feeding(t, web.Access{})
	a := listen(t, s.URL, nil).ready()
	feed.Publish("call", thing{1})
	_, first, _ := a.next()
	const many = 5000
	for i := 2; i <= many; i++ {
		feed.Publish("call", thing{i})
	}
	b := listen(t, s.URL, map[string]string{"Last-Event-ID": first})
	if name, _, _ := b.next(); name != "missed" {
		t.Fatalf("first event %s", name)
	}
	_, _, data := b.next()
	var n int
	if _, err := fmt.Sscanf(data, `{"n":%d}`, &n); err != nil || n < 2 {
		t.Fatalf("then %s", data)
	}
	for n++; n <= many; n++ {
		if _, _, data := b.next(); data != fmt.Sprintf(`{"n":%d}`, n) {
			t.Fatalf("event %d is %s", n, data)
		}
	}
}

func TestEventsNeedAToken(t *testing.T) {
	t.Parallel()
	feed, s := feeding(t, guardedAccess)
	for _, header := range []map[string]string{nil, {"Authorization": "Bearer wrong"}} {
		if code, _, _ := send(t, s, request{method: "GET", path: "/api/v1/events", header: header}); code != 401 {
			t.Errorf("%v: %d", header, code)
		}
	}
	_, header, _ := send(t, s, request{method: "POST", path: "/api/v1/session", header: map[string]string{"Authorization": "Bearer look"}})
	a := listen(t, s.URL, map[string]string{"Cookie": login(t, header)}).ready()
	feed.Publish("call", thing{1})
	if _, _, data := a.next(); data != `{"n":1}` {
		t.Error(data)
	}
}

// TestEventsEndWithTheFeed: a server that ends is not held up by its listeners.
func TestEventsEndWithTheFeed(t *testing.T) {
	t.Parallel()
	feed, s := feeding(t, web.Access{})
	a := listen(t, s.URL, nil).ready()
	feed.Publish("call", thing{1})
	feed.Close()
	if _, _, data := a.next(); data != `{"n":1}` {
		t.Error(data)
	}
	if rest, err := io.ReadAll(a.body); err != nil || len(rest) > 0 {
		t.Errorf("then %q, %v", rest, err)
	}
}

// TestSlowListenersAreCutOff: a client that does not read holds nothing up, and is let go.
func TestSlowListenersAreCutOff(t *testing.T) {
	t.Parallel()
	feed := web.NewFeed()
	o := optionsOf(&exchange{}, web.Access{})
	o.Feed = feed
	api := web.New(o)
	web.SetPatience(api, 200*time.Millisecond)
	s := serveAPI(t, api)
	conn, err := net.Dial("tcp", strings.TrimPrefix(s.URL, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	conn.(*net.TCPConn).SetReadBuffer(4 << 10)
	fmt.Fprintf(conn, "GET /api/v1/events HTTP/1.1\r\nHost: localhost\r\n\r\n")
	big := strings.Repeat("x", 32<<10)
	until(t, "it listens", func() bool { return api.Listeners() == 1 })
	until(t, "it is cut off", func() bool {
		feed.Publish("call", big)
		return api.Listeners() == 0
	})
}

// until waits for a condition.
func until(t *testing.T, what string, holds func() bool) {
	t.Helper()
	for deadline := time.Now().Add(30 * time.Second); !holds(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("not after 30 s: %s", what)
		}
	}
}

// TestIdleListenersAreCheap: 1,000 streams in which nothing happens hold under 50 MB, their
// clients' ends in this process included.
func TestIdleListenersAreCheap(t *testing.T) {
	feed := web.NewFeed()
	o := optionsOf(&exchange{}, web.Access{})
	o.Feed = feed
	api := web.New(o)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := web.NewServer(api, slog.New(slog.DiscardHandler))
	go server.Serve(l)
	defer server.Close()
	held := func() uint64 {
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return m.HeapInuse + m.StackInuse
	}
	before := held()
	const streams = 1000
	for range streams {
		conn, err := net.Dial("tcp", l.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		fmt.Fprintf(conn, "GET /api/v1/events HTTP/1.1\r\nHost: localhost\r\n\r\n")
	}
	until(t, "all listen", func() bool { return api.Listeners() == streams })
	used := held() - before
	t.Logf("%d idle streams hold %.1f MB", streams, float64(used)/1e6)
	if used > 50e6 {
		t.Errorf("%d streams hold %d bytes", streams, used)
	}
}
