package sim

import (
	"fmt"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/emiago/sipgo/sip"

	"tandem/b2bua/phone"
)

// transferLimit is how long a transfer may take to succeed or fail.
const transferLimit = 2 * time.Minute

// reports are what the server tells of transfers that a phone has asked for (RFC 3515 §2.4.4).
type reports struct {
	mu    sync.Mutex
	final map[*phone.Call]int // the last status that was final
}

// notified takes the NOTIFY requests of a phone's calls.
func (r *reports) notified(c *phone.Call, req *sip.Request) int {
	if c == nil || req.Method != sip.NOTIFY {
		return 0
	}
	_, rest, ok := strings.Cut(string(req.Body()), " ")
	code, err := strconv.Atoi(rest[:min(3, len(rest))])
	if !ok || err != nil || code < 200 {
		return 0
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.final == nil {
		r.final = map[*phone.Call]int{}
	}
	r.final[c] = code
	return 0
}

func (r *reports) forget(c *phone.Call) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.final, c)
}

func (r *reports) of(c *phone.Call) int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.final[c]
}

// asks has the far end of a call connected with somebody else, a number or a URI. It returns
// when the server has agreed to try.
func (p *party) asks(w *world, c *phone.Call, to string) error {
	p.reports.forget(c)
	res, err := c.Request(w.ctx, sip.REFER, "", nil, sip.NewHeader("Refer-To", "<"+uriOf(to)+">"))
	if err == nil && res.StatusCode != 202 {
		err = fmt.Errorf("the transfer was refused with %d %s", res.StatusCode, res.Reason)
	}
	return err
}

// report waits for the end of a transfer: 200, or why it failed.
func (p *party) report(w *world, c *phone.Call) (int, error) {
	ok, err := w.until(transferLimit, func() bool { return p.reports.of(c) > 0 })
	if err == nil && !ok {
		err = fmt.Errorf("the transfer has neither succeeded nor failed within %v", transferLimit)
	}
	return p.reports.of(c), err
}

// uriOf is a number at our server, or a URI as it is.
func uriOf(to string) string {
	if strings.Contains(to, ":") {
		return to
	}
	return "sip:" + to + "@" + serverAddr
}

// forwards answers a call with 302.
func (l *callee) forwards(to string) error {
	if err := l.in.Reject(302, sip.NewHeader("Contact", "<"+uriOf(to)+">")); err != nil {
		return fmt.Errorf("%s cannot forward: %w", l.target, err)
	}
	return l.c.w.still.wait()
}
