package web

import (
	"context"
	"encoding/json"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"time"

	"tandem/trace"
)

// Tracer shows SIP messages as they pass.
type Tracer interface {
	// Trace hands out the messages from now on, or those of one call, until ctx ends. ok is
	// false when there is no such call.
	Trace(ctx context.Context, call string) (messages <-chan trace.Message, ok bool)
}

// TracedMessage is a line of GET /trace: one SIP message, secrets masked.
type TracedMessage struct {
	AtNS      int64  `json:"at_ns"` // since 1970
	Sent      bool   `json:"sent"`  // by us
	Transport string `json:"transport"`
	Local     string `json:"local"`
	Remote    string `json:"remote"`
	Message   string `json:"message"`
}

// traceMessages streams SIP messages, a JSON object a line, until the client goes.
func (a *API) traceMessages(r *http.Request) (any, error) {
	if roleIn(r) != Admin {
		return nil, problem(http.StatusForbidden, "a trace shows what is said: it needs [http] token, not read_token")
	}
	q := r.URL.Query()
	for name := range q {
		if name != "call" {
			return nil, problem(http.StatusBadRequest, "there is no filter %q", printable(name))
		}
	}
	if a.streams.Add(1) > maxStreams {
		a.streams.Add(-1)
		return nil, problem(http.StatusServiceUnavailable, "%d clients listen already", maxStreams)
	}
	ctx, cancel := context.WithCancel(r.Context())
	messages, ok := a.o.Tracer.Trace(ctx, q.Get("call"))
	if !ok {
		cancel()
		a.streams.Add(-1)
		return nil, noCall(q.Get("call"))
	}
	return raw(func(w http.ResponseWriter, r *http.Request) {
		defer a.streams.Add(-1)
		defer cancel()
		w.Header().Set("Content-Type", "application/x-ndjson")
		s := &stream{w: w, control: http.NewResponseController(w), patience: a.patience}
		alive := time.NewTicker(heartbeat)
		defer alive.Stop()
		for open := s.write([]byte("\n")); open; {
			select {
			case m, more := <-messages:
				open = more && s.write(tracedLine(m))
			case <-alive.C:
				open = s.write([]byte("\n"))
			case <-a.o.Feed.ended:
				return
			case <-ctx.Done():
				return
			}
		}
	}), nil
}

func tracedLine(m trace.Message) []byte {
	line, _ := json.Marshal(TracedMessage{AtNS: m.At.UnixNano(), Sent: m.Sent, Transport: m.Proto, // strings and numbers
		Local: m.Local.String(), Remote: m.Remote.String(), Message: strings.ToValidUTF8(string(m.Text), "?")})
	return append(line, '\n')
}

// Trace shows each message to f until ctx ends or f gives an error, or the server ends.
func (c *Client) Trace(ctx context.Context, call string, f func(trace.Message) error) error {
	path := "/trace"
	if call != "" {
		path += "?call=" + url.QueryEscape(call)
	}
	res, err := c.open(ctx, path)
	if err != nil {
		return err
	}
	defer res.Close()
	for d := json.NewDecoder(res); ; {
		var m TracedMessage
		if err := d.Decode(&m); err != nil {
			return err
		}
		local, _ := netip.ParseAddrPort(m.Local) // what the server wrote can be read
		remote, _ := netip.ParseAddrPort(m.Remote)
		if err := f(trace.Message{At: time.Unix(0, m.AtNS), Sent: m.Sent, Proto: m.Transport, Local: local, Remote: remote, Text: []byte(m.Message)}); err != nil {
			return err
		}
	}
}
