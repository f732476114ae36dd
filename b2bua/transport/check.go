package transport

import (
	"errors"
	"fmt"

	"github.com/emiago/sipgo/sip"
)

// check finds what makes a message unusable for the layers above: a mandatory header missing
// or there twice, or a CSeq of another method. What it lets through has Via, From, To, Call-ID
// and CSeq.
func check(msg sip.Message) error {
	// RFC 3261 §8.1.1: every request has these, and every response copies them (§8.2.6.2).
	switch {
	case msg.Via() == nil:
		return errors.New("no Via")
	case msg.From() == nil:
		return errors.New("no From")
	case msg.To() == nil:
		return errors.New("no To")
	case msg.CallID() == nil:
		return errors.New("no Call-ID")
	case msg.CSeq() == nil:
		return errors.New("no CSeq")
	}
	if req, ok := msg.(*sip.Request); ok && req.CSeq().MethodName != req.Method {
		return fmt.Errorf("CSeq of %.20q in a %.20q", req.CSeq().MethodName, req.Method)
	}
	if res, ok := msg.(*sip.Response); ok && (res.StatusCode < 100 || res.StatusCode > 699) {
		return fmt.Errorf("status %d", res.StatusCode)
	}
	return single(msg)
}

// single refuses two of a header that may come once (RFC 3261 §7.3.1, RFC 4475 §3.3.9).
func single(msg sip.Message) error {
	var from, to, id, seq, forwards, length int
	for _, h := range headersOf(msg) {
		switch h.(type) {
		case *sip.FromHeader:
			from++
		case *sip.ToHeader:
			to++
		case *sip.CallIDHeader:
			id++
		case *sip.CSeqHeader:
			seq++
		case *sip.MaxForwardsHeader:
			forwards++
		case *sip.ContentLengthHeader:
			length++
		}
	}
	if max(from, to, id, seq, forwards, length) > 1 {
		return errors.New("a header that may come once came twice")
	}
	return nil
}
