package trunk

import (
	"errors"
	"time"

	"github.com/emiago/sipgo/sip"

	"tandem/b2bua/transaction"
	"tandem/b2bua/transport"
)

var errSilent = errors.New("no answer")

// reply is what became of a request.
type reply struct {
	res *sip.Response
	err error
}

// waiter hands the first final outcome to the goroutine that waits.
type waiter chan reply

func (w waiter) HandleResponse(_ *transaction.Client, res *sip.Response) {
	if !res.IsProvisional() {
		w.put(reply{res: res})
	}
}

func (w waiter) HandleEnd(_ *transaction.Client, err error) {
	if errors.Is(err, transaction.ErrTimeout) {
		err = errSilent
	}
	if err != nil {
		w.put(reply{err: err})
	}
}

func (w waiter) put(r reply) {
	select {
	case w <- r:
	default:
	}
}

// exchange sends a request and waits for its final response, at most for patience.
func (s *Set) exchange(f transport.Flow, req *sip.Request, patience time.Duration) (*sip.Response, error) {
	w := make(waiter, 1)
	if _, err := s.sender().Send(f, req, w); err != nil {
		return nil, err
	}
	late := s.o.Clock.AfterFunc(patience, func() { w.put(reply{err: errSilent}) })
	defer late.Stop()
	select {
	case r := <-w:
		return r.res, r.err
	case <-s.ctx.Done():
		return nil, s.ctx.Err()
	}
}
