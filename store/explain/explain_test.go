package explain

import (
	"fmt"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"tandem/store"
)

// talk is a record of a call between 1001 and a phone behind a NAT, with what change does to it.
func talk(change func(r *store.Record)) store.Record {
	const at = 1_750_000_000_000
	r := store.Record{
		Call: store.Call{ID: "x", FromUser: "1001", ToUser: "1002", Source: "udp:198.51.100.1:5060", StartMS: at, RingMS: at + 300, AnswerMS: at + 2000, EndMS: at + 12_000,
			DurationMS: 12_000, BillableMS: 10_000, PDDMS: 300, State: store.StateAnswered, SIPCode: 200, ReleasedBy: store.ByCallee},
		Legs: []store.Leg{
			{Seq: 1, Role: store.RoleA, Remote: "198.51.100.1:5060", InviteMS: at, AnswerMS: at + 2000, EndMS: at + 12_000, RxPackets: 500, TxPackets: 500, Codec: "PCMU", MOS: 4.3},
			{Seq: 2, Role: store.RoleB, Target: "user:1002", Remote: "203.0.113.9:5062", InviteMS: at + 100, First18xMS: at + 300, AnswerMS: at + 2000, EndMS: at + 12_000, RxPackets: 500, TxPackets: 500, Codec: "PCMU", MOS: 4.3},
		},
	}
	sip := func(ms, leg int64, m store.SIPMessage) {
		r.Events = append(r.Events, store.Event{AtMS: at + ms, Leg: leg, Kind: store.EventSIP, Text: m.String()})
	}
	sip(0, 1, store.SIPMessage{Method: "INVITE", URI: "sip:1002@x", CSeq: 1, SDP: "198.51.100.1:4000"})
	sip(100, 2, store.SIPMessage{Sent: true, Method: "INVITE", URI: "sip:1002@y", CSeq: 1, SDP: "192.0.2.1:10000"})
	sip(2000, 2, store.SIPMessage{Method: "INVITE", Code: 200, Phrase: "OK", CSeq: 1, SDP: "192.168.1.7:4000"})
	change(&r)
	return r
}

// flagged sets a flag of the call.
func flagged(r *store.Record, flag string) { r.Call.Flags = flag }

func note(r *store.Record, leg int64, kind, text string) {
	r.Events = append(r.Events, store.Event{AtMS: r.Call.StartMS + 50, Leg: leg, Kind: kind, Text: text})
}

// TestEveryFlagIsExplained: each flag has words that name the evidence and what to check.
func TestEveryFlagIsExplained(t *testing.T) {
	t.Parallel()
	cases := map[string]struct {
		change func(r *store.Record)
		want   []string
	}{
		store.FlagSilent: {func(r *store.Record) { r.Legs[0].RxPackets, r.Legs[1].RxPackets = 0, 0 },
			[]string{"no audio packet came from either side", "user:1002 promised to be at 192.168.1.7:4000, a private address; its SIP went by 203.0.113.9:5062"}},
		store.FlagOneWay: {func(r *store.Record) {
			r.Legs[1].RxPackets = 0
			note(r, 1, store.EventMedia, "first RTP from 198.51.100.1:4000")
			note(r, 2, store.EventMedia, "nothing was heard from it: it promised 192.168.1.7:4000, a private address, and 900 packets from others, such as 203.0.113.66:6000, were not taken for its")
		}, []string{"500 packets went to user:1002 and none came back", "192.168.1.7:4000, a private address", "900 packets from others, such as 203.0.113.66:6000", "From the caller 500 packets came, from 198.51.100.1:4000"}},
		store.FlagNoAck: {func(r *store.Record) {
			for range 3 {
				note(r, 1, store.EventSIP, store.SIPMessage{Sent: true, Method: "INVITE", Code: 200, Phrase: "OK", CSeq: 1, Again: true}.String())
			}
		}, []string{"the 200 was sent 3 times", "[sip] advertise"}},
		store.FlagSlowSetup: {func(r *store.Record) {
			r.Call.PDDMS, r.Legs[1].InviteMS = 6000, r.Call.StartMS+5000
			note(r, 0, store.EventHTTP, "GET https://crm 200 OK after 4.8s")
		}, []string{"waited 6 s", "The script took 5 s of it before it dialled (GET https://crm 200 OK after 4.8s), the far end 1 s"}},
		store.FlagMediaTimeout: {func(r *store.Record) { note(r, 0, store.EventMedia, "no RTP from any side for 1m0s") }, []string{"any more for 1m0s, so Tandem ended the call"}},
		store.FlagTranscoded:   {func(r *store.Record) { r.Legs[1].Codec = "opus" }, []string{"the caller PCMU, user:1002 opus"}},
		store.FlagRetransmits: {func(r *store.Record) {
			r.Legs[1].Retransmissions = 2
			for range 2 {
				note(r, 2, store.EventSIP, store.SIPMessage{Sent: true, Method: "INVITE", URI: "sip:y", CSeq: 1, Again: true}.String())
			}
		}, []string{"2 messages were sent more than once. 2 × we sent INVITE to user:1002 again."}},
		store.FlagScriptError: {func(r *store.Record) {
			r.Call.ScriptError = "main.lua:3: boom\nstack traceback:\n\tmain.lua:3: in main"
		}, []string{"main.lua:3: boom\nstack traceback:\n  main.lua:3: in main"}},
	}
	for _, flag := range store.Flags() {
		c, ok := cases[flag]
		if !ok {
			t.Errorf("%s is not tried", flag)
			continue
		}
		r := Explain(talk(func(r *store.Record) { flagged(r, flag); c.change(r) }), time.UTC)
		if len(r.Findings) == 0 || r.Findings[0].Flag != flag || r.Findings[0].Check == "" {
			t.Errorf("%s: %+v", flag, r.Findings)
			continue
		}
		for _, want := range c.want {
			if x := r.Findings[0]; !strings.Contains(x.Text+" "+x.Check, want) {
				t.Errorf("%s is explained as %q, without %q", flag, x.Text, want)
			}
		}
	}
}

// TestWhatHasNoFlag: a NAT that media got through, a failover, a leg that was heard badly.
func TestWhatHasNoFlag(t *testing.T) {
	t.Parallel()
	r := Explain(talk(func(r *store.Record) {
		note(r, 2, store.EventMedia, "first RTP from 203.0.113.9:61000")
		note(r, 2, store.EventSIP, "503 Service Unavailable: the next host of carrier is tried")
		note(r, 1, store.EventMedia, "heard badly: MOS 2.8, 6.0% lost, jitter 41 ms")
	}), time.UTC)
	var all string
	for _, x := range r.Findings {
		all += x.Text + "\n"
	}
	for _, want := range []string{"There is a NAT before user:1002: its SDP says 192.168.1.7:4000, its packets come from 203.0.113.9:61000",
		"Failover: 503 Service Unavailable: the next host of carrier is tried", "from the caller was heard badly: MOS 2.8"} {
		if !strings.Contains(all, want) {
			t.Errorf("%q is missing in\n%s", want, all)
		}
	}
	if got := strings.Join(r.Story, "\n"); !strings.Contains(got, "user:1002 (203.0.113.9:5062) was called after 100 ms, rang after 200 ms, and answered after 1.9 s.") ||
		!strings.HasSuffix(got, "The callee hung up.") {
		t.Errorf("the story:\n%s", got)
	}
}

// TestStates: each state of a record has its sentence.
func TestStates(t *testing.T) {
	t.Parallel()
	for state, want := range map[string]string{
		store.StateAnswered: "lasted 10 s", store.StateBusy: "busy (486)", store.StateNoAnswer: "Nobody answered", store.StateCancelled: "gave up after 12 s, while it rang",
		store.StateFailed: "It failed after 12 s with 486", store.StateOpen: "in progress", store.StateLost: "The server died",
	} {
		r := Explain(talk(func(r *store.Record) { r.Call.State, r.Call.SIPCode = state, 486 }), time.UTC)
		if got := strings.Join(r.Story, "\n"); !strings.Contains(got, want) {
			t.Errorf("%s is told as\n%s", state, got)
		}
	}
}

// FuzzWrite: whatever strangers wrote, in a terminal of any width, moves no cursor, and no line
// of the ladder is wider than the terminal.
func FuzzWrite(f *testing.F) {
	f.Add("bob", "received INVITE sip:x, CSeq 1 INVITE", 80, 3)
	f.Add("\x1b[31mbob\r\n", "sent 200 OK\x1b, CSeq 1 INVITE, SDP x", 20, 40)
	f.Add("é", "", 0, 0)
	f.Fuzz(func(t *testing.T, name, text string, width, legs int) {
		width, legs = max(0, width%300), max(0, legs%50)
		if !utf8.ValidString(name) || !utf8.ValidString(text) {
			return // a store keeps none
		}
		r := talk(func(r *store.Record) {
			r.Call.FromUser, r.Call.FromDisplay, r.Call.ScriptError, r.Call.Flags = name, text, text, store.FlagScriptError
			for i := range legs {
				r.Legs = append(r.Legs, store.Leg{Seq: int64(3 + i), Role: store.RoleB, Target: name, Reason: text})
				note(r, int64(3+i), store.EventSIP, fmt.Sprintf("received %d %s, CSeq 1 INVITE", 180+i, name))
			}
			note(r, 1, store.EventSIP, text)
			note(r, 2, store.EventScript, text)
		})
		var out strings.Builder
		if err := Write(&out, r, Options{Width: width}); err != nil {
			t.Fatal(err)
		}
		if strings.ContainsFunc(out.String(), func(r rune) bool { return r < ' ' && r != '\n' || r == 0x7f }) {
			t.Errorf("%q", out.String())
		}
		for line := range strings.Lines(out.String()) {
			if n := utf8.RuneCountInString(strings.TrimRight(line, "\n")); strings.Contains(line, "|-") && n > max(width, 100) {
				t.Errorf("%d wide: %s", n, line)
			}
		}
	})
}
