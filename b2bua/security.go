package b2bua

import (
	"log/slog"
	"net/netip"

	"github.com/emiago/sipgo/sip"

	"tandem/b2bua/auth"
	"tandem/b2bua/transport"
)

// security writes the one line that says what a source did against the rules; its form is
// fixed (docs/security.md), and programs such as fail2ban read it. What the source may write
// itself comes after its address. Lines that a flood could multiply come once a minute.
func (s *Server) security(event string, f transport.Flow, more ...string) {
	if event == "rate-limited" || event == "scanner" {
		if !s.limiter.Allow(f.Remote().Addr(), auth.Telling) {
			return
		}
	}
	attrs := []slog.Attr{slog.String("event", event), slog.String("source", f.Remote().Addr().Unmap().WithZone("").String()),
		slog.Int("port", int(f.Remote().Port())), slog.String("transport", string(f.Proto()))}
	for i := 0; i+1 < len(more); i += 2 {
		attrs = append(attrs, slog.String(more[i], clip(more[i+1], 64)))
	}
	s.o.Log.LogAttrs(s.ctx, slog.LevelWarn, "security", attrs...)
}

// failed counts a wrong answer to a challenge, and bans who gave too many. Somebody behind
// the address of a registered phone, of a trunk or of a trusted host cannot get it banned.
func (s *Server) failed(f transport.Flow, req *sip.Request, user string) {
	ip := f.Remote().Addr()
	s.security("auth-failed", f, "method", string(req.Method), "user", user)
	bannable := !s.vouched(f, req) && !s.o.Registrar.HasSource(ip)
	if b, banned := s.limiter.Failed(ip, user, bannable); banned {
		s.tellBan(f, b, "auth-failed")
	}
}

// tellBan says that a source is banned from now on.
func (s *Server) tellBan(f transport.Flow, b auth.Ban, why string) {
	s.security("banned", f, "for", b.Until.Sub(b.Since).String(), "why", why)
	if s.o.OnBan != nil {
		s.o.OnBan(b)
	}
}

// Bans are the sources that are not listened to, the latest first.
func (s *Server) Bans() []auth.Ban { return s.limiter.Bans() }

// LiftBan listens to a source again, and gives the ban; false if it was not banned.
func (s *Server) LiftBan(ip netip.Addr) (auth.Ban, bool) { return s.limiter.Lift(ip) }
