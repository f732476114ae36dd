package b2bua

import (
	"slices"

	"tandem/media"
)

// codecs are those to offer and accept on the leg.
func (l *Leg) codecs() []string {
	if d := l.dialling; d != nil && len(d.opts.Codecs) > 0 {
		return d.opts.Codecs
	}
	if cfg := l.trunkConfig(); cfg != nil && len(cfg.Codecs) > 0 {
		return cfg.Codecs
	}
	if own := l.preferences().Codecs; len(own) > 0 {
		return own
	}
	return l.call().server.o.Codecs
}

// likeTheCaller puts the caller's codecs first in the leg's offer, so that the two may end up
// with one and nothing has to be transcoded. A script that names codecs has its own order.
func (l *Leg) likeTheCaller() {
	if len(l.dialling.opts.Codecs) > 0 || l.dialling.first {
		return
	}
	caller := l.call().caller
	var names []string
	if caller.media != nil && caller.media.Negotiated() {
		names = append([]string{caller.media.Codec()}, caller.media.PeerCodecs()...)
	} else {
		names = l.media.Ranked(media.VoiceCodecs(caller.offer))
	}
	l.media.Prefer(names...)
}

// wants has an unanswered caller answered with the codec that a leg has taken, if it offers
// that one.
func (l *Leg) wants(other *Leg) {
	if other.media != nil && l.described == nil {
		l.wanted, l.linesOf = other.media.Codec(), other
	}
}

func (l *Leg) preferWanted() {
	if l.wanted != "" && (len(l.offer) == 0 || slices.Contains(media.VoiceCodecs(l.offer), l.wanted)) {
		l.media.Prefer(l.wanted)
	}
}

// alignCodecs asks a leg by re-INVITE for the codec of the other, when they have met with two
// and can do with one. Until then, or if it refuses, what they say is transcoded.
func (c *Call) alignCodecs(a, b *Leg) {
	x, y := a.media.Codec(), b.media.Codec()
	if x == "" || y == "" || x == y {
		return
	}
	theirs, others := a.media.PeerCodecs(), b.media.PeerCodecs()
	switch {
	case slices.Contains(theirs, y):
		a.changeCodec(y)
	case slices.Contains(others, x):
		b.changeCodec(x)
	default:
		for _, z := range theirs {
			if slices.Contains(others, z) {
				a.changeCodec(z)
				b.changeCodec(z)
				return
			}
		}
	}
}

func (l *Leg) changeCodec(name string) {
	l.media.Prefer(name)
	l.call().note(l.name(), "media", "asked for "+name)
	l.reoffer(nil)
}
