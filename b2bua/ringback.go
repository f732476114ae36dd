package b2bua

import "tandem/media"

// startRingback lets an answered caller hear that it rings; an unanswered one gets what
// the far end sends, unless the script has chosen a sound.
func (d *dialling) startRingback() {
	l := d.c.caller
	if d.opts.RingbackNone || d.directly() && l.state != legAnswered {
		return
	}
	srcs := d.opts.Ringback
	switch {
	case len(srcs) > 0 && l.state != legAnswered:
		if l.progress() != nil {
			return
		}
	case len(srcs) > 0:
	case l.state == legAnswered:
		ring, err := media.ParseTone("ring")
		if err != nil {
			return
		}
		srcs = []media.Source{ring}
	default:
		return
	}
	if l.media != nil {
		d.ringback = l.media.Play(srcs, media.PlayOptions{Loop: -1})
	}
}

func (d *dialling) stopRingback() {
	if d.ringback != nil {
		d.ringback.Stop()
		d.ringback = nil
	}
}

// progress passes the far end's ringing on to a caller who waits: the first leg that has
// early media is heard, others are not mixed in.
func (d *dialling) progress(l *Leg, code int, hasMedia bool) {
	caller := d.c.caller
	if l.direct && hasMedia && !d.opts.NoEarlyMedia {
		if d.early == nil || d.early == l {
			d.early = l
			caller.progressWith(l.theirs)
		}
		return
	}
	chosen := len(d.opts.Ringback) > 0 || d.opts.RingbackNone
	if hasMedia && !d.opts.NoEarlyMedia && !chosen && (d.early == nil || d.early == l) {
		caller.wants(l)
		if caller.progress() != nil || caller.media == nil {
			return
		}
		if d.early == nil {
			d.stopRingback()
			d.early = l
			if err := media.Bridge(caller.media, l.media); err != nil {
				d.c.log.Error("early media not joined", "err", err)
			}
		}
		return
	}
	if caller.state != legAnswered && len(d.opts.Ringback) == 0 && d.early == nil {
		_ = caller.ring(code)
	}
}

// earlyLost lets another leg be heard when the one that was has failed.
func (d *dialling) earlyLost(l *Leg) {
	if d.early != l {
		return
	}
	d.early = nil
	if d.c.caller.state == legAnswered && len(d.live) > 0 {
		d.startRingback()
	}
}
