package phone

import "time"

// pulse sends silence as phones with voice activity detection do. It goes out without a pause
// until the call has stood for a while, so that the peer learns where it comes from, and from
// then on as one packet each time. A simulated hour is full of silence.
func (c *Call) pulse(every time.Duration, stood bool) {
	state := c.State()
	if state == Ended {
		return
	}
	if stood {
		s := c.Session()
		s.KeepAlive(true)
		s.KeepAlive(false)
	}
	c.phone.o.Clock.AfterFunc(every, func() { c.pulse(every, state == Answered) })
}
