package b2bua

import (
	"hash/maphash"
	"path"
	"strconv"
	"strings"
	"sync/atomic"

	"github.com/emiago/sipgo/sip"

	"tandem/b2bua/auth"
	"tandem/b2bua/dialog"
	"tandem/b2bua/transaction"
	"tandem/b2bua/transport"
)

// Guard says how strangers are kept out; SetGuard changes it while calls are up.
type Guard struct {
	Limits   auth.Limits
	Scanners []string // User-Agents that get no answer; * and ? stand for anything
	InCall   []string // methods that need credentials within a user's call, too
}

// door is what the server keeps to know strangers by.
type door struct {
	guard   atomic.Pointer[Guard]
	limiter *auth.Limiter
	tagSeed maphash.Seed
	asking  chan struct{} // a token for each question to the scripts
	lookups lookups

	deliveries atomic.Int64 // messages on their way to users
}

func (s *Server) openDoor() {
	s.limiter = auth.NewLimiter(s.o.Clock, s.o.Guard.Limits)
	s.limiter.Restore(s.o.Bans)
	s.tagSeed = maphash.MakeSeed()
	s.asking = make(chan struct{}, maxAsking)
	s.SetGuard(s.o.Guard)
}

// SetGuard replaces the limits and rules for what comes from now on.
func (s *Server) SetGuard(g Guard) {
	s.guard.Store(&g)
	s.limiter.SetLimits(g.Limits)
}

// gate stands before the transactions. Who has not proved to receive at its address, by
// answering a challenge that went there, gets what RFC 3261 §8.2.7 allows: an answer that
// nothing is kept of. So a flood from strangers, spoofed or not, costs no memory.
type gate struct {
	*transaction.Layer
	s *Server
}

func (g gate) HandleMessage(m *transport.Incoming) {
	req, ok := m.Msg.(*sip.Request)
	if !ok || m.Flow.IsLoop() {
		g.Layer.HandleMessage(m)
		return
	}
	switch p := g.s.screen(m, req); p {
	case nil:
		g.Layer.HandleMessage(m)
	case dropped:
	default:
		if req.Method == sip.ACK || req.Via() == nil {
			return
		}
		res := transaction.NewResponse(req, p.code, p.phrase(), g.s.statelessTag(req))
		p.headers.addTo(res)
		_ = g.Reply(req, m.Flow, res) // who does not hear it asks again
	}
}

// dropped is the answer that is none.
var dropped = &problem{}

// statelessTag is the To tag of an answer that nothing is kept of: the same each time the
// request comes (RFC 3261 §8.2.7).
func (s *Server) statelessTag(req *sip.Request) string {
	var h maphash.Hash
	h.SetSeed(s.tagSeed)
	if id := req.CallID(); id != nil {
		h.WriteString(id.Value())
	}
	branch, _ := req.Via().Params.Get("branch")
	h.WriteString(branch)
	return strconv.FormatUint(h.Sum64(), 36)
}

// screen looks at a request before anything is made of it: nil lets it in.
func (s *Server) screen(m *transport.Incoming, req *sip.Request) *problem {
	if m.Err == nil && (s.ours(req) || s.tx.Holds(req)) {
		return nil
	}
	ip := m.Flow.Remote().Addr()
	switch {
	case s.acl.Load().Decide(ip) == auth.Denied:
		return dropped
	case m.Err == nil && req.Method == sip.ACK:
		return nil // it makes no state
	}
	urgent := m.Err == nil && req.Method == sip.INVITE && s.emergency(numberOf(&req.Recipient))
	if !s.vouched(m.Flow, req) {
		if p := s.screenStranger(m, req, urgent); p != nil {
			return p
		}
	}
	if m.Err == nil && req.Method == sip.INVITE && !urgent && dialog.ToTag(req) == "" {
		return s.overload()
	}
	return nil
}

// ours tells whether a request belongs to a dialog of ours.
func (s *Server) ours(req *sip.Request) bool {
	id := dialog.RequestID(req)
	if id.LocalTag == "" {
		return false
	}
	_, _, subscribed := s.events.Holder(id)
	return subscribed || s.legOf(id) != nil
}

// vouched tells whether a source is trusted or a trunk: limits and bans are not for it.
func (s *Server) vouched(f transport.Flow, req *sip.Request) bool {
	return s.acl.Load().Decide(f.Remote().Addr()) == auth.Trusted || s.trunkOf(f, req) != nil
}

// screenStranger lets in who answers a challenge that went to its address. urgent calls pass
// bans and limits, for whoever has a password.
func (s *Server) screenStranger(m *transport.Incoming, req *sip.Request, urgent bool) *problem {
	f := m.Flow
	banned := s.limiter.Banned(f.Remote().Addr())
	if banned && !urgent || s.scanner(f, req) {
		return dropped
	}
	header, _ := s.credentials(req)
	proved := header != "" && s.digest.Answers(f.Remote().Addr(), header)
	if p := s.limit(f, req, proved, banned, urgent); p != nil {
		return p
	}
	if m.Err != nil {
		return nil // a 400 is sent without a transaction, too
	}
	if p := validate(req); p != nil {
		return p
	}
	switch {
	case req.Method == sip.CANCEL, dialog.ToTag(req) != "":
		return refuse(481, "")
	case !proved:
		return s.challenge(f, req, header != "")
	}
	return nil
}

// limit counts a stranger's request against its source's rates.
func (s *Server) limit(f transport.Flow, req *sip.Request, proved, banned, urgent bool) *problem {
	kind := auth.Calling
	switch {
	case !proved:
		kind = auth.Asking
	case banned:
		kind = auth.Guessing
	case req.Method == sip.REGISTER:
		kind = auth.Registering
	}
	if s.limiter.Allow(f.Remote().Addr(), kind) || urgent && kind != auth.Guessing {
		return nil
	}
	s.security("rate-limited", f, "method", string(req.Method))
	if !s.limiter.Allow(f.Remote().Addr(), auth.Exceeding) {
		s.bar(f, "rate")
	}
	if !proved && !f.Reliable() {
		return dropped // a phone asks again; nobody is to be flooded in its name
	}
	return unavailable(retryLimited)
}

// scanner tells whether a request comes from a tool that looks for open servers, by the name
// that it gives itself, and bans its source.
func (s *Server) scanner(f transport.Flow, req *sip.Request) bool {
	patterns := s.guard.Load().Scanners
	if len(patterns) == 0 {
		return false
	}
	agent, _ := headerOf(req, "User-Agent")
	agent = strings.ToLower(strings.ReplaceAll(agent, "/", "_")) // path.Match lets * end at a slash
	for _, p := range patterns {
		p = strings.ToLower(strings.ReplaceAll(p, "/", "_"))
		if ok, err := path.Match(p, agent); ok && err == nil {
			s.security("scanner", f, "method", string(req.Method))
			s.bar(f, "scanner")
			return true
		}
	}
	return false
}

// bar bans a source, unless somebody there has a registered phone, too.
func (s *Server) bar(f transport.Flow, why string) {
	if s.o.Registrar.HasSource(f.Remote().Addr()) {
		return
	}
	if b, banned := s.limiter.Bar(f.Remote().Addr()); banned {
		s.tellBan(f, b, why)
	}
}

// overload refuses a new call where there is no room for it, before it costs anything.
func (s *Server) overload() *problem {
	s.mu.Lock()
	retry, full := s.full()
	s.mu.Unlock()
	switch {
	case full:
		return unavailable(retry)
	case s.limiter.Overloaded():
		return unavailable(retryLimited)
	}
	return nil
}
