package b2bua

import (
	"context"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/emiago/sipgo/sip"

	"tandem/b2bua/auth"
	"tandem/b2bua/dialog"
	"tandem/b2bua/transaction"
	"tandem/b2bua/transport"
	"tandem/b2bua/trunk"
	"tandem/clock"
	"tandem/media"
	"tandem/media/sdp"
)

type legState int

const (
	legCalling  legState = iota // INVITE received or sent, nothing final yet
	legEarly                    // 18x
	legAnswered                 // 2xx
	legEnded
)

func (s legState) String() string {
	return [...]string{"calling", "early", "answered", "ended"}[s]
}

// Leg is one dialog of a call: role a is the caller's, role b one we made. It belongs to
// one Call, whose goroutine owns its state.
type Leg struct {
	owner atomic.Pointer[Call]
	track atomic.Pointer[track] // its place in the timeline of its call
	home  *Call                 // that made it; only its script may use the leg

	heir, ancestor *Leg // who has taken its place, and whose place it has taken: see succeed
	seq            int
	role           string // a, b

	// identity in SIP
	callID, localTag string
	target           string  // how the script named it
	uri              sip.Uri // Request-URI of our INVITE
	branch           branch
	trunk            *trunk.Trunk                  // that it came by or goes by; nil: none
	seat             *trunk.Seat                   // its place there
	inviteFlow       transport.Flow                // that our INVITE went by
	flow             transport.Flow                // where requests go
	search           search                        // for a target that takes the INVITE
	flowHop          string                        // the next hop that flow leads to, where it was looked up
	outbox           []func(transport.Flow, error) // waits for the way to the next hop
	remote           string
	userAgent        string
	dialogs          []*dialog.Dialog // early ones by To-tag; after the answer only the one that stands
	dialog           *dialog.Dialog   // the one that requests go by
	disowned         []*dialog.Dialog // acknowledged and ended: they lost

	wanted string // the codec to answer with: that of the leg to be joined

	server *transaction.Server // the INVITE we received
	client *transaction.Client // the INVITE we sent
	ours   *sip.Request        // it
	offer  []byte              // the caller's SDP, or ours on role b
	acks   map[uint32]*sip.Request
	resend *dialog.Resend

	state        legState
	lamp         string   // its name in the lamps of the user at its far end
	answerer     response // the last response of theirs that headers are read from
	media        *media.Session
	lines        []*line // streams beside the audio
	linesOf      *Leg    // whose streams the answer to the caller has
	described    []byte  // our SDP in the last answer or offer sent
	theirs       []byte  // their last SDP
	direct       bool    // media go straight between the phones
	carrying     bool    // an offer of theirs waits for the other phone's answer
	title        string  // of the descriptions we pass on: origin without its version
	titleVersion int
	answerTo     func(body []byte) error // takes the answer in the ACK, where media does not
	ackWaits     bool                    // the ACK of a 2xx waits for the caller's answer
	lateAnswer   []byte                  // that goes into it
	awaitACK     bool                    // our offer is in the 2xx, the answer comes in the ACK
	reinvite     *transaction.Server
	reoffered    *sip.Request // our last re-INVITE
	offering     *offering    // our offer that has no answer yet
	toOffer      *offering    // the next one
	patience     clock.Timer  // how long it may ring, if that is less than the others
	silence      clock.Timer  // how long a host of a trunk may say nothing
	glare        clock.Timer  // until an offer that met 491 is sent again
	held         bool         // the far end listens no more
	heldMusic    bool         // it hears music because the other side is on hold
	fresh        freshness
	reliable     reliability
	by           Side // who ended it
	digits       []byte
	ear          func(digit byte) bool // the op that takes digits as they come; true: taken
	ears         int                   // how many have listened
	infos        infoKeys              // keys on their way by INFO
	byInfo       int                   // keys that came so
	playing      *media.Playback
	taping       *taping // its conversation is being recorded
	dialling     *dialling
	work         *work // of the queue's agent at its far end
	released     bool
	inviteTx     int  // how many INVITEs we have sent before the one under way
	inviting     bool // our INVITE has had no final answer yet
	unacked      bool // our 2xx has had no ACK yet
	byeLater     int  // hung up before the ACK: the Q.850 cause of the BYE to send then, -1 for none

	attempt   *auth.Attempt // at our INVITE, where the trunk may challenge it
	answering int           // requests within the dialog that may be challenged
	roamers   int           // requests within the dialog that may go to another target

	identity  auth.Identity // of who called us; party says who the far end is
	carried   sdp.Direction // what we asked of it for the other side's sake
	referrals int           // REFERs accepted from it
	asked     *asking       // our REFER that it has not reported on yet
	leaving   clock.Timer   // it has been told that its transfer is done and may say BYE itself

	rec  legRecord
	vars map[string]any

	quality media.Quality // as last told
	poor    bool          // the timeline says so
}

// response is what a Leg keeps of the last response, for Header.
type response struct{ *sip.Response }

// legRecord is what the record tells of a leg beyond its state.
type legRecord struct {
	invited, first18x, answered, ended time.Time
	code                               int
	reason, codec, dtmf                string
	stats                              media.Stats
	before                             media.Stats // counted in the calls it belonged to before
	relayed                            bool
}

func (l *Leg) call() *Call { return l.owner.Load() }

// Call is the call that the leg belongs to now.
func (l *Leg) Call() *Call { return l.call() }

// Seq is the leg's number in its call, from 0 for the caller.
func (l *Leg) Seq() int { return l.seq }

// Target is what was dialled to make this leg; empty for the caller's.
func (l *Leg) Target() string { return l.target }

// name is how log lines and the timeline call the leg: a, b1, b2…; a1 and so on are others that
// an origination has tried.
func (l *Leg) name() string {
	if l.role == "a" && l.seq == 0 {
		return "a"
	}
	return l.role + strconv.Itoa(l.seq)
}

// pending reports whether an ended leg still owes or awaits a message: a 2xx may cross our
// CANCEL, and a BYE must wait for the ACK.
func (l *Leg) pending() bool {
	return l.inviting || l.unacked || l.answering > 0 || l.roamers > 0 || l.offering != nil || l.leaving != nil || len(l.outbox) > 0 || len(l.search.given) > 0
}

// Header returns the first value of a header of the INVITE (caller) or of the answer.
func (l *Leg) Header(name string) (string, bool) {
	if values := l.headers(name); len(values) > 0 {
		return values[0], true
	}
	return "", false
}

// headers are all values of such a header.
func (l *Leg) headers(name string) []string {
	if l.inbound() {
		return headersOf(l.server.Request(), name)
	}
	values, _ := await[[]string](context.Background(), l.home, nil, func(o *op) {
		from := l
		if l.callID == "" {
			from = l.now() // it stood for whoever would answer
		}
		var values []string
		if from.answerer.Response != nil {
			values = headersOf(from.answerer.Response, name)
		}
		l.home.finish(o, values, nil)
	})
	return values
}

// ended runs once when the leg is over: media closes, its statistics stay.
func (l *Leg) ended(code int, reason string) {
	if l.state == legEnded {
		return
	}
	c := l.call()
	l.enter(legEnded)
	l.rec.ended = c.clock.Now()
	if l.rec.code == 0 || l.rec.answered.IsZero() {
		l.rec.code, l.rec.reason = code, reason
	}
	l.fresh.stop()
	l.reliable.stop()
	for _, t := range []clock.Timer{l.glare, l.patience, l.silence} {
		if t != nil {
			t.Stop()
		}
	}
	l.leaveTrunk()
	if l.work != nil {
		l.work.over(l.by)
	}
	l.closeMedia()
	if c.transfer != nil {
		c.transfer.left(l)
	}
	c.interrupt(l, ErrHangup)
	if l == c.caller {
		c.callerEnded()
	}
}

// release forgets the dialogs of an ended leg once it owes and awaits nothing.
func (l *Leg) release() {
	if l.state != legEnded || l.pending() || l.released {
		return
	}
	l.released = true
	if l.resend != nil {
		l.resend.Stop()
	}
	for _, d := range l.dialogs {
		l.call().server.forget(d)
	}
	if !l.inbound() {
		l.call().server.forgetOutgoing(l.callID)
	}
}

func (l *Leg) closeMedia() {
	l.keepLines(nil)
	if l.media != nil {
		l.rec.stats = since(l.rec.before, l.media.Close())
		l.rec.codec, l.rec.relayed = l.rec.stats.Codec, true
		l.rec.dtmf = l.dtmfMode(l.rec.stats.Digits)
		l.tellUnheard()
	}
}
