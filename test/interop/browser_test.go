//go:build interop

package interop

import (
	"encoding/binary"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"tandem/media/hear"
)

// browser is a Chromium without a window, on a page that is a SIP phone.
type browser struct {
	*process
	mu    sync.Mutex
	told  []string
	sound []int16 // what it hears, 8 kHz
}

// ServeHTTP gives the page and takes what it tells.
func (b *browser) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(io.LimitReader(r.Body, 1<<20))
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	switch r.URL.Path {
	case "/told":
		b.told = append(b.told, string(body))
	case "/heard":
		for ; len(body) >= 2; body = body[2:] {
			b.sound = append(b.sound, int16(binary.LittleEndian.Uint16(body)))
		}
	default:
		http.ServeFile(w, r, filepath.Join("testdata", "browser.html"))
	}
}

// newBrowser opens the page as user 1001, who says a sound; call is the number to dial, or
// none.
func newBrowser(t *testing.T, srv *server, says []int16, call string) *browser {
	t.Helper()
	b := &browser{}
	page := httptest.NewServer(b)
	t.Cleanup(page.Close)
	dir := t.TempDir()
	microphone := filepath.Join(dir, "microphone.wav")
	writeWAV(t, microphone, says)
	var ws string
	for _, e := range srv.sip {
		if e.proto == "ws" {
			ws = "ws://" + e.addr.String()
		}
	}
	query := url.Values{"ws": {ws}, "domain": {srv.udp.String()}, "user": {"1001"}, "password": {"first-secret"}, "call": {call}}
	b.process = launch(t, dir, "chromium", "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage",
		"--no-first-run", "--disable-background-networking", "--user-data-dir="+filepath.Join(dir, "profile"),
		"--use-fake-ui-for-media-stream", "--use-fake-device-for-media-stream", "--use-file-for-fake-audio-capture="+microphone,
		"--autoplay-policy=no-user-gesture-required", "--allow-loopback-in-peer-connection", page.URL+"/?"+query.Encode())
	return b
}

// awaits waits until the page has told something.
func (b *browser) awaits(t *testing.T, what string) {
	t.Helper()
	for until := time.Now().Add(60 * time.Second); ; time.Sleep(50 * time.Millisecond) {
		b.mu.Lock()
		told := slices.Clone(b.told)
		b.mu.Unlock()
		if slices.Contains(told, what) {
			return
		}
		failed := slices.ContainsFunc(told, func(s string) bool { return strings.HasPrefix(s, "failed") })
		if failed || !b.running() || time.Now().After(until) {
			t.Fatalf("the browser has told %q, and not %q; running: %t", told, what, b.running())
		}
	}
}

// hears waits for so much sound and returns it.
func (b *browser) hears(t *testing.T, d time.Duration) []int16 {
	t.Helper()
	var sound []int16
	eventually(t, fmt.Sprintf("the browser has heard %v", d), func() bool {
		b.mu.Lock()
		defer b.mu.Unlock()
		sound = slices.Clone(b.sound)
		return len(sound) > int(d.Seconds()*phoneRate)
	})
	return sound
}

// TestBrowser: a Chromium registers by WebSocket, calls a phone and is called by it: DTLS,
// ICE and one port for all on its side, plain RTP on the phone's.
func TestBrowser(t *testing.T) {
	for _, c := range []struct {
		name   string
		caller bool
		srtp   [2]string
	}{{"calls a phone", true, [2]string{"dtls", "off"}}, {"is called", false, [2]string{"off", "dtls"}}} {
		t.Run(c.name, func(t *testing.T) {
			srv := serve(t, setup{config: twoUsers, listen: []string{"udp://127.0.0.1:0", "tcp://127.0.0.1:0", "ws://127.0.0.1:0"}})
			alice, bob := chirp(300, 3000, 60*time.Second), chirp(3000, 400, 60*time.Second)
			phone := newSoftphone(t, bob)
			phone.login(t, account{user: "1002", password: "second-secret", domain: srv.udp, register: true})
			call := ""
			if c.caller {
				call = "1002"
			}
			b := newBrowser(t, srv, alice, call)
			b.awaits(t, "registered 200")
			if !c.caller {
				phone.call(t, srv.uri("1001"))
			}
			b.awaits(t, "answered")
			b.awaits(t, "connection connected")
			heardByAlice := b.hears(t, 8*time.Second)
			phone.hears(t, 5*time.Second)
			heardByBob := phone.heard(t)
			holdsSome(t, "what the browser heard", heardByAlice, bob, alice)
			b.awaits(t, "BYE")
			holdsSome(t, "what the phone heard", heardByBob, alice, bob)

			row := srv.finished(t, 1)[0]
			expect(t, row, "state", "answered")
			for i, leg := range srv.legs(t, row) {
				if leg["srtp"] != c.srtp[i] {
					t.Errorf("leg %d: recorded as %v, want %s", i+1, leg["srtp"], c.srtp[i])
				}
			}
		})
	}
}

// holdsSome checks that a recording holds at least a second of a sound, whole, and none of
// another. Which one it is nobody knows: a browser's microphone runs from when the page asks
// for it, and what it plays may stumble on a machine that is busy.
func holdsSome(t *testing.T, what string, recording, sound, other []int16) {
	t.Helper()
	best := hear.Found{}
	for i := 2; i < 25 && (best.Share < 0.9 || best.Score < 0.9); i++ {
		if is := hear.Find(recording, second(sound, i), phoneRate); is.Score > best.Score {
			best = is
		}
	}
	if isNot := hear.Find(recording, second(other, 4), phoneRate); isNot.Share > 0 {
		t.Errorf("%s holds the wrong sound: %+v", what, isNot)
	}
	t.Logf("%s, %.1f s, holds a second of the sound: %+v", what, seconds(len(recording)), best)
	if best.Share < 0.9 || best.Score < 0.9 {
		t.Errorf("%s holds no second of the sound", what)
	}
}
