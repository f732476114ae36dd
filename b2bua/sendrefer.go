package b2bua

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/emiago/sipgo/sip"

	"tandem/b2bua/transaction"
	"tandem/clock"
)

// referPatience is how long we wait to hear how a REFER of ours went, from one NOTIFY to
// the next.
const referPatience = referLasts * time.Second

// Refer asks the caller's phone to call uri itself and waits until it reports success; a
// *Failure tells with what status it did not.
func (c *Call) Refer(ctx context.Context, uri string) error {
	ref, p := parseReference("<" + uri + ">")
	if p != nil || ref.replaces != nil {
		return fmt.Errorf("refer: %q is not a SIP or tel URI", uri)
	}
	_, err := await[struct{}](ctx, c, c.first, func(o *op) {
		l := c.caller
		if l.state != legAnswered || l.asked != nil {
			c.finish(o, nil, ErrState)
			return
		}
		c.taken.Store(true)
		a := &asking{l: l, o: o}
		l.asked = a
		o.stop = a.forget
		a.send(ref.uri)
	})
	return err
}

// asking is a REFER of ours and the subscription it makes.
type asking struct {
	l     *Leg
	o     *op
	seq   uint32
	timer clock.Timer
}

func (a *asking) send(uri sip.Uri) {
	l := a.l
	req := l.dialog.Request(sip.REFER)
	a.seq = req.CSeq().SeqNo
	us := l.dialog.LocalURI()
	req.AppendHeader(sip.NewHeader("Refer-To", "<"+uri.String()+">"))
	req.AppendHeader(sip.NewHeader("Referred-By", "<"+us.String()+">")) // RFC 3892 §2.1
	l.capabilities(req)
	l.call().note(l.name(), "transfer", "REFER to "+uri.String()+" sent")
	a.wait()
	l.request(req, a)
}

// wait starts the time anew until which we want to hear something.
func (a *asking) wait() {
	if a.timer != nil {
		a.timer.Stop()
	}
	a.timer = a.l.after(referPatience, func() {
		if a.l.asked == a {
			a.end(failure(408, "no word of the transfer"))
		}
	})
}

func (a *asking) HandleResponse(_ *transaction.Client, res *sip.Response) {
	if res.StatusCode >= 200 {
		a.l.post(func(*Call) { a.answered(res) })
	}
}

func (a *asking) HandleEnd(_ *transaction.Client, err error) {
	if err == nil {
		return
	}
	code := 503
	if isTimeout(err) {
		code = 408
	}
	a.l.post(func(*Call) { a.end(failure(code, "")) })
}

func (a *asking) answered(res *sip.Response) {
	sub, _ := headerOf(res, "Refer-Sub")
	switch {
	case res.StatusCode >= 300:
		a.end(failure(res.StatusCode, res.Reason))
	case strings.EqualFold(strings.TrimSpace(sub), "false"):
		a.end(nil) // RFC 4488 §4: accepted, and that is all that we shall hear
	}
}

// concerns reports whether the parameters of an Event header may mean this REFER.
func (a *asking) concerns(params string) bool {
	for p := range strings.SplitSeq(params, ";") {
		if k, v, _ := strings.Cut(strings.TrimSpace(p), "="); strings.EqualFold(k, "id") {
			return v == strconv.FormatUint(uint64(a.seq), 10)
		}
	}
	return true
}

// heard takes what a NOTIFY says: the status line of what came of the REFER.
func (a *asking) heard(state string, body []byte) {
	a.wait()
	code, reason, ok := statusLine(body)
	if ok {
		a.l.call().note(a.l.name(), "transfer", fmt.Sprintf("the phone reports %d %s", code, reason))
	}
	switch word, _, _ := strings.Cut(state, ";"); {
	case ok && code >= 300:
		a.end(failure(code, reason))
	case ok && code >= 200:
		a.end(nil)
	case strings.EqualFold(strings.TrimSpace(word), "terminated"):
		a.end(failure(480, "no word of how the transfer went"))
	}
}

// statusLine reads the first line of a sipfrag.
func statusLine(body []byte) (code int, reason string, ok bool) {
	line, _, _ := bytes.Cut(body, []byte("\n"))
	version, rest, _ := strings.Cut(strings.TrimSpace(string(line[:min(len(line), 200)])), " ")
	number, reason, _ := strings.Cut(rest, " ")
	code, err := strconv.Atoi(number)
	return code, reason, err == nil && len(number) == 3 && code >= 100 && code < 700 && strings.EqualFold(version, "SIP/2.0")
}

// end lets the script go on.
func (a *asking) end(err error) {
	if f := (*Failure)(nil); errors.As(err, &f) {
		a.l.call().note(a.l.name(), "transfer", "failed: "+f.Error())
	}
	a.l.call().finish(a.o, nil, err)
}

// forget runs when the op is finished, for any reason.
func (a *asking) forget() {
	a.timer.Stop()
	if a.l.asked == a {
		a.l.asked = nil
	}
}
