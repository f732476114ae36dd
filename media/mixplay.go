package media

import "encoding/binary"

// mixPlays is how many announcements may wait in a conference; more are not played.
const mixPlays = 16

// start lines up something to be heard by all.
func (r *mixer) start(p *player) {
	switch {
	case r.closed, len(r.members) == 0:
		p.playback.end(ErrClosed)
	case len(r.plays) >= mixPlays:
		p.playback.end(ErrStopped)
	case len(p.tracks) == 0:
		p.playback.end(nil)
	default:
		r.plays = append(r.plays, p)
	}
}

// stop ends an announcement, whether it is heard or still waits.
func (r *mixer) stop(b *Playback) {
	for i, p := range r.plays {
		if p.playback == b {
			r.plays = append(r.plays[:i], r.plays[i+1:]...)
			b.end(ErrStopped)
			return
		}
	}
}

// playing puts the next 20 ms of what is played into played; false if there is nothing.
func (r *mixer) playing() bool {
	if len(r.plays) == 0 {
		return false
	}
	p := r.plays[0]
	if p.over {
		r.plays = append(r.plays[:0], r.plays[1:]...)
		p.playback.end(nil)
		return r.playing()
	}
	n, _ := p.fill(r.sound)
	n -= n % 2
	clear(r.played)
	for i := range n / 2 {
		r.played[i] = int16(binary.LittleEndian.Uint16(r.sound[2*i:]))
	}
	return n > 0
}

// silencePlays ends all that is played: nobody is there to hear it.
func (r *mixer) silencePlays() {
	for _, p := range r.plays {
		p.playback.end(ErrStopped)
	}
	r.plays = nil
}
