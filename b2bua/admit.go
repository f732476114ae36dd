package b2bua

import (
	"log/slog"
	"slices"
	"strings"

	"github.com/emiago/sipgo/sip"

	"tandem/b2bua/auth"
	"tandem/b2bua/dialog"
	"tandem/b2bua/transaction"
	"tandem/b2bua/transport"
)

// gate stands before the transactions: what a denied source sends gets no answer and makes
// no state, unless it belongs to a call that the source had before.
type gate struct {
	*transaction.Layer
	s *Server
}

func (g gate) HandleMessage(m *transport.Incoming) {
	if req, ok := m.Msg.(*sip.Request); ok && !m.Flow.IsLoop() && g.s.denied(m.Flow) && g.s.legOf(dialog.RequestID(req)) == nil {
		return
	}
	g.Layer.HandleMessage(m)
}

func (s *Server) denied(f transport.Flow) bool {
	return s.acl.Load().Decide(f.Remote().Addr()) == auth.Denied
}

// identify says who sent a request, or how to refuse it: a source that the access list
// trusts, a trunk, or a user who answers the challenge. Credentials that a trusted source or
// a trunk sends are checked all the same, for they set the user.
func (s *Server) identify(tx *transaction.Server) (auth.Identity, *problem) {
	var id auth.Identity
	id.Trusted = s.acl.Load().Decide(tx.Flow().Remote().Addr()) == auth.Trusted
	header, sent := s.credentials(tx)
	if t := s.trunkOf(tx.Flow(), tx.Request()); t != nil && header == "" {
		if user, ok := s.o.Registrar.FlowUser(tx.Flow(), tx.Request().From().Address.User); ok {
			id.User = user
		} else {
			id.Trunk = t.Name()
		}
		return id, nil
	}
	if sent || !id.Trusted {
		user, p := s.authenticate(tx)
		if p != nil {
			return id, p
		}
		id.User = user
		return id, nil
	}
	id.User, _ = s.o.Registrar.FlowUser(tx.Flow(), tx.Request().From().Address.User)
	return id, nil
}

// credentials finds the Authorization header that answers a challenge of ours; sent tells
// whether there was one at all.
func (s *Server) credentials(tx *transaction.Server) (header string, sent bool) {
	all := headersOf(tx.Request(), "Authorization")
	for _, h := range all {
		if _, ok := s.digest.Username(h); ok {
			return h, true
		}
	}
	return "", len(all) > 0
}

// authenticate checks the digest of a request (RFC 3261 §22.2, RFC 7616).
func (s *Server) authenticate(tx *transaction.Server) (user string, p *problem) {
	header, _ := s.credentials(tx)
	if header == "" {
		return "", s.challenge(tx, false)
	}
	name, _ := s.digest.Username(header)
	cred, found := s.o.Directory.Credential(name)
	switch s.digest.Verify(tx.Flow().Remote().Addr(), string(tx.Request().Method), header, cred, found) {
	case auth.OK:
		return name, nil
	case auth.Foreign:
		return "", s.challenge(tx, false)
	case auth.Stale:
		return "", s.challenge(tx, true)
	case auth.Unmatched:
		return "", s.challenge(tx, false, auth.MD5)
	}
	s.o.Log.LogAttrs(s.ctx, slog.LevelWarn, "authentication failed", slog.String("user", clip(name, 128)), sourceOf(tx.Flow()),
		slog.String("method", string(tx.Request().Method)))
	return "", refuse(403, "")
}

func (s *Server) challenge(tx *transaction.Server, stale bool, only ...auth.Algorithm) *problem {
	p := refuse(401, "")
	if len(only) == 0 && md5Only(tx.Request()) && slices.Contains(s.o.Algorithms, auth.MD5) {
		only = []auth.Algorithm{auth.MD5}
	}
	for _, c := range s.digest.Challenge(tx.Flow().Remote().Addr(), stale, only...) {
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
