package b2bua

import (
	"fmt"
	"strings"
	"time"

	"github.com/emiago/sipgo/sip"

	"tandem/b2bua/transaction"
	"tandem/media"
	"tandem/media/dtmf"
)

// How long a key was held that we tell of by INFO, and what a comma waits.
const (
	infoHeld  = 160 * time.Millisecond
	infoPause = time.Second
)

// infoCap bounds the keys that wait to be told by INFO.
const infoCap = 512

// infoKeys are keys on their way to a far end by INFO, one at a time: two under way at once
// may change places, and the one with the lower CSeq is then refused (RFC 3261 §12.2.2).
type infoKeys struct {
	waiting []infoKey
	busy    bool
}

// infoKey is one of them; without a digit, the end of a run.
type infoKey struct {
	run   *keyRun
	digit byte
}

// keyRun is keys that were asked for together.
type keyRun struct {
	done    func(error)
	stopped bool
}

// wantedDTMF is how the trunk or user at the far end has its digits.
func (l *Leg) wantedDTMF() media.DTMF {
	if cfg := l.trunkConfig(); cfg != nil && !l.flow.IsLoop() {
		return media.DTMFNamed(cfg.DTMF)
	}
	return l.preferences().DTMF
}

// dtmfMode is how they travel, as the record has it.
func (l *Leg) dtmfMode(byEvents uint64) string {
	if l.byInfo > 0 && byEvents == 0 {
		return media.DTMFInfo.String() // whatever was agreed on
	}
	return l.media.DTMF().String()
}

// press sends keys to the far end in the way it has them, until they are sent or stop is
// called. done runs on the call's goroutine.
func (l *Leg) press(digits string, done func(error)) (stop func()) {
	if l.media == nil {
		done(ErrState)
		return nil
	}
	if l.media.DTMF() == media.DTMFInfo {
		return l.pressByInfo(digits, done)
	}
	pb := l.media.SendDTMF(strings.ToUpper(digits))
	c := l.call()
	c.aside(func() {
		<-pb.Done()
		c.box.post(do(func(*Call) { done(pb.Err()) }))
	})
	return pb.Stop
}

func (l *Leg) pressByInfo(digits string, done func(error)) (stop func()) {
	if len(l.infos.waiting)+len(digits) > 2*infoCap { // a key by itself takes two places, with the end of its run
		done(fmt.Errorf("over %d keys wait to be sent", infoCap))
		return nil
	}
	run := &keyRun{done: done}
	for _, d := range []byte(strings.ToUpper(digits)) {
		l.infos.waiting = append(l.infos.waiting, infoKey{run, d})
	}
	l.infos.waiting = append(l.infos.waiting, infoKey{run, 0})
	l.nextInfo()
	return func() { run.stopped = true }
}

// nextInfo sends the key whose turn it is.
func (l *Leg) nextInfo() {
	q := &l.infos
	for !q.busy && len(q.waiting) > 0 {
		k := q.waiting[0]
		q.waiting = q.waiting[1:]
		switch {
		case k.digit == 0:
			k.run.done(nil)
		case k.run.stopped || l.state == legEnded || l.dialog == nil:
		case k.digit == ',':
			q.busy = true
			l.after(infoPause, l.infoDone)
		default:
			q.busy = true
			l.sendInfo(k.digit)
		}
	}
}

func (l *Leg) infoDone() {
	l.infos.busy = false
	l.nextInfo()
}

func (l *Leg) sendInfo(digit byte) {
	out := l.dialog.Request(sip.INFO)
	out.AppendHeader(sip.NewHeader("Content-Type", dtmf.InfoRelay))
	out.SetBody(dtmf.InfoBody(digit, infoHeld))
	l.request(out, &keyTold{leg: l, digit: digit})
}

// keyTold waits for the answer to a key's INFO. Its methods run where the answer is read.
type keyTold struct {
	leg   *Leg
	digit byte
	over  bool // the call's goroutine
}

func (k *keyTold) HandleResponse(_ *transaction.Client, res *sip.Response) {
	if res.StatusCode >= 200 {
		k.leg.post(func(c *Call) { k.answered(c, res.StatusCode) })
	}
}

func (k *keyTold) HandleEnd(_ *transaction.Client, err error) {
	if err != nil {
		k.leg.post(func(c *Call) { k.answered(c, 408) })
	}
}

func (k *keyTold) answered(c *Call, code int) {
	if k.over {
		return
	}
	k.over = true
	if code >= 300 {
		c.note(k.leg.name(), "dtmf", fmt.Sprintf("%s by INFO: %d", k.leg.noted(k.digit), code))
	}
	k.leg.infoDone()
}

// convert gives a key that the far end of l has pressed to the leg that it talks to, where
// the two have their digits in different ways; alike, they go through by themselves.
func (c *Call) convert(l *Leg, digit byte) {
	other := c.partner(l)
	if other == nil || other.media == nil || l.media == nil || l.media.DTMF() == other.media.DTMF() {
		return
	}
	other.passKey(digit)
}

// passKey gives a key of the other side to the far end; the timeline tells of one that cannot be.
func (l *Leg) passKey(digit byte) {
	l.press(string(digit), func(err error) {
		if err != nil && l.state != legEnded {
			l.call().note(l.name(), "dtmf", fmt.Sprintf("%s is not passed on: %v", l.noted(digit), err))
		}
	})
}
