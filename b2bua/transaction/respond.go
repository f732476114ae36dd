package transaction

import (
	"bytes"
	"crypto/rand"
	"fmt"

	"github.com/emiago/sipgo/sip"

	"tandem/b2bua/transport"
)

func (t *serverTx) respond(res *sip.Response) error {
	b := transport.Encode(res)
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.send(res, b)
}

// send steps by a response and writes it; the caller holds the lock.
func (t *serverTx) send(res *sip.Response, b []byte) error {
	again := t.state == accepted && res.IsSuccess()
	if !again && t.state != trying && t.state != proceeding {
		return fmt.Errorf("respond %d: %w", res.StatusCode, ErrEnded)
	}
	seen := seenResponse(res).sent()
	seen.Again = again || bytes.Equal(b, t.last)
	if seen.Again {
		t.l.resent.Add(1)
	}
	if !again {
		t.req, t.last, t.code, t.seq = nil, b, res.StatusCode, seen.Seq
		if to := res.To(); to != nil && tag(to.Params) != "" {
			t.tag = tag(to.Params)
		}
		t.resend.stop()
		t.step(res.StatusCode)
	}
	t.saw(seen)
	err := t.reply.Write(b)
	switch {
	case err != nil:
		if end := t.end(err); end != nil {
			t.l.later(t.flow, end)
		}
		return fmt.Errorf("respond %d: %w", res.StatusCode, err)
	case t.state == completed && !t.invite && t.reply.Reliable():
		// RFC 3261 §17.2.2: timer J is zero.
		if end := t.end(nil); end != nil {
			t.l.later(t.flow, end)
		}
	}
	return nil
}

// step goes to the state that a response of this code leads to.
func (t *serverTx) step(code int) {
	c, timers := t.l.o.Clock, &t.l.o.Timers
	expired := func() { t.expire.set(c, timers.long(), t.l.guard(t.flow, t.expired)) }
	switch {
	case code < 200:
		t.state = proceeding
	case t.invite && code < 300:
		// RFC 6026 §7.1: timer L. The user resends the 2xx; INVITEs that come again are absorbed.
		t.state, t.last = accepted, nil
		expired()
	case t.invite:
		// RFC 3261 §17.2.1: timers G and H.
		t.state = completed
		if !t.reply.Reliable() {
			t.interval = timers.T1
			t.resend.set(c, t.interval, t.l.guard(t.flow, t.remind))
		}
		expired()
	default:
		// RFC 3261 §17.2.2: timer J.
		t.state = completed
		expired()
	}
	if code >= 300 {
		// Refused: the client may well try another way in with the same CSeq (RFC 3263 §4.3).
		t.l.mu.Lock()
		t.unmerge()
		t.l.mu.Unlock()
	}
}

// NewResponse makes the response to req that RFC 3261 §8.2.6 describes: its Vias, From, To,
// Call-ID and CSeq, with toTag where To has no tag ("" for none, as in a 100), and its
// Record-Routes where the response may make a dialog (§12.1.1).
func NewResponse(req *sip.Request, code int, reason, toTag string) *sip.Response {
	res := sip.NewResponse(code, reason)
	copyHeaders(res, req, "via")
	if formsDialog(req.Method, code) {
		copyHeaders(res, req, "record-route")
	}
	copyHeaders(res, req, "from")
	copyHeaders(res, req, "to")
	if to := res.To(); to != nil && toTag != "" && tag(to.Params) == "" {
		to.Params.Add("tag", toTag)
	}
	copyHeaders(res, req, "call-id")
	copyHeaders(res, req, "cseq")
	if code == sip.StatusTrying {
		copyHeaders(res, req, "timestamp") // §8.2.6.1
	}
	res.SetBody(nil)
	return res
}

func formsDialog(method sip.RequestMethod, code int) bool {
	switch method {
	case sip.INVITE:
		return code > 100 && code < 300
	case sip.SUBSCRIBE, sip.REFER, sip.NOTIFY:
		return code >= 200 && code < 300
	}
	return false
}

// copyHeaders copies values, not pointers: sipgo's clones of Call-ID and Max-Forwards would
// share theirs with the original.
func copyHeaders(to, from sip.Message, name string) {
	for _, h := range from.GetHeaders(name) {
		switch h := h.(type) {
		case *sip.CallIDHeader:
			v := *h
			to.AppendHeader(&v)
		case *sip.MaxForwardsHeader:
			v := *h
			to.AppendHeader(&v)
		default:
			to.AppendHeader(sip.HeaderClone(h))
		}
	}
}

func newTag() string { return rand.Text()[:16] }
