package b2bua

import (
	"context"
	"encoding/xml"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/emiago/sipgo/sip"
)

// subscribes sends a SUBSCRIBE of a user, with credentials, and gives its answer. The dialog
// that a 200 makes is the peer's from then on.
func (p *peer) subscribes(user, password, entity, event string, headers ...string) *sip.Response {
	p.w.t.Helper()
	res := p.fresh().tries("SUBSCRIBE", entity, "", user, password, append(headers, "Event: "+event)...)
	if res.StatusCode == 200 {
		p.remote, p.target = res.To().Value(), res.Contact().Address.String()
	}
	return res
}

// notice is what a NOTIFY says.
type notice struct {
	event, state, kind string
	body               string
	info               dialogInfo
}

type dialogInfo struct {
	Version int    `xml:"version,attr"`
	State   string `xml:"state,attr"`
	Entity  string `xml:"entity,attr"`
	Dialogs []struct {
		ID        string `xml:"id,attr"`
		Direction string `xml:"direction,attr"`
		State     string `xml:"state"`
	} `xml:"dialog"`
}

// lamps is the document in short: its state and the dialogs in it.
func (d dialogInfo) lamps() string {
	out := fmt.Sprintf("%d %s", d.Version, d.State)
	for _, x := range d.Dialogs {
		out += " " + x.Direction + ":" + x.State
	}
	return out
}

// told is the next message, which must be a NOTIFY; it is answered with code.
func (p *peer) told(code int, headers ...string) notice {
	p.w.t.Helper()
	req := p.request(sip.NOTIFY)
	p.answer(req, code, "", "", headers...)
	n := notice{body: string(req.Body())}
	n.event, _ = headerOf(req, "Event")
	n.state, _ = headerOf(req, "Subscription-State")
	n.kind, _ = headerOf(req, "Content-Type")
	if n.kind == "application/dialog-info+xml" {
		if err := xml.Unmarshal(req.Body(), &n.info); err != nil {
			p.w.t.Fatalf("%v in\n%s", err, req.Body())
		}
	}
	if req.CallID().Value() != p.callID || !strings.Contains(req.From().Value(), "tag=") || req.Contact() == nil {
		p.w.t.Errorf("not of the subscription's dialog:\n%s", req)
	}
	return n
}

func TestWaitingMessages(t *testing.T) {
	inWorld(t, answering, func(w *world) {
		p := w.peer(1)
		w.server.NotifyMessages("1001", 1, 0)
		w.server.NotifyMessages("1002", 7, 0)
		p.silent(time.Second) // nobody has asked: RFC 3842 §3, no unsolicited NOTIFY
		res := p.subscribes("1001", "first", "1001", "message-summary", "Accept: application/simple-message-summary")
		if v, _ := headerOf(res, "Expires"); res.StatusCode != 200 || v != "3600" {
			t.Fatalf("got %s", res)
		}
		n := p.told(200)
		if n.event != "message-summary" || n.state != "active;expires=3600" || n.kind != "application/simple-message-summary" ||
			n.body != "Messages-Waiting: yes\r\nMessage-Account: sip:1001@10.0.0.1:5060\r\nVoice-Message: 1/0 (0/0)\r\n" {
			t.Errorf("told %+v", n)
		}
		time.Sleep(time.Minute)
		w.server.NotifyMessages("1001", 2, 3)
		if n := p.told(200); n.state != "active;expires=3540" || !strings.Contains(n.body, "Voice-Message: 2/3 (0/0)") {
			t.Errorf("told %+v", n)
		}
		w.server.NotifyMessages("1001", 2, 3) // no news
		p.silent(time.Minute)
		// What comes in quick succession is told together, the last state at last.
		for i := range 50 {
			w.server.NotifyMessages("1001", i, 0)
		}
		w.server.NotifyMessages("1001", 0, 0)
		told := []string{p.told(200).body}
		for {
			m, ok := p.within(5 * time.Second)
			if !ok {
				break
			}
			p.answer(m.(*sip.Request), 200, "", "")
			told = append(told, string(m.(*sip.Request).Body()))
		}
		if last := told[len(told)-1]; len(told) > 2 || !strings.HasPrefix(last, "Messages-Waiting: no\r\n") {
			t.Errorf("told %d times, at last %q", len(told), last)
		}
	}, guarded)
}

func TestSubscriptionsThatAreRefused(t *testing.T) {
	inWorld(t, answering, func(w *world) {
		p := w.peer(1)
		p.send("SUBSCRIBE", "1001", "", "Event: dialog")
		p.response(401)
		for _, tt := range []struct {
			entity, event, header string
			code                  int
			has                   string
		}{
			{"1001", "presence", "", 489, "Allow-Events: message-summary, dialog"},
			{"1001", "", "", 489, "Allow-Events: message-summary, dialog"},
			{"1002", "message-summary", "", 403, ""}, // another's
			{"1002", "dialog", "Expires: 59", 423, "Min-Expires: 60"},
			{"1002", "dialog", "Accept: application/pidf+xml", 406, "Accept: application/dialog-info+xml"},
			{"1002", "dialog", "Contact: <tel:1>", 400, ""},
			{"1002", "dialog;id=" + strings.Repeat("x", 200), "", 400, ""},
		} {
			if tt.header == "" {
				tt.header = "Supported: eventlist"
			}
			res := p.subscribes("1001", "first", tt.entity, tt.event, tt.header)
			if res.StatusCode != tt.code || !strings.Contains(res.String(), tt.has) {
				t.Errorf("%+v: got %s", tt, res)
			}
		}
		if res := p.fresh().tries("SUBSCRIBE", "1002", "", "1001", "wrong", "Event: dialog"); res.StatusCode != 403 {
			t.Errorf("with the wrong password: %d", res.StatusCode)
		}
		p.fresh().send("PUBLISH", "1001", "", "Event: presence")
		if v, _ := headerOf(p.response(405), "Allow"); !strings.Contains(v, "SUBSCRIBE") || strings.Contains(v, "PUBLISH") {
			t.Errorf("Allow: %s", v)
		}
		if n := w.server.Counts(); n.Subscriptions != 0 {
			t.Errorf("left %+v", n)
		}
	}, guarded)
}

func TestSubscriptionRefreshedAndEnded(t *testing.T) {
	inWorld(t, answering, func(w *world) {
		p := w.peer(1)
		p.subscribes("1001", "first", "1002", "dialog;id=7", "Expires: 120")
		if n := p.told(200); n.event != "dialog;id=7" || n.info.lamps() != "0 full" || n.info.Entity != "sip:1002@10.0.0.1:5060" {
			t.Errorf("told %+v", n)
		}
		time.Sleep(100 * time.Second)
		p.cseq += 10
		p.send("SUBSCRIBE", "", "", "Event: dialog;id=7", "Expires: 120") // from where it came before: no credentials
		if v, _ := headerOf(p.response(200), "Expires"); v != "120" {
			t.Errorf("Expires: %s", v)
		}
		if n := p.told(200); n.state != "active;expires=120" || n.info.lamps() != "1 full" {
			t.Errorf("told %+v", n)
		}
		time.Sleep(100 * time.Second)
		for header, code := range map[string]int{"Expires: 30": 423, "Event: dialog": 481, "Event: presence": 489} {
			event := "Event: dialog;id=7"
			if strings.HasPrefix(header, "Event") {
				event = "X-None: 1"
			}
			p.send("SUBSCRIBE", "", "", event, header)
			p.response(code)
		}
		p.cseq -= 8
		p.send("SUBSCRIBE", "", "", "Event: dialog;id=7", "X-Late: 1")
		p.response(500)
		p.cseq += 8
		p.send("SUBSCRIBE", "", "", "Event: dialog;id=7", "Expires: 0")
		p.response(200)
		if n := p.told(200); n.state != "terminated;reason=timeout" {
			t.Errorf("told %+v", n)
		}
		p.send("SUBSCRIBE", "", "", "Event: dialog;id=7")
		p.response(481)

		p.subscribes("1001", "first", "1002", "dialog", "Expires: 60")
		p.told(200)
		time.Sleep(59 * time.Second)
		if n := p.told(200); n.state != "terminated;reason=timeout" {
			t.Errorf("told %+v", n)
		}
		p.subscribes("1001", "first", "1002", "dialog", "Expires: 0") // one look
		if n := p.told(200); n.state != "terminated;reason=timeout" || n.info.lamps() != "0 full" {
			t.Errorf("told %+v", n)
		}
		if n := w.server.Counts(); n.Subscriptions != 0 {
			t.Errorf("left %+v", n)
		}
	}, guarded)
}

func TestLampOfUser(t *testing.T) {
	bridge := func(ctx context.Context, c *Call) error {
		_, err := c.BridgeTo(ctx, []string{"user:" + c.Number()}, DialOptions{})
		return err
	}
	inWorld(t, bridge, func(w *world) {
		watcher, alice, bob := w.peer(1), w.peer(2), w.peer(3)
		bob.registers("1002", "second")
		watcher.subscribes("1001", "first", "1002", "dialog")
		if n := watcher.told(200); n.info.lamps() != "0 full" {
			t.Errorf("before any call: %s", n.info.lamps())
		}
		alice.send("INVITE", "1002", alice.body)
		res := alice.challenged("INVITE", "1002")
		alice.send("INVITE", "1002", alice.body, alice.answersTo(res, "INVITE", "1002", "1001", "first"))
		alice.response(100)
		invite := bob.request(sip.INVITE)
		bob.answer(invite, 180, "b", "")
		alice.response(180)
		n := watcher.told(200)
		if n.info.lamps() != "1 partial recipient:early" {
			t.Errorf("while it rings: %s", n.info.lamps())
		}
		id := n.info.Dialogs[0].ID
		if strings.Contains(n.body, "1001") || strings.Contains(n.body, invite.CallID().Value()) {
			t.Errorf("a watcher learns too much:\n%s", n.body)
		}
		// Who subscribes during the call sees it whole; the caller's own lamp is lit, too.
		second := w.peer(4)
		second.subscribes("1002", "second", "1001", "dialog")
		if n := second.told(200); n.info.lamps() != "0 full initiator:early" {
			t.Errorf("the caller: %s", n.info.lamps())
		}
		time.Sleep(5 * time.Second)
		bob.answer(invite, 200, "b", bob.body)
		bob.request(sip.ACK)
		alice.response(200)
		alice.send("ACK", "1002", "")
		if n := watcher.told(200); n.info.lamps() != "2 partial recipient:confirmed" || n.info.Dialogs[0].ID != id {
			t.Errorf("in the call: %s", n.info.lamps())
		}
		if n := second.told(200); n.info.lamps() != "1 partial initiator:confirmed" {
			t.Errorf("the caller: %s", n.info.lamps())
		}
		time.Sleep(5 * time.Second)
		alice.hangsUp()
		bob.hungUp()
		if n := watcher.told(200); n.info.lamps() != "3 partial recipient:terminated" || n.info.Dialogs[0].ID != id {
			t.Errorf("after it: %s", n.info.lamps())
		}
		if n := second.told(200); n.info.lamps() != "2 partial initiator:terminated" {
			t.Errorf("the caller: %s", n.info.lamps())
		}
		if n := w.server.Counts(); n.Lamps != 0 {
			t.Errorf("%d lamps are lit", n.Lamps)
		}
	}, guarded)
}

func TestLampOfSlot(t *testing.T) {
	inWorld(t, answering, func(w *world) {
		p := w.peer(1)
		p.subscribes("1001", "first", "701", "dialog")
		p.told(200)
		w.server.NotifyLamp("701", "x", true)
		if n := p.told(200); n.info.lamps() != "1 partial recipient:confirmed" || n.info.Entity != "sip:701@10.0.0.1:5060" {
			t.Errorf("taken: %s", n.info.lamps())
		}
		time.Sleep(time.Second)
		w.server.NotifyLamp("701", "x", false)
		if n := p.told(200); n.info.lamps() != "2 partial recipient:terminated" {
			t.Errorf("free: %s", n.info.lamps())
		}
	}, guarded)
}

// One NOTIFY at a time: what happens before its answer comes is told after it, in order.
func TestNotifyWaitsForTheLast(t *testing.T) {
	inWorld(t, answering, func(w *world) {
		p := w.peer(1)
		p.subscribes("1001", "first", "701", "dialog")
		first := p.request(sip.NOTIFY)
		w.server.NotifyLamp("701", "x", true)
		w.server.NotifyLamp("701", "y", true)
		w.server.NotifyLamp("701", "x", false)
		p.silent(400 * time.Millisecond)
		p.answer(first, 200, "", "")
		if n := p.told(200); n.info.lamps() != "1 partial recipient:terminated recipient:confirmed" {
			t.Errorf("told %s", n.info.lamps())
		}
		for i := range 100 {
			w.server.NotifyLamp("701", fmt.Sprint(i), true)
		}
		n := p.told(200)
		if n.info.State != "full" || len(n.info.Dialogs) != 32 {
			t.Errorf("of a hundred: %s with %d", n.info.State, len(n.info.Dialogs))
		}
		for i := range 100 {
			w.server.NotifyLamp("701", fmt.Sprint(i), false)
		}
		w.server.NotifyLamp("701", "y", false)
		if n := p.told(200); n.info.lamps() != "3 full" {
			t.Errorf("at the end %s", n.info.lamps())
		}
	}, guarded)
}

func TestNotifyThatFails(t *testing.T) {
	inWorld(t, answering, func(w *world) {
		p := w.peer(1)
		for _, code := range []int{481, 500, 401} {
			p.subscribes("1001", "first", "701", "dialog")
			p.told(code)
			synctest.Wait()
			if n := w.server.Counts(); n.Subscriptions != 0 {
				t.Errorf("%d to a NOTIFY leaves it subscribed", code)
			}
		}
		p.subscribes("1001", "first", "701", "dialog")
		time.Sleep(33 * time.Second) // nobody answers: timer F
		synctest.Wait()
		if n := w.server.Counts(); n.Subscriptions != 0 {
			t.Error("silence leaves it subscribed")
		}
		for { // the NOTIFYs that went unheard
			if _, ok := p.within(time.Second); !ok {
				break
			}
		}
		// RFC 6665 §4.2.2: with a Retry-After it stays.
		p.subscribes("1001", "first", "701", "dialog")
		p.told(503, "Retry-After: 20 (busy)")
		start := time.Now()
		w.server.NotifyLamp("701", "x", true)
		if n := p.told(200); n.info.lamps() != "1 full recipient:confirmed" || time.Since(start) != 20*time.Second {
			t.Errorf("after %v %s", time.Since(start), n.info.lamps())
		}
		w.server.NotifyLamp("701", "x", false)
		p.told(200)
	}, guarded)
}

func TestSubscriptionsAreBounded(t *testing.T) {
	inWorld(t, answering, func(w *world) {
		p := w.peer(1)
		p.subscribes("1001", "first", "first", "dialog")
		first := p.callID
		p.told(200)
		for i := range 99 {
			time.Sleep(time.Second)
			p.subscribes("1001", "first", fmt.Sprint(i), "dialog")
			p.told(200)
		}
		time.Sleep(time.Second)
		q := w.peer(2)
		q.subscribes("1001", "first", "one-more", "dialog")
		q.told(200)
		p.callID = first
		if n := p.told(200); n.state != "terminated;reason=rejected" {
			t.Errorf("the oldest is told %+v", n)
		}
		// A phone that starts anew asks for the same again and forgets what it had.
		q.subscribes("1001", "first", "one-more", "dialog")
		q.told(200)
		if n := w.server.Counts(); n.Subscriptions != 100 {
			t.Errorf("%d subscriptions", n.Subscriptions)
		}
		w.server.DropUsers(func(user string) bool { return user == "1001" })
		q.told(200)
		for range 99 {
			p.answer(p.request(sip.NOTIFY), 200, "", "")
		}
		if n := w.server.Counts(); n.Subscriptions != 0 {
			t.Errorf("the user is gone, %d subscriptions are left", n.Subscriptions)
		}
	}, guarded, func(o *Options) { o.Guard.Limits.PerSource.CallsPerSecond = 0 })
}

// TestSubscriptionsAreBoundedInAll: a server that is full refuses who comes next, also another
// user, keeps whom it has, lets them refresh, and has room again when one goes.
func TestSubscriptionsAreBoundedInAll(t *testing.T) {
	inWorld(t, answering, func(w *world) {
		p, q := w.peer(1), w.peer(2)
		for _, lamp := range []string{"701", "702", "703"} {
			p.subscribes("1001", "first", lamp, "dialog")
			p.told(200)
		}
		res := q.subscribes("1002", "second", "701", "dialog")
		if wait := res.GetHeader("Retry-After"); res.StatusCode != 503 || wait == nil || wait.Value() != "60" {
			t.Fatalf("the fourth of three is answered\n%s", res)
		}
		q.silent(time.Second)
		if n := w.server.Counts(); n.Subscriptions != 3 {
			t.Errorf("%d subscriptions", n.Subscriptions)
		}
		p.send("SUBSCRIBE", "", "", "Event: dialog")
		p.response(200)
		if n := p.told(200); !strings.HasPrefix(n.state, "active") {
			t.Errorf("refreshed when full: %+v", n)
		}
		p.send("SUBSCRIBE", "", "", "Event: dialog", "Expires: 0")
		p.response(200)
		p.told(200)
		if res := q.subscribes("1002", "second", "701", "dialog"); res.StatusCode != 200 {
			t.Errorf("one has gone, and the next is answered %d", res.StatusCode)
		}
		q.told(200)
		if n := w.server.Counts(); n.Subscriptions != 3 {
			t.Errorf("%d subscriptions at the end", n.Subscriptions)
		}
	}, guarded, func(o *Options) { o.MaxSubscriptions = 3 })
}

// A subscription follows a phone to another address only with the user's credentials.
func TestSubscriptionThatMoves(t *testing.T) {
	inWorld(t, answering, func(w *world) {
		p := w.peer(1)
		p.subscribes("1001", "first", "701", "dialog")
		p.told(200)
		q := w.peer(2)
		q.callID, q.local, q.remote, q.target, q.cseq = p.callID, p.local, p.remote, p.target, p.cseq
		q.send("SUBSCRIBE", "", "", "Event: dialog")
		res := q.response(401)
		q.send("SUBSCRIBE", "", "", "Event: dialog", q.answersTo(res, "SUBSCRIBE", "", "1002", "second"))
		q.response(403)
		p.silent(time.Second)
		q.send("SUBSCRIBE", "", "", "Event: dialog")
		res = q.response(401)
		q.send("SUBSCRIBE", "", "", "Event: dialog", q.answersTo(res, "SUBSCRIBE", "", "1001", "first"))
		q.response(200)
		q.told(200)
		w.server.NotifyLamp("701", "x", true)
		if n := q.told(200); n.info.lamps() != "2 partial recipient:confirmed" {
			t.Errorf("told %s", n.info.lamps())
		}
		p.silent(time.Second)
		w.server.NotifyLamp("701", "x", false)
		q.told(200)
		q.send("INFO", "", "") // nothing else belongs there
		q.response(481)
	}, guarded)
}

func TestSubscriptionEndsWithItsConnection(t *testing.T) {
	inWorld(t, answering, func(w *world) {
		x := w.wire("tcp", 1)
		request := "SUBSCRIBE sip:701@10.0.0.1 SIP/2.0\r\nVia: SIP/2.0/TCP 10.0.1.1;branch=z9hG4bKs1\r\nFrom: <sip:1001@b.example>;tag=s\r\n" +
			"To: <sip:701@10.0.0.1>\r\nCall-ID: s1\r\nCSeq: 1 SUBSCRIBE\r\nContact: <sip:1001@10.0.1.1>\r\nEvent: dialog\r\nContent-Length: 0\r\n\r\n"
		x.send(request)
		r, _ := x.next(time.Second)
		again := strings.Replace(request, "z9hG4bKs1", "z9hG4bKs2", 1)
		x.send(strings.Replace(again, "Event:", authorization(t, r.text, "SUBSCRIBE", "sip:701@10.0.0.1", "1001", "first")+"Event:", 1))
		if r, _ = x.next(time.Second); r.code != 200 {
			t.Fatalf("got %s", r.text)
		}
		if n := w.server.Counts(); n.Subscriptions != 1 {
			t.Fatalf("%+v", n)
		}
		x.close()
		synctest.Wait()
		if n := w.server.Counts(); n.Subscriptions != 0 {
			t.Errorf("left %+v", n)
		}
	}, guarded)
}

func TestTrustedSourceSubscribes(t *testing.T) {
	inWorld(t, answering, func(w *world) {
		p := w.peer(1)
		p.send("SUBSCRIBE", "1001", "", "Event: message-summary")
		p.remote = p.response(200).To().Value()
		p.told(200)
		p.send("SUBSCRIBE", "1001", "", "o: message-summary", "Expires: 0")
		p.response(200)
		p.told(200)
		// Within a call there is nothing to subscribe to.
		p.fresh().talks("700")
		p.send("SUBSCRIBE", "", "", "Event: dialog")
		p.response(489)
		p.hangsUp()
	}, func(o *Options) { o.ACL = trusting(netip.MustParsePrefix("10.0.0.0/8")) })
}

// At the end the phones are told to come back, not left to wait for an hour.
func TestSubscriptionsEndWithTheServer(t *testing.T) {
	inWorld(t, answering, func(w *world) {
		phones := []*peer{w.peer(1), w.peer(2)}
		for _, p := range phones {
			p.subscribes("1001", "first", "701", "dialog")
			p.told(200)
		}
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		if err := w.server.Close(ctx); err != nil {
			t.Fatal(err)
		}
		var told []string
		for _, p := range phones {
			told = append(told, p.told(200).state)
		}
		if told = slices.Compact(told); len(told) != 1 || told[0] != "terminated;reason=probation;retry-after=10" {
			t.Errorf("told %q", told)
		}
		if res := phones[0].subscribes("1001", "first", "701", "dialog"); res.StatusCode != 503 {
			t.Errorf("afterwards: %d", res.StatusCode)
		}
	}, guarded)
}
