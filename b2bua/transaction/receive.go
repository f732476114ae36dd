package transaction

import (
	"github.com/emiago/sipgo/sip"

	"tandem/b2bua/transport"
)

// request takes a valid request to its transaction, or begins one.
func (l *Layer) request(req *sip.Request, f transport.Flow) {
	key := keyOf(req)
	l.mu.Lock()
	t := l.servers[key]
	full := len(l.servers) >= l.o.MaxServers
	l.mu.Unlock()
	switch {
	case t != nil && req.Method == sip.ACK:
		t.ack(req, f)
	case t != nil:
		t.again()
	case req.Method == sip.ACK:
		l.o.Handler.HandleAck(req, f)
	case full:
		l.o.Log.Debug("sip: too many transactions", "method", req.Method, "flow", f.String())
		_ = l.Reply(req, f, NewResponse(req, sip.StatusServiceUnavailable, "Service Unavailable", ""))
	default:
		l.begin(key, req, f)
	}
}

// begin makes a server transaction.
func (l *Layer) begin(key serverKey, req *sip.Request, f transport.Flow) {
	reply, err := l.transport.Response(req, f)
	if err != nil {
		return
	}
	t := &serverTx{l: l, key: key, req: req, flow: f, reply: reply, invite: req.Method == sip.INVITE, seq: seenRequest(req).Seq}
	copied, first := l.enter(t, req)
	if !first {
		return // the same came at the same moment over another socket
	}
	t.start()
	s := &Server{t, req}
	switch {
	case req.Method == sip.CANCEL:
		s.cancels(l.inviteOf(key))
	case copied:
		// RFC 3261 §8.2.2.2: the same request came another way before.
		l.copies.Add(1)
		_ = s.Respond(NewResponse(req, sip.StatusLoopDetected, "Merged Request", newTag()))
	default:
		l.dispatch(s)
	}
}

// enter makes the transaction known; copied tells that its request is one that we have already
// under another branch.
func (l *Layer) enter(t *serverTx, req *sip.Request) (copied, first bool) {
	merge, outside := mergeOf(req)
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.servers[t.key] != nil {
		return false, false
	}
	l.servers[t.key] = t
	l.tie(t.flow, t)
	copied = outside && l.merged[merge] != nil
	if outside && !copied {
		l.merged[merge] = t
		t.merge = merge
	}
	return copied, true
}

// inviteOf is the INVITE that a CANCEL with this key is for, or nil.
func (l *Layer) inviteOf(key serverKey) *serverTx {
	key.method = sip.INVITE
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.servers[key]
}

// dispatch hands a request to the user. A panic there is the transport's to recover; the peer
// gets its answer all the same.
func (l *Layer) dispatch(s *Server) {
	handled := false
	defer func() {
		if !handled {
			_ = s.Respond(NewResponse(s.req, sip.StatusInternalServerError, "Internal Server Error", newTag()))
		}
	}()
	l.o.Handler.HandleRequest(s)
	handled = true
}

// response takes a response to its client transaction.
func (l *Layer) response(res *sip.Response, f transport.Flow) {
	branch, _ := res.Via().Params.Get("branch")
	l.mu.Lock()
	t := l.clients[clientKey{branch, res.CSeq().MethodName}]
	l.mu.Unlock()
	switch {
	case t != nil:
		t.receive(res, f)
	case res.CSeq().MethodName == sip.INVITE && res.IsSuccess():
		l.o.Handler.HandleStray(res, f)
	}
}

// Reply answers a request without a transaction, which came over f: for one that is not valid,
// or before a transaction is worth its memory. An ACK is never answered.
func (l *Layer) Reply(req *sip.Request, f transport.Flow, res *sip.Response) error {
	if req.Method == sip.ACK {
		return nil
	}
	if req.Via() == nil {
		return errNoVia
	}
	if f.Reliable() {
		return f.Send(res) // to dial back is not worth it
	}
	reply, err := l.transport.Response(req, f)
	if err != nil {
		return err
	}
	return reply.Send(res)
}
