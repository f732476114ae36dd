package web

import (
	"bytes"
	"net/http"
	"time"
)

const (
	// heartbeat keeps proxies from giving up a stream in which nothing happens.
	heartbeat = 15 * time.Second
	// patience is how long a client may take to receive what is written.
	patience = 10 * time.Second
	// pace is the least time between two writes: what happens meanwhile goes together.
	pace = 50 * time.Millisecond
	// maxStreams bounds the clients that listen at once.
	maxStreams = 2000
	// eventBatch is how many events are written at once.
	eventBatch = 64
)

// events answers with server-sent events: what happens from now on or, with the
// Last-Event-ID of an earlier stream, from there. An event "missed" says that some are not
// remembered any more, so that what was built from them must be asked for anew.
func (a *API) events(r *http.Request) (any, error) {
	if a.streams.Add(1) > maxStreams {
		a.streams.Add(-1)
		return nil, problem(http.StatusServiceUnavailable, "%d clients listen already", maxStreams)
	}
	return raw(func(w http.ResponseWriter, r *http.Request) {
		defer a.streams.Add(-1)
		s := &stream{feed: a.o.Feed, w: w, control: http.NewResponseController(w), until: a.end(r), patience: a.patience}
		s.begin(r)
		s.run(r)
	}), nil
}

// Listeners is how many clients listen to events.
func (a *API) Listeners() int { return int(a.streams.Load()) }

// end is when the session of a request ends; never where it carries a token.
func (a *API) end(r *http.Request) time.Time {
	cookie, err := r.Cookie(sessionCookie)
	if err != nil || r.Header.Get("Authorization") != "" {
		return time.Time{}
	}
	_, end := a.sessions.check(cookie.Value, a.access.Load())
	return end
}

// stream is one client that listens.
type stream struct {
	feed     *Feed
	w        http.ResponseWriter
	control  *http.ResponseController
	until    time.Time // zero: for as long as it likes
	patience time.Duration
	at       uint64 // number of the last event written
	missed   bool
	wrote    bool // since the last pause
}

// begin finds where the client left off.
func (s *stream) begin(r *http.Request) {
	h := s.w.Header()
	h.Set("Content-Type", "text/event-stream")
	h.Set("X-Accel-Buffering", "no") // nginx would hold events back
	s.at = s.feed.newest()
	if last := r.Header.Get("Last-Event-ID"); last != "" {
		if n, ok := s.feed.number(last); ok {
			s.at = n
		} else {
			s.missed = true
		}
	}
	s.w.WriteHeader(http.StatusOK)
}

// run writes until the client, its session or the server goes.
func (s *stream) run(r *http.Request) {
	tick := time.NewTicker(heartbeat)
	defer tick.Stop()
	pause := time.NewTimer(pace)
	defer pause.Stop()
	if !s.write([]byte(": listening\nretry: 2000\n\n")) {
		return
	}
	for {
		more, wake := s.catchUp()
		if !more {
			return
		}
		if s.wrote {
			wake, s.wrote = nil, false
			pause.Reset(pace)
		}
		select {
		case <-wake:
		case <-pause.C:
		case <-r.Context().Done():
			return
		case now := <-tick.C:
			if !s.until.IsZero() && now.After(s.until) || !s.write([]byte(":\n\n")) {
				return
			}
		}
	}
}

// catchUp writes all that there is; more is false when there will be none.
func (s *stream) catchUp() (more bool, wake <-chan struct{}) {
	for {
		list, upTo, missed, closed, wake := s.feed.after(s.at, eventBatch)
		if s.missed = s.missed || missed; s.missed {
			if !s.write([]byte("event: missed\nid: " + s.feed.id(upTo-uint64(len(list))) + "\ndata: {}\n\n")) {
				return false, nil
			}
			s.missed = false
		}
		if len(list) == 0 {
			return !closed, wake
		}
		var out bytes.Buffer
		for i, h := range list {
			out.WriteString("event: " + h.kind + "\nid: " + s.feed.id(upTo-uint64(len(list)-1-i)) + "\ndata: ")
			out.Write(h.json())
			out.WriteString("\n\n")
		}
		if !s.write(out.Bytes()) {
			return false, nil
		}
		s.at, s.wrote = upTo, true
	}
}

// write sends, within patience: who does not read is cut off.
func (s *stream) write(b []byte) bool {
	s.control.SetWriteDeadline(time.Now().Add(s.patience)) // every server of net/http can
	if _, err := s.w.Write(b); err != nil {
		return false
	}
	return s.control.Flush() == nil
}
