package transaction

import (
	"github.com/emiago/sipgo/sip"

	"tandem/b2bua/transport"
)

// Watcher is told of a transaction's messages as they are on the wire, those that are resent
// too, in order. It is called with the transaction locked: it must not block or call back.
type Watcher interface{ Seen(Seen) }

// Seen is a message on the wire.
type Seen struct {
	Sent   bool              // by us
	Again  bool              // it was sent before
	Method sip.RequestMethod // of the request, or of the one that a response is to
	Seq    uint32            // of CSeq
	Code   int               // of a response; 0 is a request
	Msg    sip.Message       // nil where it is not at hand: resent, and known by the one before
}

func seenRequest(req *sip.Request) Seen {
	s := Seen{Method: req.Method, Msg: req}
	if c := req.CSeq(); c != nil {
		s.Seq = c.SeqNo
	}
	return s
}

func seenResponse(res *sip.Response) Seen {
	s := Seen{Code: res.StatusCode, Msg: res}
	if c := res.CSeq(); c != nil {
		s.Method, s.Seq = c.MethodName, c.SeqNo
	}
	return s
}

func (s Seen) sent() Seen  { s.Sent = true; return s }
func (s Seen) again() Seen { s.Again, s.Msg = true, nil; return s }

// SendWatched is Send, and tells w of what is sent and received for the request, its CANCEL
// and the ACK of its refusal.
func (l *Layer) SendWatched(f transport.Flow, req *sip.Request, h ClientHandler, w Watcher) (*Client, error) {
	req.PrependHeader(newVia(f, newBranch()))
	return l.send(f, req, h, w)
}

// Watch tells w of the request, which has been received, and of what is sent and received for
// it from now on.
func (s *Server) Watch(w Watcher) {
	s.tx.mu.Lock()
	defer s.tx.mu.Unlock()
	s.tx.watch = w
	w.Seen(seenRequest(s.req))
}

// saw tells the watcher, if there is one; the caller holds the lock.
func (t *clientTx) saw(s Seen) {
	if t.watch != nil {
		t.watch.Seen(s)
	}
}

// saw tells the watcher, if there is one; the caller holds the lock.
func (t *serverTx) saw(s Seen) {
	if t.watch != nil {
		t.watch.Seen(s)
	}
}

// sawAgain tells that the last response went out once more; the caller holds the lock.
func (t *serverTx) sawAgain() {
	t.saw(Seen{Sent: true, Again: true, Method: t.key.method, Seq: t.seq, Code: t.code})
}
