package b2bua

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/emiago/sipgo/sip"
)

// lane makes one call after the other: a calls, b answers, c is who b sends a to.
type lane struct {
	n       int
	a, b, c *peer
}

// kinds are what the calls of TestManyCalls are, by the number they dial.
var kinds = []struct {
	name string
	call func(*lane)
}{
	{"basic", (*lane).basic},
	{"script", (*lane).script},
	{"cancelearly", (*lane).cancelEarly},
	{"cancelringing", (*lane).cancelRinging},
	{"cancelcrossing", (*lane).cancelCrossing},
	{"lateoffer", (*lane).lateOffer},
	{"callerholds", (*lane).callerHolds},
	{"calleeholds", (*lane).calleeHolds},
	{"update", (*lane).update},
	{"reliable", (*lane).prackByCaller},
	{"prack", (*lane).prackByCallee},
	{"glare", (*lane).glare},
	{"forked", (*lane).forked},
	{"transfer", (*lane).transfer},
	{"moved", (*lane).moved},
	{"refused", (*lane).refused},
	{"unanswered", (*lane).unanswered},
}

// TestManyCalls makes MANY_CALLS calls (680 unless the environment says more) of every kind,
// several at once, over few media ports. When they have ended, nothing of any is left.
func TestManyCalls(t *testing.T) {
	const lanes = 8
	calls := 40 * len(kinds)
	if s := os.Getenv("MANY_CALLS"); s != "" {
		var err error
		if calls, err = strconv.Atoi(s); err != nil {
			t.Fatal(err)
		}
	}
	started := time.Now()
	synctest.Test(t, func(t *testing.T) {
		var served atomic.Int64
		w := newQuietWorld(t, func(ctx context.Context, c *Call) error {
			served.Add(1)
			return serveLane(ctx, c)
		})
		defer w.close()
		var all []*lane
		for n := 1; n <= lanes; n++ {
			all = append(all, &lane{n: n, a: w.peer(10*n + 1), b: w.peer(10*n + 2), c: w.peer(10*n + 3)})
		}
		synctest.Wait()
		before, start, opened := goroutines(), heap(), time.Now()
		var most peak
		var next, done atomic.Int64
		var wg sync.WaitGroup
		for _, l := range all {
			wg.Go(func() {
				for i := int(next.Add(1)) - 1; i < calls; i = int(next.Add(1)) - 1 {
					l.dials(i)
					most.look(w)
					done.Add(1)
				}
			})
		}
		wg.Wait()
		took := time.Since(opened)
		time.Sleep(2 * time.Minute) // virtual: what RFC 3261 keeps for a while goes
		synctest.Wait()

		left := w.server.Counts()
		_, ports := w.engine.Ports()
		routines, grown := goroutines()-before, heap().since(start, 1).stay
		t.Logf("%d calls of %d kinds, %d at the server, in %v of its time", done.Load(), len(kinds), served.Load(), took.Round(time.Second))
		t.Logf("at most at once: %+v, %d ports", most.counts, most.ports)
		t.Logf("left: %+v, %d ports, %d goroutines, %d bytes", left, ports, routines, grown)
		if left != (Counts{}) || ports != 0 || routines != 0 || grown > 2<<20 {
			t.Error("not everything is back where it was")
			t.Logf("%s", stacks())
		}
		if done.Load() != int64(calls) || served.Load() != int64(calls) {
			t.Errorf("want %d calls", calls)
		}
		if most.counts.Calls < 2 || most.counts.Dialogs < 2 || most.ports < 2 {
			t.Error("no two calls at once: little is proved")
		}
		w.noPanics()
	})
	t.Logf("took %v", time.Since(started).Round(time.Millisecond))
}

func stacks() []byte {
	b := make([]byte, 4<<20)
	return b[:runtime.Stack(b, true)]
}

// goroutines counts those with a stack of ours: runtime.NumGoroutine counts the collector's
// helpers, too, which come and go.
func goroutines() int { return 1 + bytes.Count(stacks(), []byte("\n\ngoroutine ")) }

// peak is the most that was ever alive at once.
type peak struct {
	mu     sync.Mutex
	counts Counts
	ports  int
}

func (p *peak) look(w *world) {
	n := w.server.Counts()
	_, ports := w.engine.Ports()
	p.mu.Lock()
	defer p.mu.Unlock()
	p.ports = max(p.ports, ports)
	p.counts = Counts{Calls: max(p.counts.Calls, n.Calls), Running: max(p.counts.Running, n.Running), Dialogs: max(p.counts.Dialogs, n.Dialogs),
		ServerTransactions: max(p.counts.ServerTransactions, n.ServerTransactions), ClientTransactions: max(p.counts.ClientTransactions, n.ClientTransactions)}
}

// serveLane does with a call what its number says: a kind and the number of the lane.
func serveLane(ctx context.Context, c *Call) error {
	kind := strings.TrimRight(c.Number(), "0123456789")
	n := strings.TrimPrefix(c.Number(), kind)
	o := DialOptions{}
	switch kind {
	case "script":
		return answering(ctx, c)
	case "reliable":
		_ = c.Progress(ctx, nil)
		return answering(ctx, c)
	case "unanswered":
		o.Timeout = 10 * time.Second
	}
	_, err := c.BridgeTo(ctx, []string{"sip:bob@10.0.1." + n + "2"}, o)
	return err
}

// dials makes call number i, whose kind that says.
func (l *lane) dials(i int) {
	kind := kinds[i%len(kinds)]
	for _, p := range []*peer{l.a, l.b, l.c} {
		*p = peer{w: p.w, conn: p.conn, addr: p.addr, body: p.body}
	}
	l.a.callID = fmt.Sprintf("%s-%d", kind.name, i)
	kind.call(l)
}

func (l *lane) number(kind string) string { return kind + strconv.Itoa(l.n) }

// rings dials; b has the INVITE.
func (l *lane) rings(kind string) *sip.Request {
	l.a.calls(l.number(kind))
	return l.b.request(sip.INVITE)
}

// joins dials and both are answered.
func (l *lane) joins(kind string) *sip.Request {
	invite := l.rings(kind)
	l.b.answer(invite, 200, "b", l.b.body)
	l.b.request(sip.ACK)
	l.a.response(200)
	l.a.send("ACK", "", "")
	return invite
}

// ends lets the caller hang up.
func (l *lane) ends() { talking(l.a, l.b) }

// cancels gives up and takes both answers.
func (l *lane) cancels(kind string) {
	number := l.number(kind)
	l.a.remote, l.a.target = "<sip:"+number+"@"+l.a.w.addr.String()+">", ""
	l.a.send("CANCEL", number, "")
	got := map[sip.RequestMethod]int{}
	for range 2 {
		res, ok := l.a.recv().(*sip.Response)
		if !ok {
			l.a.w.t.Fatal("a request in place of what a CANCEL brings")
		}
		got[res.CSeq().MethodName] = res.StatusCode
	}
	if got[sip.CANCEL] != 200 || got[sip.INVITE] != 487 {
		l.a.w.t.Fatalf("CANCEL brought %v", got)
	}
	l.a.send("ACK", number, "")
}

// cancelled is what b sees of it.
func (l *lane) cancelled(invite *sip.Request) {
	l.b.answer(l.b.request(sip.CANCEL), 200, "", "")
	l.b.answer(invite, 487, "b", "")
	l.b.request(sip.ACK)
}

// fails acknowledges the failure of the whole call.
func (l *lane) fails(kind string, code int) {
	l.a.response(code)
	l.a.target = ""
	l.a.send("ACK", l.number(kind), "")
}

func (l *lane) basic() {
	invite := l.rings("basic")
	l.b.answer(invite, 180, "b", "")
	l.a.response(180)
	l.b.answer(invite, 200, "b", l.b.body)
	l.b.request(sip.ACK)
	l.a.response(200)
	l.a.send("ACK", "", "")
	talking(l.b, l.a)
}

func (l *lane) script() {
	l.a.talks(l.number("script"))
	l.a.hangsUp()
}

// RFC 3261 §9.1: b has said nothing yet, so our CANCEL waits for its first word.
func (l *lane) cancelEarly() {
	invite := l.rings("cancelearly")
	l.cancels("cancelearly")
	l.b.answer(invite, 180, "b", "")
	l.cancelled(invite)
}

func (l *lane) cancelRinging() {
	invite := l.rings("cancelringing")
	l.b.answer(invite, 180, "b", "")
	l.a.response(180)
	l.cancels("cancelringing")
	l.cancelled(invite)
}

func (l *lane) cancelCrossing() {
	invite := l.rings("cancelcrossing")
	l.b.answer(invite, 180, "b", "")
	l.a.response(180)
	l.cancels("cancelcrossing")
	l.b.answer(l.b.request(sip.CANCEL), 200, "", "")
	l.b.answer(invite, 200, "b", l.b.body)
	l.b.request(sip.ACK)
	l.b.hungUp()
}

func (l *lane) lateOffer() {
	l.a.send("INVITE", l.number("lateoffer"), "")
	l.a.response(100)
	l.b.answer(l.b.request(sip.INVITE), 200, "b", l.b.body)
	l.b.request(sip.ACK)
	if res := l.a.response(200); !strings.Contains(string(res.Body()), "m=audio") {
		l.a.w.t.Fatalf("no offer in:\n%s", res)
	}
	l.a.send("ACK", "", l.a.body)
	l.ends()
}

// holds lets p put q on hold and take it back.
func (l *lane) holds(p, q *peer) {
	for _, step := range []struct{ offered, answered string }{{"a=sendonly", "a=recvonly"}, {"a=sendrecv", "a=sendrecv"}} {
		p.send("INVITE", "", p.body+step.offered+"\r\n")
		p.response(200)
		p.send("ACK", "", "")
		re := q.request(sip.INVITE)
		if held := strings.Contains(string(re.Body()), "a=sendonly"); held != (step.offered == "a=sendonly") {
			q.w.t.Fatalf("%s carried over as:\n%s", step.offered, re)
		}
		q.answer(re, 200, "", q.body+step.answered+"\r\n")
		q.request(sip.ACK)
	}
}

func (l *lane) callerHolds() {
	l.joins("callerholds")
	l.holds(l.a, l.b)
	l.ends()
}

func (l *lane) calleeHolds() {
	l.joins("calleeholds")
	l.holds(l.b, l.a)
	l.ends()
}

func (l *lane) update() {
	l.joins("update")
	for _, p := range []*peer{l.a, l.b} {
		p.send("UPDATE", "", p.body)
		if res := p.response(200); !strings.Contains(string(res.Body()), "m=audio") {
			p.w.t.Fatalf("no answer in:\n%s", res)
		}
	}
	l.ends()
}

func (l *lane) prackByCaller() {
	number := l.number("reliable")
	l.a.send("INVITE", number, l.a.body, "Supported: 100rel")
	l.a.response(100)
	rseq, _ := headerOf(l.a.response(183), "RSeq")
	invite := l.a.cseq
	l.a.send("PRACK", "", "", fmt.Sprintf("RAck: %s %d INVITE", rseq, invite))
	for range 2 { // the PRACK's and the INVITE's
		if res, ok := l.a.recv().(*sip.Response); !ok || res.StatusCode != 200 {
			l.a.w.t.Fatalf("got %v", res)
		}
	}
	prack := l.a.cseq
	l.a.cseq = invite
	l.a.send("ACK", "", "")
	l.a.cseq = prack
	l.a.hangsUp()
}

func (l *lane) prackByCallee() {
	invite := l.rings("prack")
	l.b.answer(invite, 183, "b", l.b.body, "Require: 100rel", "RSeq: 5")
	l.b.answer(l.b.request(sip.PRACK), 200, "", "")
	l.a.response(183)
	l.b.answer(invite, 200, "b", "")
	l.b.request(sip.ACK)
	l.a.response(200)
	l.a.send("ACK", "", "")
	l.ends()
}

// glare: b's re-INVITE crosses ours, both are refused with 491, ours comes again.
func (l *lane) glare() {
	l.joins("glare")
	l.a.send("INVITE", "", l.a.body+"a=sendonly\r\n")
	l.a.response(200)
	l.a.send("ACK", "", "")
	ours := l.b.request(sip.INVITE)
	l.b.send("INVITE", "", l.b.body)
	l.b.response(491)
	l.b.refused()
	l.b.answer(ours, 491, "", "")
	l.b.request(sip.ACK)
	l.b.answer(l.b.request(sip.INVITE), 200, "", l.b.body+"a=recvonly\r\n")
	l.b.request(sip.ACK)
	l.ends()
}

// forked: a proxy behind us forked, and two answered.
func (l *lane) forked() {
	invite := l.joins("forked")
	winner := l.b.local
	l.b.answer(invite, 200, "loser", l.b.body)
	l.b.request(sip.ACK)
	l.b.hungUp()
	l.b.local = winner
	l.ends()
}

func (l *lane) transfer() {
	l.joins("transfer")
	l.b.refers("<sip:carol@" + l.c.addr.Addr().String() + ">")
	l.b.notified(100)
	l.c.answers()
	l.b.notified(200)
	l.b.hangsUp()
	talking(l.c, l.a)
}

func (l *lane) moved() {
	l.b.answer(l.rings("moved"), 302, "b", "", "Contact: <sip:carol@"+l.c.addr.Addr().String()+">")
	l.b.request(sip.ACK)
	invite := l.c.request(sip.INVITE)
	l.a.response(181)
	l.c.answer(invite, 200, "c", l.c.body)
	l.c.request(sip.ACK)
	l.a.response(200)
	l.a.send("ACK", "", "")
	talking(l.a, l.c)
}

func (l *lane) refused() {
	l.b.answer(l.rings("refused"), 486, "b", "")
	l.b.request(sip.ACK)
	l.fails("refused", 486)
}

func (l *lane) unanswered() {
	invite := l.rings("unanswered")
	l.b.answer(invite, 180, "b", "")
	l.a.response(180)
	l.cancelled(invite)
	l.fails("unanswered", 480)
}
