package transaction

import "github.com/emiago/sipgo/sip"

// Holds tells whether a valid request belongs to a transaction that there is: a request sent
// again, an ACK to a failure, or a CANCEL whose INVITE is known.
func (l *Layer) Holds(req *sip.Request) bool {
	key := keyOf(req)
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.servers[key] != nil {
		return true
	}
	if req.Method != sip.CANCEL {
		return false
	}
	key.method = sip.INVITE
	return l.servers[key] != nil
}
