package phone

import (
	"context"
	"errors"
	"net/netip"
	"strings"

	"github.com/emiago/sipgo/sip"

	"tandem/b2bua/dialog"
	"tandem/b2bua/transport"
)

// Hangup ends the call as its state wants: BYE, CANCEL, or 480 to a call not yet
// answered. It waits for the answer to a BYE; Done tells when all is over. The
// call has ended whatever it returns.
func (c *Call) Hangup(ctx context.Context) error {
	c.mu.Lock()
	state, incoming := c.state, c.incoming
	c.mu.Unlock()
	switch {
	case state == Ended:
		return nil
	case state == Answered:
		return c.hangup(ctx)
	case incoming:
		return c.Reject(480)
	}
	c.Cancel()
	return nil
}

func (c *Call) hangup(ctx context.Context) error {
	// RFC 3261 §15: the callee sends no BYE before it has the ACK to its 2xx.
	_ = c.wait(ctx, func() bool { return !c.unacked || c.state == Ended })
	c.mu.Lock()
	if c.state == Ended {
		c.mu.Unlock()
		return nil
	}
	d := c.dialog
	c.mu.Unlock()
	if !c.over(End{By: "local"}) {
		return nil
	}
	defer c.phone.drop(c) // until then a BYE of the peer, crossing ours, finds it
	return c.bye(ctx, d)
}

// bye sends BYE on one dialog; that the peer knows it no more is no error.
func (c *Call) bye(ctx context.Context, d *dialog.Dialog) error {
	_, err := c.transact(ctx, d, sip.BYE, "", nil)
	if no, refused := errors.AsType[*Rejected](err); refused && (no.Code == 481 || no.Code == 408) {
		return nil // RFC 3261 §15.1.1
	}
	return err
}

// sendAck sends the ACK of a 2xx. It does not block: finding another next hop
// than the call's own may take a look-up.
func (c *Call) sendAck(d *dialog.Dialog, ack *sip.Request) {
	ack = ack.Clone() // sending puts a Via on it
	if c.staysOnFlow(d) {
		_ = c.phone.tx.SendAck(c.flow, ack)
		return
	}
	go func() {
		f, err := c.way(context.Background(), d)
		if err == nil {
			err = c.phone.tx.SendAck(f, ack)
		}
		if err != nil {
			c.phone.log.Warn("ACK not sent", "err", err)
		}
	}()
}

// way is the flow to the next hop of a dialog.
func (c *Call) way(ctx context.Context, d *dialog.Dialog) (transport.Flow, error) {
	if c.staysOnFlow(d) {
		return c.flow, nil
	}
	c.mu.Lock()
	hop := d.NextHop()
	c.mu.Unlock()
	return c.phone.connect(ctx, hop)
}

// staysOnFlow tells whether the dialog's next hop is the peer of the call's own
// flow. Behind a server it always is: its Contact may be out of our reach.
func (c *Call) staysOnFlow(d *dialog.Dialog) bool {
	if c.phone.server != nil && c.flow.Alive() {
		return true
	}
	c.mu.Lock()
	hop := d.NextHop()
	c.mu.Unlock()
	ip, err := netip.ParseAddr(strings.Trim(hop.Host, "[]"))
	port := uint16(hop.Port)
	if port == 0 {
		port = c.flow.Proto().DefaultPort()
	}
	proto := hop.UriParams.GetOr("transport", string(transport.UDP))
	return err == nil && c.flow.Alive() && strings.EqualFold(proto, string(c.flow.Proto())) &&
		netip.AddrPortFrom(ip.Unmap(), port) == c.flow.Remote()
}
