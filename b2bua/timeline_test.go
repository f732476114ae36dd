package b2bua

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"tandem/clock"
	"tandem/store"
)

// sipLines are the messages of a record's timeline, by the leg's number.
func sipLines(t *testing.T, r store.Record) []string {
	t.Helper()
	var out []string
	for _, e := range r.Events {
		if m, ok := store.ParseSIPMessage(e.Text); ok && e.Kind == store.EventSIP {
			line := map[bool]string{true: "sent ", false: "received "}[m.Sent] + m.Title()
			out = append(out, fmt.Sprintf("%d %s", e.Leg, line))
		}
	}
	return out
}

func bridging(target string) handlerFunc {
	return func(ctx context.Context, c *Call) error {
		_, err := c.BridgeTo(ctx, []string{target}, DialOptions{})
		return err
	}
}

// TestEveryMessageIsInTheTimeline: both legs' messages, in the order of the wire.
func TestEveryMessageIsInTheTimeline(t *testing.T) {
	inWorld(t, bridging("sip:bob@10.0.1.2:5060"), func(w *world) {
		a, b := w.peer(1), w.peer(2)
		a.calls("700")
		invite := b.request("INVITE")
		b.request("INVITE") // after half a second in which he says nothing
		time.Sleep(500 * time.Millisecond)
		b.answer(invite, 180, "b", "")
		a.response(180)
		b.answer(invite, 200, "b", b.body)
		b.request("ACK")
		a.response(200)
		a.send("ACK", "700", "")
		time.Sleep(time.Second)
		a.send("BYE", "", "", "Reason: Q.850;cause=16")
		a.response(200)
		b.hungUp()
		r := w.last()
		want := []string{"1 received INVITE (SDP)", "1 sent 100 Trying", "2 sent INVITE (SDP)", "2 received 180 Ringing", "1 sent 180 Ringing",
			"2 received 200 OK (SDP)", "2 sent ACK", "1 sent 200 OK (SDP)", "1 received ACK", "1 received BYE", "1 sent 200 OK (BYE)", "2 sent BYE", "2 received 200 OK (BYE)"}
		got := sipLines(t, r)
		if n := slices.Index(got, "2 sent INVITE again"); n < 0 {
			t.Errorf("no repetition in %q", got)
		} else {
			got = slices.Delete(got, n, n+1)
		}
		if !slices.Equal(got, want) {
			t.Errorf("the timeline has\n%q, want\n%q", got, want)
		}
		if r.Legs[1].Retransmissions != 1 || r.Legs[0].Retransmissions != 0 || r.Legs[1].Flags != store.FlagRetransmits || r.Call.Flags != store.JoinFlags(store.FlagSilent, store.FlagRetransmits) {
			t.Errorf("legs %+v, flags %s", r.Legs, r.Call.Flags)
		}
		first, _ := store.ParseSIPMessage(r.Events[0].Text)
		if first.Peer != "udp:10.0.1.1:5060" || first.SDP != "10.0.1.1:4000" || first.URI != "sip:700@10.0.0.1:5060" || first.CSeq != 1 || first.Full != "" {
			t.Errorf("the INVITE: %+v", first)
		}
		bye := r.Events[slices.IndexFunc(r.Events, func(e store.Event) bool { return strings.HasPrefix(e.Text, "received BYE") })]
		if m, _ := store.ParseSIPMessage(bye.Text); m.Why != "Q.850;cause=16" || bye.AtMS-r.Call.StartMS != 2000 {
			t.Errorf("the BYE: %+v at %d", m, bye.AtMS-r.Call.StartMS)
		}
	})
}

// TestAnOpenRecordIsUpToDate: what a crash would leave of a call that rings, and of one that talks.
func TestAnOpenRecordIsUpToDate(t *testing.T) {
	inWorld(t, bridging("sip:bob@10.0.1.2:5060"), func(w *world) {
		a, b := w.peer(1), w.peer(2)
		a.calls("700")
		open := func() (r store.Call) {
			synctest.Wait()
			w.records.mu.Lock()
			defer w.records.mu.Unlock()
			for _, c := range w.records.open {
				r = *c
			}
			return r
		}
		if r := open(); r.State != store.StateOpen || r.RingMS != 0 || r.AnswerMS != 0 {
			t.Errorf("before it rings: %+v", r)
		}
		invite := b.request("INVITE")
		time.Sleep(100 * time.Millisecond)
		b.answer(invite, 180, "b", "")
		a.response(180)
		if r := open(); r.RingMS != r.StartMS+100 || r.AnswerMS != 0 {
			t.Errorf("ringing: %+v", r)
		}
		time.Sleep(time.Second)
		b.answer(invite, 200, "b", b.body)
		b.request("ACK")
		a.response(200)
		a.send("ACK", "700", "")
		if r := open(); r.AnswerMS != r.StartMS+1100 || r.State != store.StateOpen {
			t.Errorf("answered: %+v", r)
		}
		a.hangsUp()
		b.hungUp()
		w.last()
	})
}

// TestARecordWaitsForTheLastWords: for a far end that says nothing more a tenth of a second, in
// which the call has left the list, and a server that ends waits as long.
func TestARecordWaitsForTheLastWords(t *testing.T) {
	inWorld(t, answering, func(w *world) {
		a := w.peer(1)
		a.talks("700")
		end := time.Now()
		closed := make(chan error, 1)
		go func() { closed <- w.server.Close(w.t.Context()) }()
		a.request("BYE")
		synctest.Wait()
		w.records.mu.Lock()
		n := len(w.records.finished)
		w.records.mu.Unlock()
		if calls := w.server.Counts().Calls; n != 0 || calls != 0 {
			t.Errorf("%d records, %d calls", n, calls)
		}
		if err := <-closed; err != nil || time.Since(end) != lastWords {
			t.Errorf("closed after %v: %v", time.Since(end), err)
		}
		if r := w.last(); r.Call.DurationMS != 0 || r.Call.EndMS != end.UnixMilli() || !slices.Contains(sipLines(t, r), "1 sent BYE") {
			t.Errorf("the record: %+v", r)
		}
	})
}

// TestRepetitionsAreCounted: of both directions, on the leg that they happen on.
func TestRepetitionsAreCounted(t *testing.T) {
	inWorld(t, answering, func(w *world) {
		a := w.peer(1)
		a.calls("700")
		a.response(200)
		a.send("ACK", "700", "")
		a.cseq = 0
		a.local, a.remote, a.target = "", "", ""
		a.send("INVITE", "700", a.body) // the same once more
		time.Sleep(time.Second)
		b := w.peer(2)
		b.calls("700")
		b.response(200)
		time.Sleep(1200 * time.Millisecond)
		b.response(200) // at 0.5 s
		b.send("ACK", "700", "")
		b.hangsUp()
		r := w.last()
		if n := r.Legs[0].Retransmissions; n != 1 {
			t.Errorf("%d repetitions of the 200: %q", n, sipLines(t, r))
		}
	})
}

// TestTraceKeepsMessages: whole, without what is secret.
func TestTraceKeepsMessages(t *testing.T) {
	inWorld(t, func(ctx context.Context, c *Call) error {
		c.SetSecret(true)
		_ = c.Answer(ctx, nil)
		return c.Leg().Sleep(ctx, time.Minute)
	}, func(w *world) {
		a := w.peer(1)
		a.body += "a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:c2VjcmV0\r\n"
		a.send("INVITE", "700", a.body, `Proxy-Authorization: Digest realm="elsewhere", username="alice", response="0123"`, "Subject: hello, world")
		a.response(100)
		a.response(200)
		a.send("ACK", "700", "")
		a.send("INFO", "", "Signal=7\r\nDuration=160\r\n", "Content-Type: application/dtmf-relay")
		a.response(200)
		a.hangsUp()
		r := w.last()
		m, ok := store.ParseSIPMessage(r.Events[0].Text)
		if !ok || !strings.HasPrefix(m.Full, "INVITE sip:700@10.0.0.1:5060 SIP/2.0\n") || !strings.Contains(m.Full, "\nSubject: hello, world\n") ||
			!strings.Contains(m.Full, "\nm=audio 4000") || !strings.Contains(m.Full, "Proxy-Authorization: …\n") {
			t.Errorf("the INVITE is kept as\n%s", r.Events[0].Text)
		}
		for _, e := range r.Events {
			for _, secret := range []string{"0123", "c2VjcmV0", "Signal=7"} {
				if strings.Contains(e.Text, secret) {
					t.Errorf("%q stands in\n%s", secret, e.Text)
				}
			}
			if e.Kind == store.EventDTMF && e.Text != "a digit of a secret by INFO" {
				t.Errorf("the key: %q", e.Text)
			}
		}
	}, func(o *Options) { o.Trace = true })
}

// TestSecretsOfCallsToOurselves: what a call to ourselves asks for in confidence passes through
// the call that led there, and is kept out of both records; what comes before and after is told.
func TestSecretsOfCallsToOurselves(t *testing.T) {
	h := func(ctx context.Context, c *Call) error {
		if c.Number() != "700" {
			return bridging("route:700")(ctx, c)
		}
		_ = c.Answer(ctx, nil)
		for _, secret := range []string{"", "gather", "", "call", ""} {
			c.SetSecret(secret == "call")
			if _, err := c.Leg().Gather(ctx, GatherOptions{Timeout: time.Minute, Secret: secret == "gather"}); err != nil {
				return err
			}
		}
		c.SetSecret(true)
		return c.Leg().Sleep(ctx, time.Minute)
	}
	inWorld(t, h, func(w *world) {
		a := w.peer(1)
		a.talks("200")
		for _, d := range "123456" {
			time.Sleep(2 * time.Second)
			a.send("INFO", "", fmt.Sprintf("Signal=%c\r\nDuration=160\r\n", d), "Content-Type: application/dtmf-relay")
			a.response(200)
		}
		time.Sleep(2 * time.Second)
		a.hangsUp()
		for _, r := range w.all(2) {
			keys := ""
			for _, e := range r.Events {
				if e.Kind == store.EventDTMF {
					keys += e.Text[:1]
				}
			}
			if keys != "1a3a5a" { // "a digit of a secret"
				t.Errorf("the record of %s tells the keys %s", r.Call.ToUser, keys)
			}
		}
	})
}

// TestTimelineIsBounded: the beginning and the end stay, and what is left out is counted.
func TestTimelineIsBounded(t *testing.T) {
	t.Parallel()
	c := &Call{id: "x", started: time.Now()}
	tl := newTimeline(c, clock.System())
	for i := range 5000 {
		tl.add(0, store.EventScript, fmt.Sprint("line ", i), longestLine)
	}
	lines := tl.take()
	if len(lines) != timelineFirst+1+timelineLast || lines[timelineFirst].Text != "3900 lines are left out here" ||
		lines[timelineFirst+1].Text != "line 4900" || lines[len(lines)-1].Text != "line 4999" {
		t.Errorf("%d lines, then %q, %q, … %q", len(lines), lines[timelineFirst].Text, lines[timelineFirst+1].Text, lines[len(lines)-1].Text)
	}
	tl.add(0, store.EventScript, "late", longestLine)
	if len(tl.take()) != 0 {
		t.Error("a line after the record")
	}
	tl = newTimeline(c, clock.System())
	for range 300 {
		tl.add(1, store.EventSIP, strings.Repeat("é", 5000), longestTraced)
	}
	size := 0
	lines = tl.take()
	for _, e := range lines {
		size += len(e.Text)
	}
	if size > 250<<10 || !strings.HasSuffix(lines[len(lines)-1].Text, "é…") {
		t.Errorf("%d bytes in %d lines", size, len(lines))
	}
}

func TestWantedAudio(t *testing.T) {
	t.Parallel()
	for body, want := range map[string]string{
		"": "",
		"v=0\r\nc=IN IP4 192.0.2.1\r\nm=audio 4000 RTP/AVP 0\r\n":                                       "192.0.2.1:4000",
		"v=0\r\nm=audio 4000 RTP/AVP 0\r\nc=IN IP6 2001:db8::1\r\na=sendonly\r\n":                       "[2001:db8::1]:4000 sendonly",
		"v=0\r\nc=IN IP4 192.0.2.1\r\nm=audio 4000 x 0\r\nm=video 5000 x 9\r\na=inactive\r\n":           "192.0.2.1:4000",
		"v=0\r\nc=IN IP4 192.0.2.1\r\n":                                                                 "",
		"v=0\r\nc=IN IP4 a,b\r\nm=audio 4,0 x\r\n":                                                      "",
		"--b\r\nContent-Type: application/sdp\r\n\r\nv=0\r\nc=IN IP4 192.0.2.1\r\nm=audio 1 x 0\r\n--b": "192.0.2.1:1",
	} {
		if got := wantedAudio([]byte(body)); got != want {
			t.Errorf("%q: %q, want %q", body, got, want)
		}
	}
}
