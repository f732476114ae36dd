package phone

import (
	"context"
	"fmt"

	"github.com/emiago/sipgo/sip"

	"tandem/b2bua/transaction"
	"tandem/b2bua/transport"
)

// Rejected is the final answer of a peer that did not say 2xx.
type Rejected struct {
	Code     int
	Reason   string
	Response *sip.Response
}

func (e *Rejected) Error() string { return fmt.Sprintf("phone: %d %s", e.Code, e.Reason) }

func rejected(res *sip.Response) *Rejected {
	return &Rejected{Code: res.StatusCode, Reason: res.Reason, Response: res}
}

// reply is how a client transaction came out.
type reply struct {
	res *sip.Response
	err error
}

// waiter hands the outcome of one transaction to the goroutine that waits for it.
type waiter struct {
	out      chan reply
	accepted func(res *sip.Response) // each 2xx, also resent ones; nil: not wanted
}

func (w *waiter) HandleResponse(_ *transaction.Client, res *sip.Response) {
	if res.IsProvisional() {
		return
	}
	if res.IsSuccess() && w.accepted != nil {
		w.accepted(res)
	}
	w.put(reply{res: res})
}

func (w *waiter) HandleEnd(_ *transaction.Client, err error) {
	if err != nil {
		w.put(reply{err: err})
	}
}

// put keeps the first outcome only.
func (w *waiter) put(r reply) {
	select {
	case w.out <- r:
	default:
	}
}

// exchange sends what build makes and waits for the final response, answering
// challenges on the way: each repetition is built anew, with its own CSeq. send
// gives the request to a transaction.
func (p *Phone) exchange(ctx context.Context, build func(l *login) *sip.Request,
	send func(req *sip.Request, w *waiter) error) (*sip.Response, error) {
	l := p.newLogin()
	for {
		w := &waiter{out: make(chan reply, 1)}
		req := build(&l)
		if err := send(req, w); err != nil {
			return nil, fmt.Errorf("phone: %s: %w", req.Method, err)
		}
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case r := <-w.out:
			if r.err != nil {
				return nil, fmt.Errorf("phone: %s: %w", req.Method, r.err)
			}
			if !l.answer(r.res) {
				return r.res, nil
			}
		}
	}
}

// sendOn is the send of exchange for requests outside of a dialog.
func (p *Phone) sendOn(f transport.Flow) func(*sip.Request, *waiter) error {
	return func(req *sip.Request, w *waiter) error {
		_, err := p.tx.Send(f, req, w)
		return err
	}
}
