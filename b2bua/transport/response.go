package transport

import (
	"context"
	"errors"
	"net/netip"
	"strconv"

	"github.com/emiago/sipgo/sip"
)

// Response is the flow that responses to req go by, which came over f: RFC 3261 §18.2.2 and
// RFC 3581 §4. It looks nothing up. When the connection has died it dials the sender, and so
// may wait for ConnectTimeout.
func (l *Layer) Response(req *sip.Request, f Flow) (Flow, error) {
	if f.IsZero() {
		return f, ErrNoFlow
	}
	if f.Alive() && f.Reliable() {
		return f, nil
	}
	via := req.Via()
	if via == nil {
		return f, errors.New("no Via")
	}
	port := uint16(via.Port)
	if via.Port == 0 {
		port = f.Proto().DefaultPort()
	}
	if !f.Reliable() {
		// RFC 3581 §4: to the port the request came from. It is filled in, so it is that one.
		if v, ok := via.Params.Get("rport"); ok {
			if n, err := strconv.ParseUint(v, 10, 16); err == nil {
				port = uint16(n)
			}
		}
		// received, or else sent-by, is the address of the packet (see markVia).
		f.remote = netip.AddrPortFrom(f.remote.Addr(), port)
		return f, nil
	}
	if f.OneWay() {
		return f, ErrClosed
	}
	return l.Connect(context.Background(), Target{Proto: f.Proto(), Addr: netip.AddrPortFrom(f.Remote().Addr(), port), Host: via.Host})
}
