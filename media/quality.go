package media

import (
	"time"

	"tandem/media/rtp"
)

// Quality is how well the two ends of a leg have heard each other of late. EventQuality
// carries it with each of our RTCP reports, about every 5 s.
type Quality struct {
	Expected, Lost uint64        // packets of the peer's since the last one
	Jitter, RTT    time.Duration // RFC 3550 A.8; RTT is 0 if not known
	MOS            float64       // estimate for what we heard in the interval; 0: nothing came

	Far       bool    // the peer reports, too:
	FarLost   float64 // share of our packets that it has missed of late, 0 to 1
	FarJitter time.Duration
	FarMOS    float64 // as the peer estimates it (RFC 3611 §4.7.5); 0: it does not
}

// tellQuality emits the figures of the interval that ends now, if anything came in it.
func (m *stream) tellQuality() {
	now := m.rx.Totals()
	was := m.report.before
	m.report.before = now
	part := rtp.Totals{Packets: now.Packets - was.Packets, Expected: now.Expected - min(was.Expected, now.Expected)}
	part.Lost = now.Lost - min(was.Lost, now.Lost) // a late packet takes a loss back
	if part.Expected == 0 && !m.report.far.known {
		return
	}
	f := &m.report.far
	m.emit(Event{Kind: EventQuality, Remote: m.remote(), Quality: Quality{
		Expected: part.Expected, Lost: min(part.Lost, part.Expected), Jitter: m.rx.Jitter(), RTT: m.report.rtt,
		MOS: m.mos(part), Far: f.known, FarLost: f.share, FarJitter: f.jitter, FarMOS: f.mos,
	}})
}

// mos estimates how what has been received sounds.
func (m *stream) mos(t rtp.Totals) float64 {
	if m.p == nil {
		return 0
	}
	return mos(m.p.format.Name, t, m.rx.Jitter(), m.report.rtt)
}
