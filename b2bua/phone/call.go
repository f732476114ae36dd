package phone

import (
	"context"
	"sync"

	"github.com/emiago/sipgo/sip"

	"tandem/b2bua/dialog"
	"tandem/b2bua/transaction"
	"tandem/b2bua/transport"
	"tandem/media"
	"tandem/media/sdp"
)

// State is how far a call has come.
type State int

// The states of a call, in order.
const (
	Calling  State = iota // our INVITE is out, or theirs waits for us
	Ringing               // a provisional response other than 100 came or went
	Answered              // 2xx
	Ended
)

var stateNames = [...]string{"calling", "ringing", "answered", "ended"}

func (s State) String() string { return stateNames[s] }

// End tells how a call ended.
type End struct {
	By     string // "local", "remote" or "system"
	Code   int    // of the final response, when it was not answered
	Reason string
	Err    error // why it failed, if it did
}

// Call is one call of the phone, in or out. It is safe for concurrent use.
type Call struct {
	phone    *Phone
	key      callKey
	incoming bool
	flow     transport.Flow

	sending sync.Mutex // keeps the requests of a dialog in the order of their CSeq

	mu        sync.Mutex
	state     State
	changed   chan struct{} // closed and renewed when anything here changes
	invite    *sip.Request
	client    *transaction.Client
	server    *transaction.Server
	login     login
	dial      DialOptions
	cancelled bool // by us, before it was answered
	forks     map[string]*fork
	chosen    *fork          // whose 2xx came first
	dialog    *dialog.Dialog // the one that stands
	answer    *sip.Response  // the 2xx
	early     []*sip.Response
	session   *media.Session
	direction sdp.Direction // what we last offered
	ourOffer  bool          // the answer to our offer is still to come, in an ACK
	resend    *dialog.Resend
	unacked   bool // a 2xx of ours waits for its ACK
	inviting  bool // a re-INVITE of ours is out
	end       End

	done chan struct{}

	keysMu  sync.Mutex
	keys    []byte
	pressed chan struct{} // closed and renewed with each key
}

// fork is one dialog that our INVITE made.
type fork struct {
	dialog *dialog.Dialog
	ack    *sip.Request // once a 2xx of it has come
}

func (p *Phone) newCall(key callKey, f transport.Flow) *Call {
	return &Call{
		phone: p, key: key, flow: f, forks: map[string]*fork{},
		changed: make(chan struct{}), done: make(chan struct{}), pressed: make(chan struct{}),
		login: p.newLogin(),
	}
}

// CallID is the Call-ID of its dialog.
func (c *Call) CallID() string { return c.key.callID }

// State is how far the call has come.
func (c *Call) State() State {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.state
}

// Session is the call's media; nil before an incoming call is answered or given early media.
func (c *Call) Session() *media.Session {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.session
}

// Invite is the INVITE that made the call: ours as last sent, or theirs.
func (c *Call) Invite() *sip.Request {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.invite
}

// Answer2xx is the 2xx that answered our INVITE; nil before.
func (c *Call) Answer2xx() *sip.Response {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.answer
}

// Provisionals are the responses before the final one, 100 left out, in order.
func (c *Call) Provisionals() []*sip.Response {
	c.mu.Lock()
	defer c.mu.Unlock()
	return append([]*sip.Response(nil), c.early...)
}

// RemoteTag is the peer's tag in the dialog that stands, "" before the answer.
func (c *Call) RemoteTag() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.dialog == nil {
		return ""
	}
	return c.dialog.ID().RemoteTag
}

// Done is closed when the call has ended and its media is closed.
func (c *Call) Done() <-chan struct{} { return c.done }

// End tells how it ended; it is zero before Done.
func (c *Call) End() End {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.end
}

// notify wakes who waits for a change; mu is held.
func (c *Call) notify() {
	close(c.changed)
	c.changed = make(chan struct{})
}

// wait returns when ready says so; it is asked with mu held.
func (c *Call) wait(ctx context.Context, ready func() bool) error {
	for {
		c.mu.Lock()
		ok, changed := ready(), c.changed
		c.mu.Unlock()
		if ok {
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// finish ends the call, once, and forgets it.
func (c *Call) finish(e End) {
	if c.over(e) {
		c.phone.drop(c)
	}
}

// over ends the call, but leaves it where the peer's requests find it; false if it had ended.
func (c *Call) over(e End) bool {
	c.mu.Lock()
	if c.state == Ended {
		c.mu.Unlock()
		return false
	}
	c.state, c.end = Ended, e
	session, resend := c.session, c.resend
	c.notify()
	c.mu.Unlock()
	if resend != nil {
		resend.Stop()
	}
	go func() { // closing a session waits for its worker
		defer c.phone.running.Done()
		if session != nil {
			session.Close()
		}
		close(c.done)
	}()
	return true
}

// openMedia makes the session; mu is held.
func (c *Call) openMedia(codecs []string) error {
	if c.session != nil {
		return nil
	}
	if len(codecs) == 0 {
		codecs = c.phone.o.Codecs
	}
	s, err := c.phone.media.Open(media.SessionOptions{
		Bind:       c.flow.Local().Addr(),
		Advertise:  c.flow.Advertised().Addr(),
		Signalling: c.flow.Remote().Addr(),
		Codecs:     codecs,
		Spiral:     !c.phone.ownMedia, // the other phone may have its ports of the same engine
		DTMF:       c.phone.o.DTMF,
		KeepAlive:  true,
		OnEvent:    c.heard,
	})
	if err != nil {
		return err
	}
	c.session = s
	if every := c.phone.o.Pulse; every > 0 {
		c.phone.o.Clock.AfterFunc(every, func() { c.pulse(every, false) })
	}
	return nil
}
