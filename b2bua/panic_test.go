package b2bua

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/emiago/sipgo/sip"

	"tandem/b2bua/auth"
	"tandem/b2bua/transport"
	"tandem/clock"
	"tandem/media"
	"tandem/store"
)

// faulty are a server's surroundings that panic when they are asked about "boom".
type faulty struct{ *records }

func (faulty) Credential(user string) (auth.Credential, bool) {
	if user == "boom" {
		panic("injected while a message is read")
	}
	return auth.Credential{}, false
}

// faultyNetwork panics when a name server is asked.
type faultyNetwork struct{ *transport.Memory }

func (faultyNetwork) DialPacket(netip.AddrPort) (net.Conn, error) {
	panic("injected while a name is looked up")
}

func (f faulty) Open(c *store.Call) {
	if c.ToUser == "open" {
		panic("injected while a call begins")
	}
	f.records.Open(c)
}

func (f faulty) Update(c *store.Call) {
	if c.ToUser == "update" {
		panic("injected while an event is applied")
	}
	f.records.Update(c)
}

func (f faulty) Finish(c *store.Call, legs []store.Leg, events []store.Event) {
	if c.ToUser == "finish" {
		panic("injected while the record is finished")
	}
	f.records.Finish(c, legs, events)
}

// badTimer panics when it is stopped, the first times.
type badTimer struct{ left int }

func (t *badTimer) Stop() bool {
	if t.left--; t.left >= 0 {
		panic("injected while an event is applied")
	}
	return true
}

func (t *badTimer) Reset(time.Duration) bool { return true }

var _ clock.Timer = (*badTimer)(nil)

// faultyHandler does wrong what the number says, once the call is answered.
func faultyHandler(ctx context.Context, c *Call) error {
	if c.Number() == "early" {
		panic("injected in a handler")
	}
	if c.Number() == "lookup" {
		_, _ = c.Dial(ctx, []string{"sip:x@nowhere.example"}, DialOptions{})
		return nil
	}
	if err := c.Answer(ctx, nil); err != nil {
		return nil
	}
	switch c.Number() {
	case "late":
		panic("injected in a handler")
	case "timer":
		c.clock.AfterFunc(time.Second, func() { panic("injected in a timer") })
	case "aside":
		c.aside(func() { panic("injected beside the call") })
	case "once", "ever":
		n := 1
		if c.Number() == "ever" {
			n = 1000
		}
		c.box.post(do(func(c *Call) { c.caller.fresh.timer = &badTimer{n} }))
	case "media":
		c.caller.mediaEvent(media.Event{Kind: media.EventFailed}) // what a session says whose worker panicked
	}
	<-c.Done()
	return nil
}

// TestPanicEndsOneCall injects a panic into each place that recovers (DESIGN §4). It is
// counted and logged with its stack, the call it struck ends with 500 or a BYE, nothing of it
// stays, and a call beside it goes on.
func TestPanicEndsOneCall(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, number string
		code         int    // final response to the INVITE
		again        int    // of a re-INVITE; 0: none is sent
		panics       int64  // at least; 0: it is counted elsewhere
		log          string // a word of the stack
	}{
		{name: "a read message", number: "boom", code: 500, panics: 1, log: "faulty.Credential"},
		{name: "a read message that begins a call", number: "open", code: 500, panics: 1, log: "faulty.Open"},
		{name: "a timer", number: "timer", code: 200, panics: 1, log: "faultyHandler"},
		{name: "an event", number: "update", code: 200, panics: 1, log: "faulty.Update"},
		{name: "a request within the call", number: "once", code: 200, again: 500, panics: 1, log: "badTimer"},
		{name: "all that ends the call, too", number: "ever", code: 200, again: 500, panics: 2, log: "badTimer"},
		{name: "finishing the record", number: "finish", code: 200, panics: 1, log: "faulty.Finish"},
		{name: "a name that is looked up", number: "lookup", code: 503, panics: 1, log: "faultyNetwork.DialPacket"},
		{name: "a goroutine beside the call's", number: "aside", code: 200, panics: 1, log: "faultyHandler"},
		{name: "a media worker", number: "media", code: 200},
		{name: "a handler before the answer", number: "early", code: 500, panics: 1, log: "faultyHandler"},
		{name: "a handler after the answer", number: "late", code: 200, panics: 1, log: "faultyHandler"},
	} {
		t.Run(c.name, func(t *testing.T) {
			log := &safeBuffer{}
			inFaultyWorld(t, log, func(w *world) {
				standing := w.peer(1)
				standing.talks("700")
				p := w.peer(2)
				headers := []string{}
				if c.number == "boom" {
					// Only an answer to a fresh nonce is looked up; this peer is trusted, and challenged
					// because it sends credentials.
					p.send("INVITE", c.number, p.body, `Authorization: Digest username="boom",realm="tandem",nonce="n",uri="sip:x",response="0"`)
					headers = append(headers, p.answersTo(p.challenged("INVITE", c.number), "INVITE", c.number, "boom", "x"))
				}
				p.send("INVITE", c.number, p.body, headers...)
				for res := (*sip.Response)(nil); res == nil || res.StatusCode < 200; {
					res = p.recv().(*sip.Response)
					if res.StatusCode >= 200 && res.StatusCode != c.code {
						t.Fatalf("answered with\n%s", res)
					}
					p.learn(res)
				}
				p.send("ACK", c.number, "")
				if c.again > 0 {
					time.Sleep(time.Millisecond) // virtual: the handler has laid its mine
					p.send("INVITE", c.number, p.body)
					p.final(c.again)
					p.send("ACK", c.number, "")
				}
				if c.code == 200 && c.number == "finish" {
					p.hangsUp()
				} else if c.code == 200 && c.number != "ever" {
					p.hungUp()
				}
				time.Sleep(time.Minute) // virtual
				if n := w.server.Counts(); n.Calls != 1 || n.Running != 1 || n.Dialogs != 1 {
					t.Errorf("beside the standing call: %+v", n)
				}
				if n := w.server.Panics(); n < c.panics {
					t.Errorf("%d panics counted", n)
				}
				if text := log.String(); !strings.Contains(text, c.log) || c.panics > 0 && !strings.Contains(text, "stack=") {
					t.Errorf("the log lacks %s and a stack:\n%s", c.log, text)
				}
				standing.send("OPTIONS", "700", "")
				standing.response(200)
				standing.hangsUp()
			})
		})
	}
}

// TestPanicsAreLoggedAFewASecond: what a message can set off can come with every message.
func TestPanicsAreLoggedAFewASecond(t *testing.T) {
	log := &safeBuffer{}
	inFaultyWorld(t, log, func(w *world) {
		p := w.peer(1)
		for i := range 60 {
			p.local, p.callID = "", fmt.Sprint("panic-", i)
			p.target = ""
			p.send("INVITE", "early", p.body)
			p.final(500)
			p.target = ""
			p.send("ACK", "early", "")
		}
		if n := w.server.Panics(); n != 60 {
			t.Errorf("%d panics counted", n)
		}
		if n := strings.Count(log.String(), "stack="); n < 1 || n > 10 {
			t.Errorf("%d stacks logged within a second or two", n)
		}
	})
}

// learn takes over the dialog that a response to INVITE makes.
func (p *peer) learn(res *sip.Response) {
	if res.StatusCode > 100 {
		p.remote = res.To().Value()
	}
	if c := res.Contact(); c != nil {
		p.target = c.Address.String()
	}
}

// final waits for the final response, which must have that code.
func (p *peer) final(code int) {
	p.w.t.Helper()
	for {
		res, ok := p.recv().(*sip.Response)
		if !ok || res.StatusCode >= 200 && res.StatusCode != code {
			p.w.t.Fatalf("want %d, got\n%s", code, res)
		}
		if res.StatusCode == code {
			p.learn(res)
			return
		}
	}
}

// inFaultyWorld is inWorld with a server whose surroundings panic at times.
func inFaultyWorld(t *testing.T, log *safeBuffer, test func(w *world)) {
	n := transport.NewMemory()
	inWorld(t, faultyHandler, func(w *world) {
		w.net = n
		test(w)
	}, func(o *Options) {
		_ = o.Transport.Close()
		o.Log = slog.New(slog.NewTextHandler(log, nil))
		f := faulty{&records{open: map[string]*store.Call{}}}
		o.Directory, o.Journal = f, f
		var err error
		o.Transport, err = transport.New(transport.Options{Network: faultyNetwork{n}, Log: o.Log, DNS: []netip.AddrPort{netip.MustParseAddrPort("10.0.0.53:53")}, Listen: []transport.Endpoint{
			{Proto: transport.UDP, Addr: serverAddr}, {Proto: transport.TCP, Addr: serverAddr}}})
		if err != nil {
			t.Fatal(err)
		}
	})
}

// safeBuffer may be written by many goroutines.
type safeBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (s *safeBuffer) Write(b []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(b)
}

func (s *safeBuffer) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}
