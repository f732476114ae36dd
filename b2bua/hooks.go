package b2bua

import (
	"context"
	"runtime/debug"
	"sync"
	"time"

	"github.com/emiago/sipgo/sip"

	"tandem/b2bua/auth"
	"tandem/b2bua/transport"
)

// Hooks are questions to scripts about who may do what. They are asked on a bounded number of
// goroutines, never on one that reads from the network, and must heed their context.
type Hooks interface {
	// Asks tells whether any script answers: "on_register", "on_auth" or "on_message".
	Asks(handler string) bool
	// Register decides about a REGISTER whose user is known: 0 lets it be, else its status.
	Register(ctx context.Context, r Registration) (code int, err error)
	// Auth finds the credential of a user whom the Directory does not know.
	Auth(ctx context.Context, user, realm string) (c auth.Credential, found bool, err error)
	// Message takes a MESSAGE outside of any call: its final status, or 0 if no script wants it
	// and it is to go to the user it is addressed to.
	Message(ctx context.Context, m Message) (code int, err error)
}

// Registration is what a phone asks for with a REGISTER.
type Registration struct {
	User      string
	Contacts  []string      // their URIs, or "*"
	Expires   time.Duration // the longest that is asked for; 0 to be removed
	Source    Source
	UserAgent string
}

// Message is a SIP MESSAGE (RFC 3428).
type Message struct {
	From, To    Address
	User        string // authenticated; "" for a trusted source or a trunk
	Trunk       string // that it came by
	Source      Source
	ContentType string
	Body        string
}

const (
	maxAsking    = 64              // questions at once; more are answered 503
	askTimeout   = 5 * time.Second // for one
	lookupLife   = time.Minute     // an answer about a user holds so long
	maxLookups   = 10_000          // answers kept
	retryAsking  = 2 * time.Second // what a 503 tells the phone
	retryLimited = time.Second
)

// asks tells whether a script answers such questions.
func (s *Server) asks(handler string) bool { return s.o.Hooks != nil && s.o.Hooks.Asks(handler) }

// ask runs a question to the scripts on a goroutine of its own; false when too many are
// being asked already. A panic there costs that answer only: ended is then called.
func (s *Server) ask(question func(ctx context.Context), ended func()) bool {
	select {
	case s.asking <- struct{}{}:
	default:
		return false
	}
	go func() {
		answered := false
		defer func() {
			if p := recover(); p != nil {
				s.panics.Add(1)
				s.o.Log.Error("panic in a script's hook", "panic", p, "stack", string(debug.Stack()))
			}
			<-s.asking
			if !answered {
				ended()
			}
		}()
		ctx, cancel := context.WithCancel(s.ctx)
		defer cancel()
		timer := s.o.Clock.AfterFunc(askTimeout, cancel)
		defer timer.Stop()
		question(ctx)
		answered = true
	}()
	return true
}

// lookups are the users that scripts were asked about, for a minute, known or not. Whoever
// asks while the answer is on its way waits for the same one.
type lookups struct {
	mu sync.Mutex
	m  map[string]*lookup
}

type lookup struct {
	cred    auth.Credential
	found   bool
	until   time.Time // zero: the answer is on its way
	waiting []func(auth.Credential, bool, *problem)
}

// lookUp finds a user's credential: in the Directory, or by asking the scripts.
func (s *Server) lookUp(user string, then func(auth.Credential, bool, *problem)) {
	cred, found := s.o.Directory.Credential(user)
	if found || !s.asks("on_auth") {
		then(cred, found, nil)
		return
	}
	l := &s.lookups
	now := s.o.Clock.Now()
	l.mu.Lock()
	known := l.m[user]
	switch {
	case known != nil && known.until.IsZero():
		if len(known.waiting) < maxAsking {
			known.waiting = append(known.waiting, then)
			l.mu.Unlock()
			return
		}
		l.mu.Unlock()
		then(auth.Credential{}, false, unavailable(retryAsking))
		return
	case known != nil && now.Before(known.until):
		cred, found = known.cred, known.found
		l.mu.Unlock()
		then(cred, found, nil)
		return
	}
	l.makeRoom(now)
	l.m[user] = &lookup{waiting: []func(auth.Credential, bool, *problem){then}}
	l.mu.Unlock()
	none := func() { s.lookedUp(user, auth.Credential{}, false, unavailable(retryAsking)) }
	asked := s.ask(func(ctx context.Context) {
		cred, found, err := s.o.Hooks.Auth(ctx, user, s.digest.Realm())
		if err != nil {
			s.o.Log.Error("on_auth failed", "user", clip(user, 64), "err", err)
			none()
			return
		}
		if found && cred.HA1[auth.SHA256] == "" {
			s.digest.ExpectMD5Only()
		}
		s.lookedUp(user, cred, found, nil)
	}, none)
	if !asked {
		none()
	}
}

// lookedUp hands an answer to all who wait for it and keeps it, unless it is a problem.
func (s *Server) lookedUp(user string, cred auth.Credential, found bool, p *problem) {
	l := &s.lookups
	l.mu.Lock()
	known := l.m[user]
	if known == nil || !known.until.IsZero() {
		l.mu.Unlock()
		return
	}
	waiting := known.waiting
	if p != nil {
		delete(l.m, user)
	} else {
		*known = lookup{cred: cred, found: found, until: s.o.Clock.Now().Add(lookupLife)}
	}
	l.mu.Unlock()
	for _, then := range waiting {
		then(cred, found, p)
	}
}

// makeRoom forgets answers that are old, or any when all are new; mu is held.
func (l *lookups) makeRoom(now time.Time) {
	if l.m == nil {
		l.m = map[string]*lookup{}
	}
	if len(l.m) < maxLookups {
		return
	}
	for user, known := range l.m {
		if !known.until.IsZero() && !now.Before(known.until) {
			delete(l.m, user)
		}
	}
	for user, known := range l.m {
		if len(l.m) < maxLookups {
			break
		}
		if !known.until.IsZero() {
			delete(l.m, user)
		}
	}
}

// sourceFacts is where a request came from, as scripts see it.
func sourceFacts(f transport.Flow) Source {
	return Source{IP: f.Remote().Addr(), Port: int(f.Remote().Port()), Transport: string(f.Proto())}
}

// agentOf is a request's User-Agent.
func agentOf(req *sip.Request) string {
	agent, _ := headerOf(req, "User-Agent")
	return agent
}
