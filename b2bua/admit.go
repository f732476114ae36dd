package b2bua

import (
	"slices"
	"strings"
	"time"

	"github.com/emiago/sipgo/sip"

	"tandem/b2bua/auth"
	"tandem/b2bua/transaction"
	"tandem/b2bua/transport"
)

// identify says who sent a request, or how to refuse it: a source that the access list
// trusts, a trunk, or a user who answers the challenge. Credentials that a trusted source
// sends are checked all the same, for they set the user. then is called at once, or on
// another goroutine when a script has to be asked.
func (s *Server) identify(tx *transaction.Server, then func(auth.Identity, *problem)) {
	f, req := tx.Flow(), tx.Request()
	id := auth.Identity{Trusted: s.acl.Load().Decide(f.Remote().Addr()) == auth.Trusted}
	header, sent := s.credentials(req)
	if header == "" {
		id.User, _ = s.o.Registrar.FlowUser(f, req.From().Address.User)
		t := s.trunkOf(f, req)
		if t != nil && id.User == "" {
			id.Trunk = t.Name()
		}
		if t != nil || id.Trusted && !sent {
			then(id, nil)
			return
		}
		id.User = ""
	}
	s.authenticate(tx, func(user string, p *problem) {
		id.User = user
		then(id, p)
	})
}

// credentials finds the Authorization header that answers a challenge of ours; sent tells
// whether there was one at all.
func (s *Server) credentials(req *sip.Request) (header string, sent bool) {
	all := headersOf(req, "Authorization")
	for _, h := range all {
		if _, ok := s.digest.Username(h); ok {
			return h, true
		}
	}
	return "", len(all) > 0
}

// authenticate checks the digest of a request (RFC 3261 §22.2, RFC 7616) and hands over the
// user. A nonce that is not ours, was given to another address or is old proves nothing and
// is no failure: only with a fresh one is the user looked up, or a script asked.
func (s *Server) authenticate(tx *transaction.Server, then func(user string, p *problem)) {
	f, req := tx.Flow(), tx.Request()
	header, _ := s.credentials(req)
	if header == "" || !s.digest.Answers(f.Remote().Addr(), header) {
		then("", s.challenge(f, req, header != ""))
		return
	}
	name, _ := s.digest.Username(header)
	if wait := s.limiter.Wait(f.Remote().Addr(), name); wait > 0 {
		then("", unavailable(max(wait, time.Second)))
		return
	}
	s.lookUp(name, func(cred auth.Credential, found bool, p *problem) {
		if p == nil {
			p = s.verify(f, req, name, header, cred, found)
		}
		then(name, p)
	})
}

// confirmUser wants credentials for a request within a user's call, where the Guard asks for
// them, and calls then if they are right. Who is called by other means than a registration
// has none to give.
func (s *Server) confirmUser(tx *transaction.Server, l *Leg, then func()) {
	f, req := tx.Flow(), tx.Request()
	user := l.user()
	if user == "" || f.IsLoop() || !slices.Contains(s.guard.Load().InCall, string(req.Method)) || s.vouched(f, req) {
		then()
		return
	}
	s.authenticate(tx, func(name string, p *problem) {
		if p == nil && name != user {
			p = refuse(403, "")
		}
		if p != nil {
			p.respond(tx, "")
			return
		}
		then()
	})
}

// user is the user at the far end; "" for who is none of ours. Its facts never change.
func (l *Leg) user() string {
	if l.inbound() {
		return l.home.identity.User
	}
	user, _ := strings.CutPrefix(l.target, "user:")
	if user == l.target {
		return ""
	}
	return user
}

// verify is nil when the answer in header is right.
func (s *Server) verify(f transport.Flow, req *sip.Request, name, header string, cred auth.Credential, found bool) *problem {
	ip := f.Remote().Addr()
	switch s.digest.Verify(ip, string(req.Method), header, cred, found) {
	case auth.OK:
		s.limiter.Succeeded(ip, name)
		return nil
	case auth.Foreign:
		return s.challenge(f, req, false)
	case auth.Stale:
		return s.challenge(f, req, true)
	case auth.Unmatched:
		// It counts as a failure, or SHA-256 would be free to guess by; the right answer by
		// MD5 makes up for it.
		s.failed(f, req, name)
		return s.challenge(f, req, false, auth.MD5)
	}
	s.failed(f, req, name)
	return refuse(403, "")
}

func (s *Server) challenge(f transport.Flow, req *sip.Request, stale bool, only ...auth.Algorithm) *problem {
	p := refuse(401, "")
	if len(only) == 0 && md5Only(req) && slices.Contains(s.o.Algorithms, auth.MD5) {
		only = []auth.Algorithm{auth.MD5}
	}
	for _, c := range s.digest.Challenge(f.Remote().Addr(), stale, only...) {
		p.headers = append(p.headers, Header{"WWW-Authenticate", c})
	}
	return p
}

// md5Only knows phones that give up when any of several challenges names SHA-256, where
// RFC 8760 §2.4 lets them take the MD5 one. That weakens nothing: whoever may answer with
// MD5 may choose to.
func md5Only(req *sip.Request) bool {
	ua, _ := headerOf(req, "User-Agent")
	return strings.HasPrefix(ua, "baresip v0.") || strings.HasPrefix(ua, "baresip v1.0")
}
