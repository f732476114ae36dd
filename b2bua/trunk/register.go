package trunk

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
	"time"

	"github.com/emiago/sipgo/sip"

	"tandem/b2bua/auth"
	"tandem/b2bua/dialog"
	"tandem/b2bua/transport"
	"tandem/clock"
)

// standing is how we stand with a trunk's registrar.
type standing int

const (
	unregistered standing = iota // not yet, or not any more
	registered
	refused // it answered, and not with 200
)

func (s standing) String() string { return [...]string{"unregistered", "registered", "refused"}[s] }

const (
	// registerTimeout is how long a registrar may take to answer.
	registerTimeout = 8 * time.Second
	// backOffLeast doubles with each failure, up to backOffMost.
	backOffLeast = 4 * time.Second
	backOffMost  = 5 * time.Minute
	// refusedMost is backOffMost for a registrar that does not want us: each try counts
	// there as a failed login.
	refusedMost = 30 * time.Minute
)

// registration is our binding at a trunk (RFC 3261 §10.2).
type registration struct {
	state    standing
	hop      Hop
	flow     transport.Flow
	until    time.Time
	route    []sip.Uri // that calls are to take
	callID   string    // the same for all of them, §10.2.4
	tag      string
	seq      uint32
	asked    time.Duration // what a 423 wants
	failures int
	err      string
	failedAt time.Time
	timer    clock.Timer
	begun    bool
	busy     bool // a REGISTER is under way
	again    bool // another is wanted after it
	bye      bool // take the binding back when it has come
}

func (r *registration) init() { r.callID, r.tag = dialog.NewCallID(), dialog.NewTag() }

// registerFirst begins once the hosts have been looked up. The caller holds the lock.
func (l *line) registerFirst() {
	if l.cfg.Register && !l.reg.begun {
		l.reg.begun = true
		l.registerSoon(0)
	}
}

// registerAnew registers with a host that has come back: it may have forgotten us, or be a
// better one than nobody. The caller holds the lock.
func (l *line) registerAnew(h Hop) {
	if l.reg.begun && (l.reg.state != registered || l.reg.hop.Target == h.Target) {
		l.registerSoon(0)
	}
}

// registerSoon registers d from now, instead of when it was planned. The caller holds the lock.
func (l *line) registerSoon(d time.Duration) {
	switch {
	case l.closed:
	case l.reg.busy:
		l.reg.again = true
	default:
		if l.reg.timer != nil {
			l.reg.timer.Stop()
		}
		l.reg.timer = l.set.after(d, l.register)
	}
}

// flowClosed registers again where the connection was the way to us.
func (l *line) flowClosed(f transport.Flow) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.reg.state == registered && l.reg.flow == f {
		l.reg.state, l.reg.err = unregistered, "connection lost"
		l.registerSoon(time.Duration(rand.Int64N(int64(time.Second))))
	}
}

// register binds our contact at the first host that takes it, and plans the next time.
func (l *line) register() {
	l.mu.Lock()
	if l.closed || l.reg.busy {
		l.mu.Unlock()
		return
	}
	l.reg.busy = true
	l.mu.Unlock()

	var out outcome
	for _, h := range l.hops() {
		out = l.registerAt(h, l.expires())
		if out.err == nil || !out.elsewhere {
			break
		}
	}
	if out.hop.URI.Host == "" {
		out.err = errors.New("no host is up")
	}
	if l.registeredOr(out) {
		l.unregister()
	}
}

// outcome is how registering at one host went.
type outcome struct {
	hop       Hop
	flow      transport.Flow
	granted   time.Duration
	route     []sip.Uri
	err       error
	answered  bool          // by a response
	elsewhere bool          // another host may do better
	after     time.Duration // Retry-After; 0: none
}

// registeredOr notes the outcome and plans the next REGISTER. It tells whether the binding is
// to be taken back, for the line was stopped meanwhile.
func (l *line) registeredOr(out outcome) (leave bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	r := &l.reg
	r.busy = false
	again := r.again
	r.again = false
	if out.err == nil {
		if r.state != registered {
			l.log.Info("registered with trunk", "host", out.hop.URI.String(), "expires", out.granted.String())
		}
		r.state, r.hop, r.flow, r.failures, r.err = registered, out.hop, out.flow, 0, ""
		r.until, r.route = l.set.o.Clock.Now().Add(out.granted), out.route
		if l.closed && r.bye {
			return true
		}
		// Before it expires, and not with every other trunk of a restarted server at once.
		l.registerSoon(out.granted * time.Duration(75+rand.IntN(11)) / 100)
	} else {
		r.failures++
		r.err, r.failedAt, r.state = out.err.Error(), l.set.o.Clock.Now(), unregistered
		if out.answered {
			r.state = refused
		}
		wait := backOff(r.failures, out)
		l.log.Warn("not registered with trunk", "err", out.err, "next try in", wait.Round(time.Second).String())
		l.registerSoon(wait)
	}
	if again {
		l.registerSoon(0)
	}
	return false
}

// backOff is the wait after the nth failure in a row: doubling, and half of it random, so that
// a registrar that comes back is not met by everybody at once (RFC 5626 §4.5).
func backOff(n int, out outcome) time.Duration {
	most := backOffMost
	if out.answered && !out.elsewhere {
		most = refusedMost
		n += 3
	}
	d := min(most, backOffLeast<<min(n-1, 20))
	d = d/2 + time.Duration(rand.Int64N(int64(d/2)+1))
	return max(d, min(out.after, refusedMost))
}

func (l *line) expires() time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	d := l.cfg.Expires
	if d <= 0 {
		d = defaultRegistered
	}
	return max(d, l.reg.asked)
}

// registerAt sends REGISTER to one host, answering its challenges; expires 0 takes the
// binding back.
func (l *line) registerAt(h Hop, expires time.Duration) outcome {
	out := outcome{hop: h, elsewhere: true}
	f, err := l.connect(h)
	if err != nil {
		out.err = err
		l.failed(h, err.Error())
		return out
	}
	out.flow = f
	var attempt *auth.Attempt
	if l.login != nil {
		attempt = l.login.Attempt()
	}
	for shorter := true; ; {
		res, err := l.set.exchange(f, l.registerRequest(h, f, expires, attempt), registerTimeout)
		if err != nil {
			out.err = fmt.Errorf("REGISTER: %w", err)
			return out
		}
		out.answered = true
		switch code := res.StatusCode; {
		case code < 300:
			l.answered(h)
			out.granted, out.route = l.granted(res, f, expires), serviceRoute(res)
			return out
		case (code == 401 || code == 407) && attempt != nil && attempt.Challenged(func(name string) []string { return values(res, name) }):
		case code == 423 && shorter && l.longer(res, &expires): // RFC 3261 §10.2.8
			shorter = false
		default:
			out.err = fmt.Errorf("REGISTER: %d %s", code, res.Reason)
			out.elsewhere = code >= 500 && code < 600 || code == 408
			out.after = seconds(res, "Retry-After")
			return out
		}
	}
}

// longer takes the expiry that a 423 asks for.
func (l *line) longer(res *sip.Response, expires *time.Duration) bool {
	least := seconds(res, "Min-Expires")
	if least <= *expires || *expires == 0 || least > 24*time.Hour {
		return false
	}
	*expires = least
	l.mu.Lock()
	defer l.mu.Unlock()
	l.reg.asked = least
	return true
}

func (l *line) registerRequest(h Hop, f transport.Flow, expires time.Duration, a *auth.Attempt) *sip.Request {
	l.mu.Lock()
	l.reg.seq++
	seq := l.reg.seq
	l.mu.Unlock()
	registrar := l.request(h, "")
	registrar.UriParams = nil
	req := l.newRequest(sip.REGISTER, registrar, l.account(h), l.account(h), l.reg.tag, l.reg.callID, seq)
	req.AppendHeader(&sip.ContactHeader{Address: l.contact(f)})
	req.AppendHeader(sip.NewHeader("Expires", strconv.Itoa(int(expires.Seconds()))))
	if a != nil {
		for _, field := range a.Headers(string(sip.REGISTER), req.Recipient.String(), nil) {
			req.AppendHeader(sip.NewHeader(field.Name, field.Value))
		}
	}
	return req
}

// unregister takes our binding back.
func (l *line) unregister() {
	l.mu.Lock()
	h, was := l.reg.hop, l.reg.state == registered
	l.reg.state = unregistered
	l.mu.Unlock()
	if was {
		l.registerAt(h, 0)
	}
}

// granted is the expiry that the 200 gives our contact (RFC 3261 §10.2.4).
func (l *line) granted(res *sip.Response, f transport.Flow, asked time.Duration) time.Duration {
	const least = 10 * time.Second
	own := l.contact(f)
	for _, h := range res.GetHeaders("Contact") {
		c, ok := h.(*sip.ContactHeader)
		if !ok || c.Address.User != own.User || !strings.EqualFold(c.Address.Host, own.Host) {
			continue
		}
		for _, p := range c.Params {
			if n, err := strconv.ParseUint(strings.TrimSpace(p.V), 10, 31); err == nil && n > 0 && strings.EqualFold(strings.TrimSpace(p.K), "expires") {
				return max(least, time.Duration(n)*time.Second)
			}
		}
	}
	if d := seconds(res, "Expires"); d > 0 {
		return max(least, min(d, asked))
	}
	return max(least, asked)
}

func values(m sip.Message, name string) []string {
	var out []string
	for _, h := range m.GetHeaders(name) {
		out = append(out, h.Value())
	}
	return out
}

// seconds reads a header that is a number of seconds; 0 if it is not.
func seconds(m sip.Message, name string) time.Duration {
	for _, v := range values(m, name) {
		v, _, _ = strings.Cut(v, ";")
		v, _, _ = strings.Cut(v, "(")
		if n, err := strconv.ParseUint(strings.TrimSpace(v), 10, 31); err == nil {
			return time.Duration(n) * time.Second
		}
	}
	return 0
}
