package b2bua

import (
	"log/slog"
	"strings"

	"tandem/b2bua/transport"
	"tandem/media"
)

// Preferences are what a user's legs are to be like.
type Preferences struct {
	Encryption media.Encryption
	DTMF       media.DTMF
	Codecs     []string // offered and taken, in this order; none: those of the server
}

// preferences are those of the user at the far end of the leg; the zero value for nobody.
func (l *Leg) preferences() Preferences {
	f := l.call().server.o.Preferences
	name, isUser := l.identity.User, l.identity.User != ""
	if !l.inbound() {
		name, isUser = strings.CutPrefix(l.target, "user:")
	}
	if f == nil || !isUser || l.flow.IsLoop() {
		return Preferences{}
	}
	return f(name)
}

// encryption is what the leg's trunk or user wants; a call to ourselves stays within the
// process.
func (l *Leg) encryption() media.Encryption {
	if cfg := l.trunkConfig(); cfg != nil && !l.flow.IsLoop() {
		return media.EncryptionNamed(cfg.SRTP)
	}
	return l.preferences().Encryption
}

// checkEncryption refuses a call whose media would be in the clear where they must not be,
// or the other way round, before anybody is rung for it.
func (l *Leg) checkEncryption() *problem {
	if len(l.offer) == 0 {
		return nil
	}
	if err := media.CheckEncryption(l.offer, l.encryption()); err != nil {
		c := l.call()
		c.log.LogAttrs(c.server.ctx, slog.LevelInfo, "call refused", slog.String("err", err.Error()), slog.String("srtp", l.encryption().String()))
		return refuse(488, "")
	}
	return nil
}

// browses tells whether the far end is a browser, which takes nothing but DTLS and ICE: only
// those come by WebSocket (RFC 7118).
func (l *Leg) browses() bool {
	p := l.flow.Proto()
	return (p == transport.WS || p == transport.WSS) && !l.flow.IsLoop()
}

// mayReturn tells whether the far end may send our own calls back to us, so that it names a
// port of ours in good faith: we ourselves, a trunk, a trusted source, or where a script has
// dialled an address. A user's phone does not.
func (l *Leg) mayReturn() bool {
	if l.flow.IsLoop() || l.trunk != nil {
		return true
	}
	if l.inbound() {
		return l.identity.Trusted || l.identity.Trunk != ""
	}
	return !strings.HasPrefix(l.target, "user:")
}
