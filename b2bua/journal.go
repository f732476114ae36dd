package b2bua

import (
	"cmp"
	"encoding/json"
	"slices"
	"strings"
	"time"

	"tandem/media"
	"tandem/store"
)

// callTimes are the moments the record tells of; the zero time is "never".
type callTimes struct{ ring, answer, end time.Time }

// ringing notes when the caller is first told that it rings.
func (c *Call) ringing(at time.Time) {
	if c.times.ring.IsZero() {
		c.times.ring = at
		c.updateRecord()
	}
}

func (t *callTimes) answered(at time.Time) {
	if t.answer.IsZero() {
		t.answer = at
	}
}

// ms is a moment in UTC milliseconds, counted from the call's start by the monotonic clock.
func (c *Call) ms(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return c.timeline.ms(t)
}

// openRecord is the row of a call in progress.
func (c *Call) openRecord() *store.Call {
	r := c.record()
	r.State = store.StateOpen
	return r
}

// updateRecord tells the store how things stand, for the case that we do not live to the end.
func (c *Call) updateRecord() {
	if !c.recordDone {
		c.server.o.Journal.Update(c.openRecord())
	}
}

// record builds the row as things stand.
func (c *Call) record() *store.Call {
	r := &store.Call{
		ID: c.id, LinkedID: c.LinkedID(), Node: c.server.o.Node, Direction: c.direction(),
		FromUser: c.from.User, FromHost: c.from.Host, FromDisplay: c.from.Display,
		ToUser: c.calledNumber(), ToHost: c.invite.Recipient.Host,
		Source:   c.source.String(),
		AuthUser: c.identity.User, Trunk: c.trunkName(),
		StartMS: c.started.UnixMilli(), RingMS: c.ms(c.times.ring), AnswerMS: c.ms(c.times.answer), EndMS: c.ms(c.times.end),
		Recording: c.recording,
	}
	c.shared.Lock()
	defer c.shared.Unlock()
	r.Script, r.Generation, r.ScriptError = c.shared.script, c.shared.generation, c.shared.err
	if c.shared.trace != "" {
		r.ScriptError += "\n" + c.shared.trace
	}
	if len(c.shared.vars) > 0 {
		if b, err := json.Marshal(c.shared.vars); err == nil {
			r.Vars = string(b)
		}
	}
	return r
}

// lastWords is how long a record stays open at most for the answer to our BYE or the ACK of our
// refusal, which tell whether the far end has heard of the end.
const lastWords = 100 * time.Millisecond

// closeRecord finishes the record of a call that is over, once: as soon as the last messages
// are in its timeline, or when they have had their time.
func (c *Call) closeRecord() {
	wake := func() { c.box.post(do(func(*Call) {})) }
	switch {
	case c.recordDone:
	case c.unanswered || c.settled() && c.timeline.complete(wake):
		if c.lastWords != nil {
			c.lastWords.Stop()
		}
		c.recordDone = true
		c.finishRecord()
		c.SetSecret(false) // the call that led here may go on
	case c.lastWords == nil:
		c.server.over(c)
		c.lastWords = c.after(lastWords, func() { c.unanswered = true })
	}
}

// finishRecord hands the finished record over.
func (c *Call) finishRecord() {
	r := c.record()
	a := c.caller
	r.State, r.SIPCode, r.ReleasedBy = string(stateOf(a.rec.code)), int64(a.rec.code), string(c.releasedBy)
	r.DurationMS = r.EndMS - r.StartMS
	first := c.times.ring
	if f := c.lastFailure; f != nil && f.Code == a.rec.code {
		r.State = string(f.State) // 480 for a user without a phone is a failure, though the code alone is not
	}
	if c.outcome != "" {
		r.State = string(c.outcome)
	}
	if !c.times.answer.IsZero() {
		r.State, r.SIPCode = store.StateAnswered, 200
		r.BillableMS = r.EndMS - r.AnswerMS
		if first.IsZero() {
			first = c.times.answer
		}
	}
	if !first.IsZero() {
		r.PDDMS = max(1, first.Sub(c.started).Milliseconds())
	}
	if r.Q850Cause = c.q850; r.Q850Cause == 0 {
		r.Q850Cause = causeOf(int(r.SIPCode))
	}
	legs := make([]store.Leg, 0, len(c.legs))
	for _, l := range c.legs {
		legs = append(legs, l.row())
	}
	r.Flags = c.flags(r)
	c.server.o.Journal.Finish(r, legs, c.timeline.take())
	c.server.recorded(c)
	c.log.Info("call ended", "state", r.State, "code", r.SIPCode, "by", r.ReleasedBy, "duration_ms", r.DurationMS, "flags", r.Flags)
}

func (c *Call) direction() string {
	switch {
	case c.identity.Trunk != "":
		return store.Inbound
	case c.outboundTrunk() != "":
		return store.Outbound
	}
	return store.Internal
}

// row is the leg's part of the record.
func (l *Leg) row() store.Leg {
	c, st := l.call(), l.rec.stats
	r := store.Leg{
		CallID: c.id, Seq: int64(l.seq) + 1, Role: l.role, SIPCallID: l.callID, Target: l.target, Trunk: l.trunkName(),
		Remote: l.remote, UserAgent: l.userAgent, Codec: l.rec.codec, SRTP: cmp.Or(st.Encryption, "off"),
		InviteMS: c.ms(l.rec.invited), First18xMS: c.ms(l.rec.first18x), AnswerMS: c.ms(l.rec.answered), EndMS: c.ms(l.rec.ended),
		SIPCode: int64(l.rec.code), Reason: l.rec.reason,
		RxPackets: int64(st.RxPackets), TxPackets: int64(st.TxPackets), Lost: int64(st.Lost), OutOfOrder: int64(st.OutOfOrder),
		JitterMS: msOf(st.Jitter), RTTMS: msOf(st.RTT), MOS: st.MOS, FirstRTPMS: c.ms(st.FirstRTP),
		Retransmissions: int64(l.repeats()),
	}
	if l.direct {
		r.MediaMode = "direct"
	} else if l.media != nil || l.rec.relayed {
		r.MediaMode, r.DTMFMode = "relay", l.rec.dtmf
	}
	var flags []string
	if oneWay(l, st) {
		flags = append(flags, store.FlagOneWay)
	}
	if r.Retransmissions > 0 {
		flags = append(flags, store.FlagRetransmits)
	}
	r.Flags = store.JoinFlags(flags...)
	return r
}

func msOf(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }

// oneWay: we sent for more than a second and nothing ever came back.
func oneWay(l *Leg, st media.Stats) bool {
	return !l.rec.answered.IsZero() && st.RxPackets == 0 && st.TxPackets > 50
}

// slowSetup is a time to the first ringing that callers notice.
const slowSetup = 5 * time.Second

// flags sums up what went wrong, in the words of the record.
func (c *Call) flags(r *store.Call) string {
	var flags []string
	var sent, heard, retransmitted int
	direct := false // then nobody here knows what was heard
	transcoded := false
	for _, l := range c.legs {
		transcoded = transcoded || l.rec.stats.Transcoded > 0
		retransmitted += l.repeats()
		if l.rec.answered.IsZero() || l.direct {
			direct = direct || l.direct
			continue
		}
		if l.rec.stats.RxPackets > 0 {
			heard++
		} else {
			sent++
		}
	}
	switch {
	case r.AnswerMS == 0 || r.BillableMS < 1000 || direct:
	case heard == 0:
		flags = append(flags, store.FlagSilent)
	case sent > 0:
		flags = append(flags, store.FlagOneWay)
	}
	if c.noACK {
		flags = append(flags, store.FlagNoAck)
	}
	if r.PDDMS > slowSetup.Milliseconds() {
		flags = append(flags, store.FlagSlowSetup)
	}
	if transcoded {
		flags = append(flags, store.FlagTranscoded)
	}
	if c.mediaTimeout {
		flags = append(flags, store.FlagMediaTimeout)
	}
	if retransmitted > 0 {
		flags = append(flags, store.FlagRetransmits)
	}
	if r.ScriptError != "" {
		flags = append(flags, store.FlagScriptError)
	}
	return store.JoinFlags(flags...)
}

// recorded notes a recording of the call; a line each, for retention removes them all.
func (c *Call) recorded(file string) {
	switch {
	case c.recording == "":
		c.recording = file
	case len(c.recording) < maxRecordings && !slices.Contains(strings.Split(c.recording, "\n"), file):
		c.recording += "\n" + file
	}
}

// maxRecordings bounds the names kept in a record, in bytes.
const maxRecordings = 64 << 10
