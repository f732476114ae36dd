package scripting

import (
	"context"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"tandem/store"
)

var loopbackOnly = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}

// webServer is a real server on loopback, which the test's engine may reach.
func webServer(t *testing.T, h http.HandlerFunc) (url string, e *Engine) {
	t.Helper()
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	e = emptyEngine(t, func(o *Options) { o.Allow = loopbackOnly })
	return s.URL, e
}

// run evaluates Lua in which URL stands for the server's.
func runHTTP(t *testing.T, e *Engine, url, text string) string {
	t.Helper()
	got, err := eval(t, e, strings.ReplaceAll(text, "URL", url))
	if err != nil {
		return err.Message
	}
	return got
}

func TestHTTP(t *testing.T) {
	t.Parallel()
	url, e := webServer(t, func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		w.Header().Set("X-Seen", strings.Join([]string{r.Method, r.URL.String(), r.Header.Get("Content-Type"), r.Header.Get("X-A"), r.UserAgent(), string(body)}, "|"))
		w.Header().Add("X-Two", "a")
		w.Header().Add("X-Two", "b")
		user, password, _ := r.BasicAuth()
		switch r.URL.Path {
		case "/json":
			_, _ = io.WriteString(w, `{"id":7,"list":[1,2]}`)
		case "/auth":
			_, _ = io.WriteString(w, user+":"+password)
		case "/gone":
			w.WriteHeader(410)
		case "/redirect":
			http.Redirect(w, r, "/json", http.StatusFound)
		case "/loop":
			http.Redirect(w, r, "/loop", http.StatusFound)
		case "/large":
			_, _ = w.Write(make([]byte, httpBody+1))
		case "/lines":
			_, _ = io.WriteString(w, strings.Join(r.Header.Values("X-List"), "+")+" "+r.Host)
		}
	})
	tests := []struct{ text, want string }{
		{`return http.get("URL/json"):json().id`, "7"},
		{`return http.get("URL/json"):json().list[2]`, "2"},
		{`return http.get("URL/json").status .. http.get("URL/gone").status`, "200410"},
		{`return select(2, http.get("URL/gone"):json())`, "unexpected end of JSON input"},
		{`return http.get("URL/x?a=1", { headers = { ["X-A"] = "b" } }).headers["x-seen"]`, "GET|/x?a=1||b|tandem|"},
		{`return http.get("URL/x?a=1", { query = { b = "ü&", c = 2 } }).headers["X-Seen"]`, "GET|/x?a=1&b=%C3%BC%26&c=2|||tandem|"},
		{`return http.get("URL/x").headers["x-TWO"]`, "a, b"},
		{`return tostring(http.get("URL/x").headers.nothing)`, "nil"},
		{`return http.post("URL/x", { json = { a = 1 } }).headers["X-Seen"]`, `POST|/x|application/json||tandem|{"a":1}`},
		{`return http.post("URL/x", { form = { a = "1 2", b = true } }).headers["X-Seen"]`, "POST|/x|application/x-www-form-urlencoded||tandem|a=1+2&b=true"},
		{`return http.post("URL/x", { body = "hello", headers = { ["Content-Type"] = "text/plain", ["User-Agent"] = "me" } }).headers["X-Seen"]`, "POST|/x|text/plain||me|hello"},
		{`return http.request("URL/x", { method = "delete" }).headers["X-Seen"]`, "DELETE|/x|||tandem|"},
		{`return http.request("URL/x").headers["X-Seen"]`, "GET|/x|||tandem|"},
		{`return http.get("URL/auth", { user = "u", password = "p" }).body`, "u:p"},
		{`return http.get("URL/lines", { headers = { ["X-List"] = { "a", "b" }, Host = "other.example" } }).body`, "a+b other.example"},
		{`return http.get("URL/redirect"):json().id`, "7"},
		{`return select(2, http.get("URL/loop"))`, "more than 5 redirects"},
		{`return select(2, http.get("URL/large"))`, "too large"},
		{`return #http.get("URL/large", { max = 2000000 }).body`, "1048577"},
		{`return select(2, http.get("URL/json", { max = 20 }))`, "too large"},
		{`return select(2, http.get("ftp://example.com/x"))`, `"ftp://example.com/x" is not an http or https URL`},
		{`return select(2, http.get("http://exa mple/"))`, `invalid character " " in host name`},
		{`return select(2, http.request("URL/x", { method = "B D" }))`, `net/http: invalid method "B D"`},
		{`return select(2, http.get("URL/x", { headers = { ["X-A"] = "a\r\nX-B: c" } }))`, `net/http: invalid header field value for "X-A"`},
		{`local n = 0 for k in pairs(http.get("URL/json")) do n = n + 1 end return n`, "3"},
		// misuse
		{`http.get()`, "test.lua:1: http.get: url must be a string, got nil"},
		{`http.get("URL", { jsn = 1 })`, `test.lua:1: http.get: unknown option "jsn" (did you mean json?)`},
		{`http.post("URL", { json = 1, body = "x" })`, "test.lua:1: http.post: only one of the options body, json and form may be given"},
		{`http.get("URL", { timeout = 0 })`, "test.lua:1: http.get: option timeout must be more than 0 and at most 300 seconds"},
		{`http.get("URL", { method = "PUT" })`, "test.lua:1: http.get: option method is one of http.request"},
		{`http.post("URL", { json = print })`, "test.lua:1: http.post: option json: a function is not data"},
	}
	for _, tt := range tests {
		if got := runHTTP(t, e, url, tt.text); got != tt.want {
			t.Errorf("%s = %q; want %q", tt.text, got, tt.want)
		}
	}
}

// Addresses that are not public are refused when they are connected to: by number, by name,
// and behind a redirect of one that may be reached.
func TestHTTPRefusesPrivateAddresses(t *testing.T) {
	t.Parallel()
	var asked atomic.Int64
	inside := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { asked.Add(1) }))
	t.Cleanup(inside.Close)
	e := emptyEngine(t, nil)
	_, port, _ := net.SplitHostPort(strings.TrimPrefix(inside.URL, "http://"))
	for _, host := range []string{"127.0.0.1", "localhost", "[::1]", "[::ffff:127.0.0.1]", "0.0.0.0", "10.1.2.3", "192.168.0.1", "172.16.1.1",
		"169.254.169.254", "100.64.0.1", "[fd00::1]", "[fe80::1]", "224.0.0.1", "[64:ff9b::7f00:1]", "[2002:7f00:1::]"} {
		got := runHTTP(t, e, "http://"+host+":"+port, `return select(2, http.get("URL/", { timeout = 5 }))`)
		if !strings.Contains(got, "[scripts.http] allow does not name it") {
			t.Errorf("%s: %s", host, got)
		}
	}
	e.SetAllow([]netip.Prefix{netip.MustParsePrefix("127.0.0.2/32")})
	outside, err := net.Listen("tcp", "127.0.0.2:0")
	if err != nil {
		t.Skip("this system has one loopback address: " + err.Error())
	}
	s := &http.Server{Handler: http.RedirectHandler(inside.URL, http.StatusFound)}
	go func() { _ = s.Serve(outside) }()
	t.Cleanup(func() { s.Close() })
	got := runHTTP(t, e, "http://"+outside.Addr().String(), `return select(2, http.get("URL/"))`)
	if !strings.Contains(got, "127.0.0.1 is not a public address") {
		t.Errorf("redirected: %s", got)
	}
	if n := asked.Load(); n > 0 {
		t.Errorf("the server inside was asked %d times", n)
	}
	e.SetAllow(loopbackOnly)
	if got := runHTTP(t, e, inside.URL, `return http.get("URL/").status`); got != "200" {
		t.Errorf("allowed: %s", got)
	}
	e.SetAllow(nil)
	if got := runHTTP(t, e, inside.URL, `return tostring((http.get("URL/")))`); got != "nil" {
		t.Errorf("no longer allowed, on a connection that stood: %s", got)
	}
}

func TestPublicAddresses(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]bool{
		"8.8.8.8": true, "2001:4860:4860::8888": true, "172.32.0.1": true, "100.128.0.1": true, "64:ff9b::808:808": true, "2002:808:808::1": true,
		"127.255.0.1": false, "::": false, "::1": false, "::a00:1": false, "64:ff9b::a00:1": false, "64:ff9b:1::1": false, "2002:a00:1::1": false,
		"255.255.255.255": false, "198.19.0.1": false, "192.0.0.8": false, "ff02::1": false, "fc00::1": false, "fec0::1": false,
	} {
		if got := isPublic(netip.MustParseAddr(text)); got != want {
			t.Errorf("isPublic(%s) = %v", text, got)
		}
	}
}

// Connections are kept from one script to the next.
func TestHTTPKeepsConnections(t *testing.T) {
	t.Parallel()
	var mu = make(chan struct{}, 1)
	seen := map[string]bool{}
	url, e := webServer(t, func(w http.ResponseWriter, r *http.Request) {
		mu <- struct{}{}
		seen[r.RemoteAddr] = true
		<-mu
		_, _ = io.WriteString(w, "hello")
	})
	for range 5 {
		if got := runHTTP(t, e, url, `return http.get("URL/").body`); got != "hello" {
			t.Fatal(got)
		}
	}
	mu <- struct{}{}
	if len(seen) != 1 {
		t.Errorf("%d connections for 5 requests", len(seen))
	}
}

// slowly answers when the test lets it, or the request is given up.
type slowly struct{ after time.Duration }

func (s slowly) RoundTrip(r *http.Request) (*http.Response, error) {
	select {
	case <-time.After(s.after):
	case <-r.Context().Done():
		return nil, r.Context().Err()
	}
	return &http.Response{StatusCode: 200, Header: http.Header{}, Body: io.NopCloser(strings.NewReader("late")), Request: r}, nil
}

func TestHTTPTimeout(t *testing.T) {
	t.Parallel()
	release := make(chan struct{})
	url, e := webServer(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/body" {
			_, _ = io.WriteString(w, "begun")
			w.(http.Flusher).Flush()
		}
		<-release
	})
	t.Cleanup(func() { close(release) })
	for _, path := range []string{"/", "/body"} {
		if got := runHTTP(t, e, url+path, `return select(2, http.get("URL", { timeout = 0.1 }))`); got != "timeout" {
			t.Errorf("%s: %s", path, got)
		}
	}
	synctest.Test(t, func(t *testing.T) { // 10 s by default
		o := testOptions("")
		o.HTTP = slowly{time.Hour}
		e, err := New(o)
		if err != nil {
			t.Fatal(err)
		}
		defer e.Close()
		began := time.Now()
		if got := runHTTP(t, e, "http://x", `return select(2, http.get("URL"))`); got != "timeout" || time.Since(began) != httpTimeout {
			t.Errorf("%s after %v", got, time.Since(began))
		}
	})
}

// A caller's hangup does not end a request, nor keep clean-up code from making another, but
// after 5 s all is over. The BYE is answered meanwhile.
func TestHTTPAfterHangup(t *testing.T) {
	t.Parallel()
	files := map[string]string{"50-main.lua": `return { on_call = function(call)
		call:answer()
		local res = http.get("http://x/1", { timeout = 60 })
		log.info("first " .. (res and res.body or "nothing"))
		log.info("second " .. (http.post("http://x/2").body or "nothing"))
		log.info("state " .. call.state .. " " .. tostring(select(2, call:sleep(1))))
		http.get("http://x/3", { timeout = 60 })
		log.info("too late")
	end }`}
	o := Options{Dir: scriptDir(t, files), Recordings: t.TempDir(), HTTP: slowly{2500 * time.Millisecond}}
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, o)
		defer w.close()
		c := w.caller("700")
		time.Sleep(time.Second)
		w.hangup(c)
		w.ended(c)
		r := w.record()
		if got := says(r); !strings.Contains(got, "first late\nsecond late\nstate ended hangup") || strings.Contains(got, "too late") {
			t.Errorf("%s", got)
		}
		if r.Call.DurationMS > 1500 || r.Call.State != store.StateAnswered || r.Call.ReleasedBy != store.ByCaller {
			t.Errorf("%+v", r.Call)
		}
		if lines := strings.Join(events(r, "http"), "\n"); !strings.Contains(lines, "GET http://x 200 OK after 2.5s") {
			t.Errorf("the timeline: %s", lines)
		}
	})
}

// Requests of hooks end with their question.
func TestHTTPInHooks(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		o := testOptions(scriptDir(t, map[string]string{"50-main.lua": `return {
			on_auth = function(user) return { password = http.get("http://x").body } end,
			on_hangup = function(cdr)
				shared.set("first", http.post("http://x", { json = cdr }).body)
				http.post("http://x")
				shared.set("second", true)
			end,
		}`}))
		o.HTTP = slowly{3 * time.Second}
		e, err := New(o)
		if err != nil {
			t.Fatal(err)
		}
		defer e.Close()
		if c, found, err := e.Auth(t.Context(), "u", "r"); !found || err != nil || c.User != "u" {
			t.Errorf("%v, %v", found, err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, _, err := e.Auth(ctx, "u", "r"); err == nil {
			t.Error("a question that nobody waits for is answered")
		}
		e.Finished(&store.Call{ID: "1"})
		time.Sleep(time.Minute)
		first, _ := e.shared.get("first")
		second, ok := e.shared.get("second")
		if first.v != "late" || ok {
			t.Errorf("%v, %v", first.v, second.v)
		}
	})
}
