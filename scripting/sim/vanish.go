package sim

import (
	"fmt"
	"maps"
	"net/netip"

	"tandem/b2bua/transport"
)

// vanish takes a party off the network: nothing gets to it or from it any more, and nobody
// is told.
func (w *world) vanish(p *party) error {
	gone := map[netip.Addr]bool{p.at.Addr(): true}
	maps.Copy(gone, w.gone)
	w.gone = gone
	w.rtp.Cut(p.at.Addr())
	w.net.SetHook(func(d transport.Datagram) transport.Verdict {
		return transport.Verdict{Drop: gone[d.From.Addr()] || gone[d.To.Addr()]}
	})
	return w.still.wait()
}

// vanishes takes the caller off the network.
func (c *call) vanishes() error {
	if err := c.act(); err != nil {
		return err
	}
	return c.w.vanish(c.caller)
}

// party is whoever a target leads to.
func (w *world) party(target string) (*party, error) {
	p, _, err := w.dialled(target)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", target, err)
	}
	return p, nil
}
