package media

import "tandem/media/codec"

// noise is the comfort noise of a peer that sends none of its own in pauses (RFC 3389). Its
// spectrum is not modelled: white noise at the level told is as comforting.
type noise struct {
	on   bool
	gain float64
	seed uint32
}

// set takes the level from a comfort noise packet: its first byte is in -dBov (RFC 3389 §3.1).
func (n *noise) set(payload []byte) {
	n.on = true
	n.gain = 0
	if len(payload) > 0 {
		// White noise of amplitude 1 has a power of a third: -4.8 dB.
		n.gain = 32767 * codec.Decibels(4.8-float64(payload[0]&0x7F))
	}
}

// read makes noise, or silence before any level has been told.
func (n *noise) read(pcm []int16) {
	if !n.on {
		clear(pcm)
		return
	}
	for i := range pcm {
		n.seed = n.seed*1664525 + 1013904223 // Numerical Recipes, §7.1
		pcm[i] = int16(max(-32767, min(32767, n.gain*(float64(n.seed>>8)/(1<<23)-1))))
	}
}
