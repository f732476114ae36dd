package b2bua

import (
	"time"

	"tandem/media"
)

// checkSilence ends the call when none of its legs has sent anything for the media
// time-out; a leg on hold has a reason to be silent.
func (c *Call) checkSilence() {
	var sessions []*media.Session
	for _, l := range c.legs {
		if l.direct && l.state == legAnswered {
			return
		}
		if l.state != legAnswered || l.media == nil {
			continue
		}
		if l.media.Held() || l.held || l.media.Muted() {
			return
		}
		sessions = append(sessions, l.media)
	}
	limit := c.server.o.MediaTimeout
	// Figures come from the media workers: not on the call's goroutine.
	c.aside(func() {
		var last time.Time
		for _, s := range sessions {
			if at := s.Stats().LastRTP; at.After(last) {
				last = at
			}
		}
		c.box.post(do(func(c *Call) {
			if c.gone() || c.caller.state != legAnswered || c.clock.Now().Sub(last) < limit || c.clock.Now().Sub(c.times.answer) < limit {
				return
			}
			c.mediaTimeout = true
			c.note("", "media", "no RTP from any side for "+limit.String())
			c.log.Warn("no RTP from any side: the call is ended", "for", limit)
			c.end(BySystem, failure(480, ""))
		}))
	})
}
