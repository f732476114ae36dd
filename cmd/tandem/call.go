package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/emiago/sipgo/sip"

	"tandem/b2bua/phone"
	"tandem/b2bua/transaction"
	"tandem/b2bua/transport"
	"tandem/media"
)

// callCmd is a phone in the terminal.
type callCmd struct {
	URI      string        `arg:"" name:"uri" help:"Whom to call: sip:700@127.0.0.1"`
	DTMF     string        `name:"dtmf" help:"Keys to press 1 s after the answer; a comma waits 1 s." placeholder:"DIGITS"`
	Play     string        `help:"WAV file to play 1 s after the answer; silence is sent otherwise." placeholder:"FILE"`
	Record   string        `help:"WAV file to write what is heard to." placeholder:"FILE"`
	Duration time.Duration `help:"Hang up so long after the answer." default:"60s"`
	User     string        `help:"Who calls, and who answers a challenge."`
	Password string        `help:"The user's password."`
	Verbose  bool          `short:"v" help:"Draw the ladder of SIP messages."`
}

// afterAnswer is when pressing and playing start.
const afterAnswer = time.Second

// Run calls, talks and hangs up. It fails unless the call was answered.
func (c *callCmd) Run(a *app) error {
	uri, err := c.check()
	if err != nil {
		return usageError{err}
	}
	var clip *media.Clip
	if c.Play != "" {
		if clip, err = media.LoadClip(os.DirFS(filepath.Dir(c.Play)), filepath.Base(c.Play)); err != nil {
			return err
		}
	}
	if c.Record != "" {
		if err := writable(c.Record); err != nil {
			return err
		}
	}
	say := &teller{out: a.stdout}
	o := phone.Options{User: c.User, Password: c.Password, Listen: listenFor(uri)}
	if c.Verbose {
		o.Trace = say.line
	}
	p, err := phone.New(o)
	if err != nil {
		return err
	}
	defer p.Close()
	call, err := c.dial(a.ctx, p, say)
	if err != nil {
		return err
	}
	c.talk(a.ctx, call, clip, say)
	return nil
}

// check finds what is wrong with the arguments.
func (c *callCmd) check() (sip.Uri, error) {
	uri, err := phone.ParseURI(c.URI)
	switch {
	case err != nil:
		return uri, fmt.Errorf("%q is not a SIP URI", c.URI)
	case strings.Trim(c.DTMF, "0123456789*#ABCDabcd,") != "":
		return uri, fmt.Errorf("--dtmf %q: keys are 0-9 * # A-D, and a comma to wait", c.DTMF)
	case c.Duration <= 0:
		return uri, fmt.Errorf("--duration %v: must be more than nothing", c.Duration)
	case c.Password != "" && c.User == "":
		return uri, errors.New("--password needs --user")
	}
	return uri, nil
}

// writable tells before the call whether a file can be made, and leaves none behind.
func writable(path string) error {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o644)
	if err == nil {
		f.Close()
		return os.Remove(path)
	}
	if !errors.Is(err, os.ErrExist) {
		return err
	}
	if f, err = os.OpenFile(path, os.O_WRONLY, 0); err != nil {
		return err
	}
	return f.Close()
}

// listenFor are free ports that the callee can send to: of its address family,
// and on loopback only when it lives there itself.
func listenFor(uri sip.Uri) []transport.Endpoint {
	ip := netip.IPv4Unspecified()
	host := strings.Trim(uri.Host, "[]")
	if strings.EqualFold(host, "localhost") {
		host = "127.0.0.1"
	}
	if to, err := netip.ParseAddr(host); err == nil {
		switch to = to.Unmap(); {
		case to.IsLoopback():
			ip = to
		case to.Is6():
			ip = netip.IPv6Unspecified()
		}
	}
	addr := netip.AddrPortFrom(ip, 0)
	return []transport.Endpoint{{Proto: transport.UDP, Addr: addr}, {Proto: transport.TCP, Addr: addr}}
}

func (c *callCmd) dial(ctx context.Context, p *phone.Phone, say *teller) (*phone.Call, error) {
	say.linef("calling %s", c.URI)
	start := time.Now()
	rung := false
	call, err := p.Invite(ctx, c.URI, phone.DialOptions{OnProgress: func(res *sip.Response) {
		if !rung || len(res.Body()) > 0 {
			say.linef("ringing after %s (%d %s%s)", ms(time.Since(start)), res.StatusCode, res.Reason, withMedia(res.Body()))
		}
		rung = true
	}})
	if err != nil {
		return nil, bare(err)
	}
	if err := call.Answered(ctx); err != nil {
		if ctx.Err() != nil {
			waitEnd(call)
			return nil, errors.New("given up before it was answered")
		}
		return nil, bare(err)
	}
	say.linef("answered after %s, codec %s", ms(time.Since(start)), call.Session().Codec())
	return call, nil
}

func withMedia(body []byte) string {
	if len(body) == 0 {
		return ""
	}
	return ", early media"
}

// bare drops the name of the package from an error, and says what may help.
func bare(err error) error {
	no, refused := errors.AsType[*phone.Rejected](err)
	switch {
	case refused && (no.Code == 401 || no.Code == 407):
		return fmt.Errorf("%d %s: it wants --user and --password, or other ones", no.Code, no.Reason)
	case errors.Is(err, transaction.ErrTimeout):
		return errors.New("nobody answered at all: is anything listening there?")
	}
	return errors.New(strings.TrimPrefix(err.Error(), "phone: "))
}

// waitEnd lets a CANCEL be answered before the sockets close.
func waitEnd(call *phone.Call) {
	select {
	case <-call.Done():
	case <-time.After(2 * time.Second):
	}
}

// talk is the call from its answer to its end.
func (c *callCmd) talk(ctx context.Context, call *phone.Call, clip *media.Clip, say *teller) {
	start := time.Now()
	var recording *media.Recording
	if c.Record != "" {
		var err error
		if recording, err = call.Record(c.Record); err != nil {
			say.linef("not recorded: %v", err)
		}
	}
	ours, stop := context.WithTimeout(ctx, c.Duration)
	defer stop()
	var busy sync.WaitGroup
	busy.Go(func() { hearKeys(ours, call, say) })
	busy.Go(func() { c.act(ours, call, clip, say) })
	who := "the far end"
	select {
	case <-call.Done():
	case <-ours.Done():
		who = "us (--duration is over)"
		if ctx.Err() != nil {
			who = "us (interrupted)"
		}
		hangupCtx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		if err := call.Hangup(hangupCtx); err != nil {
			say.linef("no answer to our BYE: %v", bare(err))
		}
		<-call.Done()
	}
	stop()
	busy.Wait()
	if err := call.End().Err; err != nil {
		who = bare(err).Error()
	}
	say.linef("ended after %.1f s by %s", time.Since(start).Seconds(), who)
	summary(call.Stats(), recording, say)
}

// act presses and plays, 1 s after the answer.
func (c *callCmd) act(ctx context.Context, call *phone.Call, clip *media.Clip, say *teller) {
	select {
	case <-time.After(afterAnswer):
	case <-ctx.Done():
		return
	case <-call.Done():
		return
	}
	var both sync.WaitGroup
	if clip != nil {
		both.Go(func() { told(say, "played "+c.Play, call.Play(ctx, clip)) })
	}
	if c.DTMF != "" {
		both.Go(func() { told(say, "pressed "+c.DTMF, call.Press(ctx, c.DTMF)) })
	}
	both.Wait()
}

func told(say *teller, what string, err error) {
	switch {
	case err == nil:
		say.line(what)
	case errors.Is(err, media.ErrClosed), errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		say.line(what + ", cut short by the end of the call")
	default:
		say.linef("%s: %v", what, err)
	}
}

// hearKeys tells of each key that the far end presses.
func hearKeys(ctx context.Context, call *phone.Call, say *teller) {
	for n := 1; ; n++ {
		keys, err := call.WaitDigits(ctx, n)
		if err != nil || len(keys) < n {
			return
		}
		say.linef("heard key %c", keys[n-1])
	}
}

func summary(s media.Stats, recording *media.Recording, say *teller) {
	say.linef("sent %d packets, received %d, lost %d, jitter %s", s.TxPackets, s.RxPackets, s.Lost, ms(s.Jitter))
	if recording == nil {
		return
	}
	<-recording.Done()
	r := recording.Result()
	if r.Err != nil {
		say.linef("recording failed: %v", r.Err)
		return
	}
	say.linef("recorded %.1f s in %s", r.Seconds, r.Path)
}

func ms(d time.Duration) string {
	return fmt.Sprintf("%d ms", d.Round(time.Millisecond).Milliseconds())
}

// teller writes lines from several goroutines.
type teller struct {
	mu  sync.Mutex
	out io.Writer
}

func (t *teller) line(s string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	fmt.Fprintln(t.out, s)
}

func (t *teller) linef(format string, args ...any) { t.line(fmt.Sprintf(format, args...)) }
