package scripting

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"tandem/b2bua"
	"tandem/media"
	"tandem/media/wav"
	"tandem/scripts"
)

func shippedSound(t testing.TB, name string) []byte {
	t.Helper()
	b, err := scripts.FS.ReadFile("prompts/" + name + ".wav")
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// site is a web server's content: what a path holds, and what was asked for.
type site struct {
	mu      sync.Mutex
	files   map[string][]byte
	headers map[string]string
	after   time.Duration // how long an answer takes
	asked   []string      // status and path
}

func (s *site) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	body, ok := s.files[r.URL.Path]
	for name, value := range s.headers {
		w.Header().Set(name, value)
	}
	s.mu.Unlock()
	status := http.StatusOK
	switch etag := w.Header().Get("ETag"); {
	case !ok:
		status = http.StatusNotFound
	case etag != "" && r.Header.Get("If-None-Match") == etag,
		w.Header().Get("Last-Modified") != "" && r.Header.Get("If-Modified-Since") == w.Header().Get("Last-Modified"):
		status, body = http.StatusNotModified, nil
	}
	s.mu.Lock()
	s.asked = append(s.asked, fmt.Sprint(status, " ", r.URL.Path))
	s.mu.Unlock()
	w.WriteHeader(status)
	_, _ = w.Write(body)
}

func (s *site) requests() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return strings.Join(s.asked, "\n")
}

// RoundTrip lets the site be asked without a network, in virtual time.
func (s *site) RoundTrip(r *http.Request) (*http.Response, error) {
	select {
	case <-time.After(s.after):
	case <-r.Context().Done():
		return nil, r.Context().Err()
	}
	w := httptest.NewRecorder()
	s.ServeHTTP(w, r)
	res := w.Result()
	res.Request = r
	return res, nil
}

// The caller hears what the server serves, in each place that takes a source.
func TestPlayFromTheWeb(t *testing.T) {
	t.Parallel()
	web := &site{files: map[string][]byte{"/a.wav": shippedSound(t, "invalid"), "/b": shippedSound(t, "you-said"), "/bad.wav": []byte("<html>")},
		headers: map[string]string{"Cache-Control": "max-age=60"}}
	inWorldOf(t, map[string]string{"50-main.lua": report(`
		call:answer() call:sleep(1)
		say(call:play{ "http://x/none.wav", "http://user:hush@x/a.wav?token=hush", "https://x/b" })
		say(call:gather{ prompt = "http://user:hush@x/a.wav?token=hush", timeout = 0.1 })
		say(call:hold_music("https://x/b"))
		say(call:play("http://x/bad.wav?token=hush"))
		say(call:play("http://" .. ("x"):rep(9000)))
		say(call:play("http://x:y/"))
		call:sleep(1)`)}, func(w *world) {
		c := w.caller("1")
		file := t.TempDir() + "/heard.wav"
		rec, err := c.Record(file)
		if err != nil {
			t.Fatal(err)
		}
		w.ended(c)
		rec.Stop()
		assertHeard(t, file, "invalid", "you-said")
		got := says(w.record())
		for _, want := range []string{"50-main.lua:5: prompt cannot be played: the server answers 404 Not Found: http://x/none.wav\ndone\nnil timeout\ntrue\n",
			"50-main.lua:8: prompt cannot be played: media: http://x/bad.wav: unusable WAV file: not a WAV file but HTML or XML (the server calls it \"\"): http://x/bad.wav\nnil not found", "longer than 8192 bytes", "http://…\nnil not found"} {
			if !strings.Contains(got, want) {
				t.Errorf("got\n%s\nwithout\n%s", got, want)
			}
		}
		if strings.Contains(got+w.log.String(), "hush") {
			t.Errorf("a secret is in the log: %s\n%s", got, w.log)
		}
		if got, want := web.requests(), "404 /none.wav\n200 /a.wav\n200 /b\n200 /bad.wav"; got != want {
			t.Errorf("asked for\n%s\nwant\n%s", got, want)
		}
	}, func(o *Options) { o.HTTP = web })
}

// A hangup ends the wait for a server at once, and the request with it.
func TestHangupWhileFetching(t *testing.T) {
	t.Parallel()
	for name, wait := range map[string]string{
		"play": `call:play("http://x/a")`, "list": `call:play{ "http://x/a", "http://x/b" }`, "gather": `call:gather{ prompt = "http://x/a" }`,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			web := &site{after: 9 * time.Second}
			inWorldOf(t, map[string]string{"50-main.lua": report("call:answer()\nlocal a, b = " + wait + "\nsay(a, b, call.state)\n" +
				`say(call:play("http://x/c"))`)}, func(w *world) {
				c := w.caller("1")
				time.Sleep(2 * time.Second)
				began := time.Now()
				w.hangup(c)
				if got := says(w.record()); got != "nil hangup ended\nnil hangup" {
					t.Errorf("got %s", got)
				}
				if took := time.Since(began); took > time.Second { // virtual
					t.Errorf("the script went on for %v", took)
				}
				w.engine.fetched.wait()
				if time.Since(began) > time.Second || web.requests() != "" {
					t.Errorf("the request went on: %v %s", time.Since(began), web.requests())
				}
			}, func(o *Options) { o.HTTP = web })
		})
	}
}

// A server that does not answer costs the caller ten seconds, not the call.
func TestFetchTimeout(t *testing.T) {
	t.Parallel()
	inWorldOf(t, map[string]string{"50-main.lua": report(`local t = time.now()
		say(call:play("http://x/a"))
		say(math.floor(time.now() - t + 0.5))
		say(call:play("invalid"))`)}, func(w *world) {
		w.ended(w.caller("1"))
		want := "50-main.lua:4: prompt cannot be played: timeout: http://x/a\nnil not found\n10\ndone"
		if got := says(w.record()); got != want {
			t.Errorf("got\n%s\nwant\n%s", got, want)
		}
	}, func(o *Options) { o.HTTP = &site{after: time.Hour} })
}

// fetchFrom is an engine whose web is the site, in virtual time.
func fetchFrom(t *testing.T, web http.RoundTripper, test func(t *testing.T, e *Engine)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		o := testOptions("")
		o.HTTP = web
		e, err := New(o)
		if err != nil {
			t.Fatal(err)
		}
		defer e.Close()
		test(t, e)
	})
}

// What is kept is used while the server says so, then asked for again; a change is heard.
func TestFetchKeepsSounds(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		headers map[string]string
		asked   string // by a play at 0 s, 0 s, 30 s, 90 s, and after a change of the file
	}{
		"etag":             {map[string]string{"ETag": `"1"`}, "200 304 304 304 200"},
		"date":             {map[string]string{"Last-Modified": "Sun, 22 Nov 2026 10:00:00 GMT"}, "200 304 304 304 200"},
		"max-age":          {map[string]string{"Cache-Control": "public, max-age=60"}, "200 200 200"},
		"max-age and etag": {map[string]string{"Cache-Control": `Max-Age="60"`, "ETag": `"1"`}, "200 304 200"},
		"age":              {map[string]string{"Cache-Control": "max-age=60", "Age": "40", "ETag": `"1"`}, "200 304 304 200"},
		"no-cache":         {map[string]string{"Cache-Control": "max-age=60, no-cache", "ETag": `"1"`}, "200 304 304 304 200"},
		"no-store":         {map[string]string{"Cache-Control": "no-store, max-age=60", "ETag": `"1"`}, "200 200 200 200 200"},
		"nothing":          {nil, "200 200 200 200 200"},
		"nonsense":         {map[string]string{"Cache-Control": "max-age=soon", "Age": "-1", "ETag": `"1"`}, "200 304 304 304 200"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			first, second := shippedSound(t, "invalid"), shippedSound(t, "you-said")
			web := &site{files: map[string][]byte{"/a": first}, headers: tt.headers}
			fetchFrom(t, web, func(t *testing.T, e *Engine) {
				get := func(want []byte) {
					clip, err := e.fetch(t.Context(), nil, "http://x/a")
					if err != nil {
						t.Fatal(err)
					}
					if audio := decodeWAV(t, want); clip.Duration() != audio.Duration() || clip.Size() != 2*len(audio.PCM) {
						t.Errorf("got %v of sound; want %v", clip.Duration(), audio.Duration())
					}
				}
				get(first)
				get(first)
				time.Sleep(30 * time.Second)
				get(first)
				time.Sleep(time.Minute)
				get(first)
				web.files["/a"] = second
				changed := map[string]string{}
				for k, v := range tt.headers {
					changed[k] = v
				}
				if changed["ETag"] != "" {
					changed["ETag"] = `"2"`
				}
				if changed["Last-Modified"] != "" {
					changed["Last-Modified"] = "Sun, 22 Nov 2026 11:00:00 GMT"
				}
				web.headers = changed
				time.Sleep(time.Minute)
				get(second)
				if got := strings.ReplaceAll(strings.ReplaceAll(web.requests(), " /a", ""), "\n", " "); got != tt.asked {
					t.Errorf("asked %s; want %s", got, tt.asked)
				}
			})
		})
	}
}

func decodeWAV(t *testing.T, b []byte) wav.Audio {
	t.Helper()
	audio, err := wav.Decode("test", bytes.NewReader(b), time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	return audio
}

// Many who want the same share a request; that of nobody is given up, and the next who
// wants it makes another.
func TestFetchIsShared(t *testing.T) {
	t.Parallel()
	web := &site{files: map[string][]byte{"/a": shippedSound(t, "invalid")}, after: 3 * time.Second}
	fetchFrom(t, web, func(t *testing.T, e *Engine) {
		var clips [20]*media.Clip
		var all sync.WaitGroup
		for i := range clips {
			all.Go(func() {
				ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
				if i%2 == 1 {
					ctx, cancel = context.WithTimeout(t.Context(), time.Second)
				}
				defer cancel()
				clip, err := e.fetch(ctx, nil, "http://x/a")
				if i%2 == 1 && err != b2bua.ErrHangup || i%2 == 0 && err != nil {
					t.Errorf("%d: %v", i, err)
				}
				clips[i] = clip
			})
		}
		all.Wait()
		for i := 0; i < len(clips); i += 2 {
			if clips[i] == nil || clips[i] != clips[0] {
				t.Errorf("%d has another sound", i)
			}
		}
		gone := make(chan struct{})
		time.AfterFunc(time.Second, func() { close(gone) })
		if _, err := e.fetch(t.Context(), gone, "http://x/a"); err != b2bua.ErrHangup {
			t.Errorf("gone: %v", err)
		}
		if _, err := e.fetch(t.Context(), nil, "http://x/a"); err != nil {
			t.Error(err)
		}
		if got := web.requests(); got != "200 /a\n200 /a" {
			t.Errorf("asked\n%s", got)
		}
	})
}

// However many different sounds are asked for, a few are loaded at once.
func TestFetchesAreBounded(t *testing.T) {
	t.Parallel()
	var now, most atomic.Int64
	web := roundTrip(func(*http.Request) (*http.Response, error) {
		if n := now.Add(1); n > most.Load() {
			most.Store(n)
		}
		defer now.Add(-1)
		time.Sleep(time.Second)
		return nil, errors.New("down")
	})
	fetchFrom(t, web, func(t *testing.T, e *Engine) {
		var all sync.WaitGroup
		for i := range 5 * maxFetches {
			all.Go(func() {
				if _, err := e.fetch(t.Context(), nil, fmt.Sprint("http://x/", i)); err == nil || err.Error() != "down" {
					t.Error(err)
				}
			})
		}
		all.Wait()
		if n := most.Load(); n != maxFetches {
			t.Errorf("%d at once; want %d", n, maxFetches)
		}
		if len(e.fetched.loading) > 0 || len(e.fetched.kept) > 0 {
			t.Errorf("left: %v, %v", e.fetched.loading, e.fetched.kept)
		}
	})
}

type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// What is kept stays within bounds; what was used lately stays.
func TestFetchedSoundsAreBounded(t *testing.T) {
	t.Parallel()
	clip, err := media.ReadClip("x", bytes.NewReader(shippedSound(t, "invalid")))
	if err != nil {
		t.Fatal(err)
	}
	w, began := newFetchedSounds(), time.Now()
	for i := range 2 * maxFetched {
		w.keep(fmt.Sprint(i), &fetchedSound{clip: clip, etag: "1", used: began.Add(time.Duration(i) * time.Second)})
		w.keep("often", &fetchedSound{clip: clip, etag: "1", used: began.Add(time.Duration(i) * time.Second)})
	}
	if len(w.kept) > maxFetched || w.size > maxFetchedSize || w.size != int64(len(w.kept)*clip.Size()) {
		t.Errorf("%d sounds of %d bytes are kept", len(w.kept), w.size)
	}
	if w.kept["often"] == nil || w.kept[fmt.Sprint(2*maxFetched-1)] == nil || w.kept["0"] != nil {
		t.Error("the wrong ones are kept")
	}
}

// Over a real connection: each kind of file, what is none, what is too large, and addresses
// that may not be reached.
func TestFetchOverTheNetwork(t *testing.T) {
	t.Parallel()
	var asked atomic.Int64
	url, e := webServer(t, func(w http.ResponseWriter, r *http.Request) {
		asked.Add(1)
		switch name := strings.TrimPrefix(r.URL.Path, "/"); name {
		case "large":
			_, _ = io.CopyN(w, zeros{}, maxSoundBody+1)
		case "cut":
			b := shippedSound(t, "invalid")
			w.Header().Set("Content-Length", fmt.Sprint(len(b)))
			_, _ = w.Write(b[:len(b)/2])
		case "html":
			w.Header().Set("Content-Type", "text/html")
			_, _ = io.WriteString(w, "<html>please log in</html>")
		case "empty":
		case "moved":
			http.Redirect(w, r, "/tones.wav", http.StatusFound)
		case "tones.wav":
			_, _ = w.Write(shippedSound(t, "invalid"))
		default:
			b, err := os.ReadFile("../media/soundfile/testdata/" + name)
			if err != nil {
				w.WriteHeader(http.StatusServiceUnavailable)
			}
			_, _ = w.Write(b)
		}
	})
	for path, want := range map[string]string{"large": "too large", "cut": "unexpected EOF", "html": `the server calls it "text/html"`,
		"empty": "media: " + url + "/empty: ", "none": "the server answers 503 Service Unavailable"} {
		if clip, err := e.fetch(t.Context(), nil, url+"/"+path); clip != nil || err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v; want %s", path, err, want)
		}
	}
	files, err := os.ReadDir("../media/soundfile/testdata")
	if err != nil {
		t.Fatal(err)
	}
	kinds := map[string]bool{}
	for _, f := range files {
		if f.IsDir() {
			continue
		}
		clip, err := e.fetch(t.Context(), nil, url+"/"+f.Name())
		if err != nil || clip.Duration() < 1500*time.Millisecond || clip.Duration() > 1800*time.Millisecond {
			t.Errorf("%s: %v", f.Name(), err)
		}
		kinds[f.Name()[strings.LastIndex(f.Name(), "."):]] = true
	}
	if !kinds[".mp3"] || !(kinds[".opus"] || kinds[".ogg"]) {
		t.Errorf("kinds of files: %v", kinds)
	}
	if _, err := e.fetch(t.Context(), nil, url+"/moved"); err != nil {
		t.Error(err)
	}
	e.SetAllow(nil)
	before := asked.Load()
	if _, err := e.fetch(t.Context(), nil, url+"/tones.wav"); err == nil || !strings.Contains(err.Error(), "[scripts.http] allow does not name it") {
		t.Errorf("loopback: %v", err)
	}
	if asked.Load() != before {
		t.Error("the server was reached")
	}
}

type zeros struct{}

func (zeros) Read(b []byte) (int, error) { clear(b); return len(b), nil }

func TestShownURL(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"https://u:p@example.com:8443/a%20b.wav?key=1#x": "https://example.com:8443/a%20b.wav",
		"http://x":                              "http://x",
		"http://x/" + strings.Repeat("y", 8000): "http://x/" + strings.Repeat("y", 247) + "…",
		"http://u:p@x:y/z":                      "http://…",
	} {
		if got := shownURL(text); got != want {
			t.Errorf("shownURL(%s) = %s; want %s", text, got, want)
		}
	}
}
