package scripting

import (
	"cmp"
	"context"
	"fmt"
	"net/http"
	"net/url"
	"runtime/debug"
	"strconv"
	"strings"
	"sync"
	"time"

	"tandem/b2bua"
	"tandem/media"
)

const (
	maxSoundBody   = 20 << 20 // bytes of a sound file from a web server
	maxSoundURL    = 8 << 10
	maxShownURL    = 256       // in a log line
	maxFetches     = 8         // at once, each with a file or two in memory; further ones wait
	maxFetched     = 1024      // sounds kept
	maxFetchedSize = 256 << 20 // bytes of samples kept
	maxFreshness   = 24 * time.Hour
)

// fetchedSounds keeps the sounds that came from web servers, for all calls.
type fetchedSounds struct {
	slots   chan struct{} // one taken by each request
	running sync.WaitGroup

	mu      sync.Mutex
	kept    map[string]*fetchedSound // by URL
	loading map[string]*fetch        // by URL; each is one request
	size    int64                    // bytes of samples in kept
}

// fetchedSound is never changed, but for used: an answer that says "as before" makes another.
type fetchedSound struct {
	clip           *media.Clip
	etag, modified string        // what the server knows this version by
	lifetime       time.Duration // how long it is used without asking
	fresh          time.Time     // until when
	used           time.Time     // under the lock
}

// fetch is a request that somebody waits for.
type fetch struct {
	done    chan struct{}
	clip    *media.Clip
	err     error
	waiting int
	cancel  context.CancelCauseFunc
}

func newFetchedSounds() *fetchedSounds {
	return &fetchedSounds{slots: make(chan struct{}, maxFetches), kept: map[string]*fetchedSound{}, loading: map[string]*fetch{}}
}

// fetch gets the sound at a URL while the script waits. A caller who hangs up meanwhile hears
// nothing: whatever the sound was for then fails of itself.
func (a arguments) fetch(target string) (media.Source, error) {
	s := of(a.L)
	var gone <-chan struct{}
	if o := runningIn(a.L).call; o != nil {
		gone = o.c.Done()
	}
	var clip *media.Clip
	var err error
	s.block(a.L, a.name, func(ctx context.Context) { clip, err = s.engine.fetch(ctx, gone, target) })
	switch {
	case err == b2bua.ErrHangup:
		return media.Silence(0), nil
	case err != nil:
		return nil, err
	}
	return clip, nil
}

// fetch gives the sound at a URL: the one that is kept while it is fresh, else the server's.
// All who want the same at once share a request, which is given up when nobody waits for it
// any more. The error is b2bua.ErrHangup when gone or ctx ended the wait.
func (e *Engine) fetch(ctx context.Context, gone <-chan struct{}, target string) (*media.Clip, error) {
	if len(target) > maxSoundURL {
		return nil, fmt.Errorf("the URL is longer than %d bytes", maxSoundURL)
	}
	select {
	case <-gone:
		return nil, b2bua.ErrHangup
	default:
	}
	w := e.fetched
	w.mu.Lock()
	if have, now := w.kept[target], e.o.Clock.Now(); have != nil && now.Before(have.fresh) {
		have.used = now
		w.mu.Unlock()
		return have.clip, nil
	}
	f := w.loading[target]
	if f == nil {
		f = e.startFetch(target)
	}
	f.waiting++
	w.mu.Unlock()
	select {
	case <-f.done:
		return f.clip, f.err
	case <-gone:
	case <-ctx.Done():
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if f.waiting--; f.waiting == 0 {
		f.cancel(context.Canceled)
		w.forget(target, f)
	}
	return nil, b2bua.ErrHangup
}

// startFetch begins a request. The lock is held.
func (e *Engine) startFetch(target string) *fetch {
	w := e.fetched
	ctx, cancel := context.WithCancelCause(e.ctx)
	f := &fetch{done: make(chan struct{}), cancel: cancel}
	if err := e.ctx.Err(); err != nil { // Close does not wait for what begins now
		cancel(nil)
		f.err = err
		close(f.done)
		return f
	}
	w.loading[target] = f
	have := w.kept[target]
	w.running.Go(func() {
		defer cancel(nil)
		// A file takes 10 s like any request; as long again it may have to wait for others.
		defer e.o.Clock.AfterFunc(2*httpTimeout, func() { cancel(errHTTPTimeout) }).Stop()
		sound, err := e.load(ctx, target, have)
		w.mu.Lock()
		defer w.mu.Unlock()
		if f.err = err; err == nil {
			f.clip = sound.clip
			w.keep(target, sound)
		}
		w.forget(target, f)
		close(f.done)
	})
	return f
}

// forget ends the sharing of a request. The lock is held.
func (w *fetchedSounds) forget(target string, f *fetch) {
	if w.loading[target] == f {
		delete(w.loading, target)
	}
}

// wait returns when no request runs; the engine's context has ended.
func (w *fetchedSounds) wait() {
	w.mu.Lock() // whoever has found the context alive has been counted
	w.mu.Unlock()
	w.running.Wait()
}

// keep replaces what is kept of a URL, and drops what was not used for the longest time when
// it is too much. What could never be used again is not kept. The lock is held.
func (w *fetchedSounds) keep(target string, sound *fetchedSound) {
	w.drop(target)
	if sound.etag == "" && sound.modified == "" && sound.lifetime <= 0 {
		return
	}
	w.kept[target] = sound
	w.size += int64(sound.clip.Size())
	for len(w.kept) > maxFetched || w.size > maxFetchedSize {
		oldest := target
		for name, s := range w.kept {
			if s.used.Before(w.kept[oldest].used) {
				oldest = name
			}
		}
		w.drop(oldest)
	}
}

func (w *fetchedSounds) drop(target string) {
	if old := w.kept[target]; old != nil {
		w.size -= int64(old.clip.Size())
		delete(w.kept, target)
	}
}

// load asks the server, whether have is still right if there is one.
func (e *Engine) load(ctx context.Context, target string, have *fetchedSound) (sound *fetchedSound, err error) {
	defer func() {
		if p := recover(); p != nil { // a file that leads a decoder astray harms nobody else
			e.panics.count.Add(1)
			e.o.Log.Error("panic in reading a sound", "source", shownURL(target), "panic", p, "stack", string(debug.Stack()))
			err = fmt.Errorf("internal error")
		}
	}()
	select {
	case e.fetched.slots <- struct{}{}:
		defer func() { <-e.fetched.slots }()
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
	r := httpRequest{method: "GET", url: target, headers: http.Header{}, timeout: httpTimeout, largest: maxSoundBody}
	if have != nil && have.etag != "" {
		r.headers.Set("If-None-Match", have.etag)
	}
	if have != nil && have.modified != "" {
		r.headers.Set("If-Modified-Since", have.modified)
	}
	asked := e.o.Clock.Now()
	res, err := e.doHTTP(ctx, r)
	if err != nil {
		return nil, err
	}
	sound = &fetchedSound{etag: res.headers.Get("ETag"), modified: res.headers.Get("Last-Modified"), used: asked}
	lifetime, storable := freshness(res.headers)
	switch {
	case res.status == http.StatusNotModified && have != nil:
		sound.clip = have.clip
		sound.etag, sound.modified = cmp.Or(sound.etag, have.etag), cmp.Or(sound.modified, have.modified)
		if res.headers.Get("Cache-Control") == "" { // RFC 9111 §3.2: what it does not say is as before
			lifetime = have.lifetime
		}
	case res.status != http.StatusOK:
		return nil, fmt.Errorf("the server answers %d %s", res.status, http.StatusText(res.status))
	default:
		if sound.clip, err = media.ReadClip(shownURL(target), strings.NewReader(res.body)); err != nil {
			why, _, _ := strings.Cut(err.Error(), "\n") // what follows says less
			return nil, fmt.Errorf("%s (the server calls it %.60q)", why, res.headers.Get("Content-Type"))
		}
	}
	if !storable {
		sound.etag, sound.modified, lifetime = "", "", 0
	}
	sound.lifetime, sound.fresh = lifetime, asked.Add(lifetime)
	return sound, nil
}

// freshness tells for how long an answer may be used without asking again, and whether it may
// be kept at all (RFC 9111 §5.2.2). Without a word about it the server is asked each time.
func freshness(h http.Header) (lifetime time.Duration, storable bool) {
	ask := false
	for directive := range strings.SplitSeq(strings.Join(h.Values("Cache-Control"), ","), ",") {
		name, value, _ := strings.Cut(strings.TrimSpace(directive), "=")
		switch strings.ToLower(name) {
		case "no-store":
			return 0, false
		case "no-cache":
			ask = true
		case "max-age":
			n, err := strconv.ParseUint(strings.Trim(value, `"`), 10, 31)
			if err != nil {
				ask = true // RFC 9111 §4.2.1: what cannot be read is stale
			}
			lifetime = min(time.Duration(n)*time.Second, maxFreshness)
		}
	}
	if age, err := strconv.ParseUint(h.Get("Age"), 10, 31); err == nil {
		lifetime -= time.Duration(age) * time.Second
	}
	if ask {
		lifetime = 0
	}
	return max(lifetime, 0), true
}

// shownURL leaves out of a URL what may be a secret: user, password and query.
func shownURL(target string) string {
	u, err := url.Parse(target)
	if err != nil {
		scheme, _, _ := strings.Cut(target, ":")
		return scheme + "://…"
	}
	shown := u.Scheme + "://" + u.Host + u.EscapedPath()
	if len(shown) > maxShownURL {
		return strings.ToValidUTF8(shown[:maxShownURL], "") + "…"
	}
	return shown
}
