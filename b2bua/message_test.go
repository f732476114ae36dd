package b2bua

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/emiago/sipgo/sip"
)

const plain = "Content-Type: text/plain"

// writes sends a MESSAGE of user 1001, with credentials.
func (p *peer) writes(number, text string, headers ...string) {
	p.w.t.Helper()
	headers = append(headers, plain)
	p.send("MESSAGE", number, text, headers...)
	res := p.challenged("MESSAGE", number)
	p.send("MESSAGE", number, text, append(headers, p.answersTo(res, "MESSAGE", number, "1001", "first"))...)
}

// message is writes, and the answer.
func (p *peer) message(number, text string) *sip.Response {
	p.w.t.Helper()
	p.fresh().writes(number, text)
	return p.recv().(*sip.Response)
}

func TestMessageReachesAllPhones(t *testing.T) {
	inWorld(t, answering, func(w *world) {
		alice, desk, mobile := w.peer(1), w.peer(2), w.peer(3)
		for _, p := range []*peer{desk, mobile} {
			if res := p.registers("1002", "second"); res.StatusCode != 200 {
				t.Fatalf("got %s", res)
			}
		}
		alice.local, alice.remote = `"Alice \" A" <sip:boss@10.0.1.1>;tag=a1`, "<sip:1002@10.0.0.1>"
		alice.writes("1002", "Watson, come here.", "Subject: help")
		for _, p := range []*peer{desk, mobile} {
			req := p.request(sip.MESSAGE)
			kind, _ := headerOf(req, "Content-Type")
			subject, _ := headerOf(req, "Subject")
			if string(req.Body()) != "Watson, come here." || kind != "text/plain" || subject != "help" {
				t.Errorf("received\n%s", req)
			}
			if u := req.From().Address; u.User != "1001" || req.From().DisplayName != "Alice  A" || req.Contact() != nil {
				t.Errorf("it comes from %s", req.From().Value())
			}
			if req.CallID().Value() == alice.callID || req.MaxForwards().Val() != 69 {
				t.Errorf("it is not of our own making:\n%s", req)
			}
			p.answer(req, map[*peer]int{desk: 486, mobile: 200}[p], "t", "")
		}
		alice.response(200)
		alice.fresh().writes("1002", "again", "Privacy: id")
		req := desk.request(sip.MESSAGE)
		if u := req.From().Address; u.User != "anonymous" || u.Host != "anonymous.invalid" {
			t.Errorf("who wants privacy is shown as %s", req.From().Value())
		}
		desk.answer(req, 200, "t", "")
		alice.response(200)
	}, guarded)
}

func TestMessageThatNobodyTakes(t *testing.T) {
	inWorld(t, answering, func(w *world) {
		p := w.peer(1)
		p.send("MESSAGE", "1002", "x", plain)
		p.response(401)
		if res := p.message("1002", "x"); res.StatusCode != 480 {
			t.Errorf("to a user who is not registered: %d", res.StatusCode)
		}
		if res := p.message("7777", "x"); res.StatusCode != 404 {
			t.Errorf("to nobody: %d", res.StatusCode)
		}
		q, r := w.peer(2), w.peer(3)
		q.registers("1002", "second")
		answers := func(codes ...int) int {
			t.Helper()
			p.fresh().writes("1002", "x")
			for i, phone := range []*peer{q, r}[:len(codes)] {
				req := phone.request(sip.MESSAGE)
				if codes[i] > 0 {
					phone.answer(req, codes[i], "t", "")
				}
			}
			return p.recv().(*sip.Response).StatusCode
		}
		for _, tt := range []struct{ said, heard int }{{202, 202}, {415, 415}, {407, 403}, {302, 480}, {408, 480}, {603, 603}} {
			if heard := answers(tt.said); heard != tt.heard {
				t.Errorf("the phone says %d, the sender hears %d, want %d", tt.said, heard, tt.heard)
			}
		}
		r.registers("1002", "second")
		if heard := answers(486, 415); heard != 415 {
			t.Errorf("of 486 and 415 the sender hears %d", heard)
		}
	}, guarded)
}

func TestMessageWithoutAnyAnswer(t *testing.T) {
	inWorld(t, answering, func(w *world) {
		p, q := w.peer(1), w.peer(2)
		q.registers("1002", "second")
		start := time.Now()
		if res := p.message("1002", "x"); res.StatusCode != 480 || time.Since(start) != deliverTimeout {
			t.Errorf("%d after %v", res.StatusCode, time.Since(start))
		}
		if n := w.server.deliveries.Load(); n != 0 {
			t.Errorf("%d on their way", n)
		}
	}, guarded)
}

// A crowd of messages to a phone that does not answer is bounded.
func TestMessagesAreBounded(t *testing.T) {
	inWorld(t, answering, func(w *world) {
		p, q := w.peer(1), w.peer(2)
		q.registers("1002", "second")
		w.server.deliveries.Store(maxDeliveries)
		if res := p.message("1002", "x"); res.StatusCode != 503 {
			t.Errorf("one too many: %s", res)
		}
		w.server.deliveries.Store(0)
	}, guarded)
}

func TestScriptTakesMessage(t *testing.T) {
	var seen Message
	h := &scripted{message: func(ctx context.Context, m Message) (int, error) {
		seen = m
		switch m.Body {
		case "keep":
			return 202, nil
		case "fail":
			return 0, errors.New("no database")
		case "wrong":
			return 100, nil
		case "bomb":
			panic("in a hook")
		}
		return 0, nil
	}}
	inWorld(t, answering, func(w *world) {
		p := w.peer(1)
		for text, code := range map[string]int{"keep": 202, "fail": 503, "wrong": 500, "bomb": 500, "not mine": 480} {
			if res := p.message("1002", text); res.StatusCode != code {
				t.Errorf("%s: %d, want %d", text, res.StatusCode, code)
			}
			if seen.Body != text || seen.User != "1001" || seen.From.User != "alice" || seen.To.User != "1002" || seen.ContentType != "text/plain" ||
				seen.Source.IP != p.addr.Addr() || !strings.HasPrefix(seen.To.URI, "sip:1002@") {
				t.Errorf("asked about %+v", seen)
			}
		}
	}, guarded, func(o *Options) { o.Hooks = h })
}
