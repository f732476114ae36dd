package transaction_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/emiago/sipgo/sip"

	"tandem/b2bua/transaction"
	"tandem/b2bua/transport"
)

// FuzzMessage takes any bytes by way of the loop through parsing and matching to a user that
// answers them, and the answers back.
func FuzzMessage(f *testing.F) {
	invite := theirs("INVITE", "z9hG4bK1")
	for _, s := range []string{
		invite, theirs("CANCEL", "z9hG4bK1"), theirs("ACK", "z9hG4bK1"), theirs("ACK", "old"), theirs("OPTIONS", "old"),
		strings.Replace(invite, "From:", "Fram:", 1), strings.Replace(invite, "CSeq: 3", "CSeq: x", 1),
		strings.Replace(invite, "127.0.0.1:5070", "[::1]:0", 1), strings.Replace(invite, "sip:alice", "<sip:alice", 1),
		"SIP/2.0 200 OK" + invite[strings.Index(invite, "\r\n"):], "SIP/2.0 99 OK" + invite[strings.Index(invite, "\r\n"):],
	} {
		f.Add([]byte(s))
	}
	done := make(chan string, 1)
	u := &fuzzUser{done: done}
	tl, err := transport.New(transport.Options{Network: transport.NewMemory(), Log: quiet(), Listen: []transport.Endpoint{endpoint(f, "udp://127.0.0.1:5060")}})
	if err != nil {
		f.Fatal(err)
	}
	defer tl.Close()
	u.tx = transaction.New(transaction.Options{Transport: tl, Handler: u, Log: quiet(), MaxServers: 10_000,
		Timers: transaction.Timers{T1: time.Millisecond, T2: time.Millisecond, T4: time.Millisecond, D: time.Millisecond}})
	tl.Serve(u.tx)
	n := 0
	f.Fuzz(func(t *testing.T, data []byte) {
		if err := tl.Loop().Write(append([]byte(nil), data...)); err != nil {
			t.Fatal(err)
		}
		n++
		mark := fmt.Sprintf("mark-%d", n)
		if err := tl.Loop().Write([]byte(strings.Replace(theirs("ACK", "z9hG4bKmark"), "their-call", mark, 1))); err != nil {
			t.Fatal(err)
		}
		for {
			select {
			case got := <-done:
				if got == mark {
					if p := tl.Counts().Panics; p != 0 {
						t.Fatalf("%d panics", p)
					}
					return
				}
			case <-time.After(10 * time.Second):
				t.Fatal("stuck")
			}
		}
	})
}

type fuzzUser struct {
	tx   *transaction.Layer
	done chan string
}

func (u *fuzzUser) HandleRequest(s *transaction.Server) {
	s.OnCancel(func(*sip.Request) {
		_ = s.Respond(transaction.NewResponse(s.Request(), 487, "Request Terminated", "we"))
	})
	_ = s.Respond(transaction.NewResponse(s.Request(), 180, "Ringing", "we"))
	if s.Request().Method != sip.INVITE {
		_ = s.Respond(transaction.NewResponse(s.Request(), 200, "OK", "we"))
	}
}

func (u *fuzzUser) HandleAck(req *sip.Request, _ transport.Flow) {
	if id := req.CallID().Value(); strings.HasPrefix(id, "mark-") {
		u.done <- id
	}
}
func (u *fuzzUser) HandleStray(*sip.Response, transport.Flow) {}

func (u *fuzzUser) HandleBad(m *transport.Incoming) {
	if req, ok := m.Msg.(*sip.Request); ok {
		_ = u.tx.Reply(req, m.Flow, transaction.NewResponse(req, 400, "Bad Request", "we"))
	}
}
func (u *fuzzUser) HandleFlowClosed(transport.Flow, error) {}
