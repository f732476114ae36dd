package transport

import (
	"errors"
	"fmt"
	"net/netip"
	"runtime/debug"

	"github.com/emiago/sipgo/sip"
)

// receive takes one message in wire form through parsing to the handler. A panic on the way
// costs this message and no more (DESIGN §4: a read message).
func (l *Layer) receive(f Flow, b []byte) {
	defer l.recovered(f)
	if tap := l.tap.Load(); tap != nil {
		(*tap)(In, f, b)
	}
	msg, err := l.parse(b)
	if msg == nil {
		l.counts.dropped.Add(1)
		if l.quiet.allow() {
			l.o.Log.Info("sip: garbage dropped", "flow", f.String(), "bytes", len(b), "begins", clip(b), "err", err)
		}
		return
	}
	if req, ok := msg.(*sip.Request); ok {
		markVia(req, f.Remote())
		l.claim(f, req.Via())
	}
	l.deliver(&Incoming{Msg: msg, Flow: f, Size: len(b), Err: err})
}

func (l *Layer) deliver(m *Incoming) {
	l.counts.received.Add(1)
	l.counts.rx.message(m.Msg)
	if m.Err != nil {
		l.counts.bad.Add(1)
		if l.quiet.allow() {
			l.o.Log.Info("sip: bad message", "flow", m.Flow.String(), "bytes", m.Size, "err", m.Err)
		}
	}
	l.handler.HandleMessage(m)
}

// Guard runs what a timer of the transactions above calls back: a panic there is counted and
// logged as one in a read message is.
func (l *Layer) Guard(f Flow, do func()) {
	defer l.recovered(f)
	do()
}

// errFault is the end of what met a panic.
var errFault = errors.New("internal error")

// protect runs what reads from the network but messages: handshakes, framing, the answers of
// name servers. A panic there is the error of that one connection or question.
func (l *Layer) protect(f Flow, do func() error) error {
	err := errFault
	l.Guard(f, func() { err = do() })
	return err
}

func (l *Layer) recovered(f Flow) {
	r := recover()
	if r == nil {
		return
	}
	l.counts.panics.Add(1)
	if l.quiet.allow() {
		l.o.Log.Error("sip: panic", "flow", f.String(), "panic", fmt.Sprint(r), "stack", string(debug.Stack()))
	}
}

// flowClosed tells the handler, which must not be able to end the process from there either.
func (l *Layer) flowClosed(f Flow, err error) {
	defer l.recovered(f)
	l.handler.HandleFlowClosed(f, err)
}

// clip is the beginning of a strange message, for a log line.
func clip(b []byte) string { return fmt.Sprintf("%q", b[:min(len(b), 32)]) }

// markVia notes in a request's top Via where it really came from.
func markVia(req *sip.Request, from netip.AddrPort) {
	via := req.Via()
	if via == nil {
		return
	}
	_, rport := via.Params.Get("rport")
	// What the sender wrote there itself would let it aim our responses at someone else.
	via.Params.Remove("received")
	if rport {
		// RFC 3581 §4: fill in rport, and received even when it equals sent-by.
		via.Params.Add("rport", fmt.Sprint(from.Port()))
	}
	sent, err := netip.ParseAddr(unbracket(via.Host))
	// RFC 3261 §18.2.1: a name, or another address than the packet's, gets received.
	if rport || err != nil || sent.Unmap() != from.Addr() {
		via.Params.Add("received", from.Addr().WithZone("").String())
	}
}

// receiveBroken hands over the head of a message whose end cannot be found on its stream, so
// that the request can be answered before the connection closes; false when there is nothing.
func (l *Layer) receiveBroken(f Flow, head []byte, why error) bool {
	defer l.recovered(f)
	msg := l.salvage(head)
	if msg == nil {
		return false
	}
	msg, _ = expand(msg)
	markVia(msg.(*sip.Request), f.Remote())
	l.deliver(&Incoming{Msg: msg, Flow: f, Size: len(head), Err: why})
	return true
}
