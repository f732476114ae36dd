package b2bua

import (
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
	"time"

	"github.com/emiago/sipgo/sip"

	"tandem/b2bua/dialog"
	"tandem/b2bua/transaction"
	"tandem/clock"
)

// reliability is RFC 3262 on one leg: provisional responses that are acknowledged.
type reliability struct {
	seq     uint32        // RSeq of the last one sent
	pending *sip.Response // waits for its PRACK
	offered bool          // it carries our session description
	resend  clock.Timer
	waiting []func() // responses that must not overtake it
	heard   map[dialog.ID]uint32
}

func (r *reliability) stop() {
	if r.resend != nil {
		r.resend.Stop()
	}
	r.pending, r.waiting = nil, nil
}

// reliably reports whether a provisional response of ours is to be acknowledged: when the
// caller requires it, or supports it and the response carries a session description.
func (l *Leg) reliably(code int, body []byte) bool {
	if code <= 100 || code >= 200 {
		return false
	}
	req := l.server.Request()
	return offers(req, "Require", "100rel") || len(body) > 0 && offers(req, "Supported", "100rel")
}

// sendReliable sends a provisional response until its PRACK comes (RFC 3262 §3).
func (l *Leg) sendReliable(res *sip.Response) {
	r := &l.reliable
	if r.seq == 0 {
		r.seq = rand.Uint32N(1<<31-1) + 1 // RFC 3262 §3: between 1 and 2**31-1
	} else {
		r.seq++
	}
	res.AppendHeader(sip.NewHeader("Require", "100rel"))
	res.AppendHeader(sip.NewHeader("RSeq", strconv.FormatUint(uint64(r.seq), 10)))
	r.pending, r.offered = res, len(res.Body()) > 0
	_ = l.server.Respond(res)
	l.resendReliable(l.call().server.o.Timers.T1, 0)
}

// resendReliable: RFC 3262 §3: at T1, doubling, for 64*T1; then the INVITE is refused.
func (l *Leg) resendReliable(after, waited time.Duration) {
	t1 := l.call().server.o.Timers.T1
	l.reliable.resend = l.after(after, func() {
		if l.reliable.pending == nil {
			return
		}
		if waited+after >= 64*t1 {
			l.call().released(BySystem)
			l.reliable.stop()
			l.refuse(failure(504, "No PRACK"), nil)
			return
		}
		_ = l.server.Respond(l.reliable.pending)
		l.resendReliable(after*2, waited+after)
	})
}

// afterPrack runs f now, or once the provisional response under way is acknowledged.
func (l *Leg) afterPrack(f func()) {
	if l.reliable.pending != nil {
		l.reliable.waiting = append(l.reliable.waiting, f)
		return
	}
	f()
}

// pracked: RFC 3262 §3: 200 if it fits the response under way, else 481.
func (l *Leg) pracked(tx *transaction.Server) {
	req, r := tx.Request(), &l.reliable
	if r.pending == nil || !l.acknowledges(req) {
		refuse(481, "").respond(tx, "")
		return
	}
	r.resend.Stop()
	r.pending = nil
	body, p := l.answerInPrack(req)
	if p != nil {
		p.respond(tx, "")
	} else {
		res := transaction.NewResponse(req, 200, "OK", "")
		setBody(res, body)
		_ = tx.Respond(res)
	}
	waiting := r.waiting
	r.waiting = nil
	for i, f := range waiting {
		if r.pending != nil {
			r.waiting = append(r.waiting, waiting[i:]...)
			break
		}
		f()
	}
}

// acknowledges reports whether RAck names the response that waits.
func (l *Leg) acknowledges(prack *sip.Request) bool {
	v, _ := headerOf(prack, "RAck")
	f := strings.Fields(v)
	if len(f) != 3 {
		return false
	}
	invite := l.server.Request().CSeq()
	return f[0] == strconv.FormatUint(uint64(l.reliable.seq), 10) && f[1] == strconv.FormatUint(uint64(invite.SeqNo), 10) &&
		f[2] == string(sip.INVITE)
}

// answerInPrack: RFC 3262 §5: PRACK may answer our offer, or make a new one.
func (l *Leg) answerInPrack(req *sip.Request) ([]byte, *problem) {
	body, p := description(req)
	if p != nil || len(body) == 0 {
		return nil, p
	}
	if l.awaitACK {
		l.awaitACK = false
		if err := l.media.SetAnswer(body); err != nil {
			f := mediaFailure(err)
			return nil, refuse(f.Code, f.Reason)
		}
		return nil, nil
	}
	answer, err := l.media.Answer(body)
	if err != nil {
		f := mediaFailure(err)
		return nil, refuse(f.Code, f.Reason)
	}
	return answer, nil
}

// prack acknowledges a reliable provisional response to our INVITE. False if it is a
// repetition, or came before one that is missing: it must then not be looked at.
func (l *Leg) prack(d *dialog.Dialog, res *sip.Response) bool {
	v, ok := headerOf(res, "RSeq")
	if !ok || !offers(res, "Require", "100rel") || d == nil {
		return true
	}
	n, err := strconv.ParseUint(strings.TrimSpace(v), 10, 32)
	if err != nil {
		return true
	}
	seq := uint32(n)
	if l.reliable.heard == nil {
		l.reliable.heard = map[dialog.ID]uint32{}
	}
	last, seen := l.reliable.heard[d.ID()]
	if seen && seq != last+1 {
		return false // RFC 3262 §4: its PRACK was sent, or its time will come
	}
	l.reliable.heard[d.ID()] = seq
	d.Update(res)
	req := d.Request(sip.PRACK)
	req.AppendHeader(sip.NewHeader("RAck", fmt.Sprintf("%d %d INVITE", seq, l.ours.CSeq().SeqNo)))
	l.requestOn(d, req, ignore{})
	return true
}
