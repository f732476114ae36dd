package transport

import (
	"bytes"
	"sync/atomic"

	"github.com/emiago/sipgo/sip"
)

// MessageCount is how many messages of a kind went one way.
type MessageCount struct {
	Received bool
	Method   string // of requests; "other" for those nobody knows
	Code     int    // of responses
	Count    uint64
}

// methods are those counted by name. What a stranger invents is "other": the tally's size
// does not depend on who sends what.
var methods = [...]string{"INVITE", "ACK", "BYE", "CANCEL", "OPTIONS", "REGISTER", "SUBSCRIBE", "NOTIFY", "PRACK", "UPDATE", "INFO",
	"MESSAGE", "REFER", "PUBLISH", "other"}

// tally counts messages of one direction.
type tally struct {
	requests  [len(methods)]atomic.Uint64
	responses [600]atomic.Uint64 // from 100
}

func (t *tally) request(method string) {
	for i, m := range methods[:len(methods)-1] {
		if m == method {
			t.requests[i].Add(1)
			return
		}
	}
	t.requests[len(methods)-1].Add(1)
}

func (t *tally) response(code int) {
	if code >= 100 && code < 100+len(t.responses) {
		t.responses[code-100].Add(1)
	}
}

func (t *tally) message(m sip.Message) {
	switch m := m.(type) {
	case *sip.Request:
		t.request(string(m.Method))
	case *sip.Response:
		t.response(m.StatusCode)
	}
}

// encoded counts a message by its first line; a keep-alive has none.
func (t *tally) encoded(b []byte) {
	if rest, ok := bytes.CutPrefix(b, []byte("SIP/2.0 ")); ok {
		code := 0
		for _, c := range rest[:min(3, len(rest))] {
			code = 10*code + int(c-'0')
		}
		t.response(code)
		return
	}
	if method, _, ok := bytes.Cut(b[:min(len(b), 32)], []byte(" ")); ok {
		t.request(string(method))
	}
}

func (t *tally) append(list []MessageCount, received bool) []MessageCount {
	for i := range t.requests {
		if n := t.requests[i].Load(); n > 0 {
			list = append(list, MessageCount{Received: received, Method: methods[i], Count: n})
		}
	}
	for i := range t.responses {
		if n := t.responses[i].Load(); n > 0 {
			list = append(list, MessageCount{Received: received, Code: 100 + i, Count: n})
		}
	}
	return list
}

// Messages are the whole messages received and sent so far, by kind.
func (l *Layer) Messages() []MessageCount {
	return l.counts.tx.append(l.counts.rx.append(nil, true), false)
}
