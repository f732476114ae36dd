package b2bua

import (
	"bytes"
	"context"
	"errors"
	"net/netip"
	"testing"
	"time"

	"github.com/emiago/sipgo/sip"

	"tandem/b2bua/phone"
	"tandem/b2bua/transport"
	"tandem/media"
)

// recordedCalls are the calls that docs/cdr.md names.
func recordedCalls(t *testing.T) []recordedCall {
	bob := bridgedBy(DialOptions{}, bobsURI)
	return []recordedCall{
		{
			name: "answered", serve: bridgedBy(DialOptions{}, "sip:bob@10.0.2.2:5060"), phones: goodTalk,
			change: []func(*Options){func(o *Options) { o.ACL, o.Directory = aclOf("10.9.9.9/32"), users{"1001"} }},
			call: row{"id": `[a-z2-7]{20}`, "linked_id": `[a-z2-7]{20}`, "node": "here", "direction": "internal", "from_user": "1001", "from_host": `10\.0\.0\.1`,
				"from_display": "Phone of 1001", "to_user": "700", "to_host": `10\.0\.0\.1`, "source": `udp:10\.0\.2\.1:5060`, "auth_user": "1001", "trunk": "",
				"script": `main\.lua`, "generation": "7", "script_error": "", "start_ms": "946684800000", "ring_ms": "+100", "answer_ms": "+2200",
				"end_ms": "+12220", "duration_ms": "12220", "billable_ms": "10020", "pdd_ms": "100", "state": "answered", "sip_code": "200",
				"q850_cause": "16", "released_by": "caller", "flags": "", "recording": "", "vars": ""},
			legs: []row{{"call_id": `[a-z2-7]{20}`, "seq": "1", "role": "a", "sip_call_id": `\w{26}`, "target": "", "trunk": "", "remote": `10\.0\.2\.1:5060`,
				"user_agent": "tandem-phone", "codec": "PCMU", "media_mode": "relay", "srtp": "off", "invite_ms": "+0", "first_18x_ms": "+100", "answer_ms": "+2200",
				"end_ms": "+12220", "sip_code": "200", "reason": "OK", "rx_packets": "4[67].", "tx_packets": "50.", "lost": "2[3-6]", "out_of_order": "2[3-6]",
				"jitter_ms": `[1-9]\d*(\.\d+)?`, "mos": `3\.\d+`, "first_rtp_ms": "+2200", "dtmf_mode": "rfc4733", "retransmissions": "0", "flags": ""},
				{"seq": "2", "role": "b", "target": `sip:bob@10\.0\.2\.2:5060`, "remote": `10\.0\.2\.2:5060`, "invite_ms": "+0", "first_18x_ms": "+100",
					"answer_ms": "+2200", "rx_packets": "50.", "tx_packets": "4[67].", "lost": "0", "mos": `4\.4`, "rtt_ms": `|0\.0\d+`}},
		},
		{
			name: "busy", serve: bob, phones: func(w *world) { refusedBy(w, 486) },
			call: row{"state": "busy", "sip_code": "486", "q850_cause": "17", "released_by": "callee", "ring_ms": "", "answer_ms": "", "pdd_ms": "", "end_ms": "+100", "billable_ms": "0"},
			legs: []row{{"sip_code": "486", "answer_ms": "", "codec": ""}, {"sip_code": "486", "reason": "Busy Here", "end_ms": "+100"}},
		},
		{
			name: "no answer", serve: bridgedBy(DialOptions{Timeout: 20 * time.Second}, bobsURI), phones: nobodyAnswers,
			call: row{"state": "noanswer", "sip_code": "480", "q850_cause": "19", "released_by": "system", "ring_ms": "+300", "pdd_ms": "300", "end_ms": "+20000", "duration_ms": "20000", "billable_ms": "0"},
			legs: []row{{"sip_code": "480", "reason": "no answer", "first_18x_ms": "+300"}, {"sip_code": "487", "first_18x_ms": "+300", "end_ms": "+20000"}},
		},
		{
			name: "cancelled", serve: bob, phones: callerGivesUp,
			call: row{"state": "cancelled", "sip_code": "487", "q850_cause": "16", "released_by": "caller", "end_ms": "+3000", "pdd_ms": "1"},
			legs: []row{{"sip_code": "487", "reason": "Request Terminated"}, {"sip_code": "487", "end_ms": "+3000"}},
		},
		{
			name: "failed", serve: bob, phones: func(w *world) { refusedBy(w, 503, "Reason: Q.850;cause=34") },
			call: row{"state": "failed", "sip_code": "503", "q850_cause": "34", "released_by": "callee"},
			legs: []row{{"sip_code": "503"}, {"sip_code": "503", "reason": "Service Unavailable"}},
		},
		{
			name: "nobody registered", serve: bridgedBy(DialOptions{}, "user:1009"), phones: nobodyRegistered,
			call: row{"state": "failed", "sip_code": "480", "q850_cause": "18", "released_by": "system", "billable_ms": "0"},
			legs: []row{{"sip_code": "480", "reason": "not registered"}},
		},
		{
			name: "rejected by the script", serve: rejecting, phones: func(w *world) {
				a := w.peer(1)
				a.local, a.remote = `"Alice ✆" <sip:alice@home.example>;tag=1`, "<sip:700@10.0.0.1>"
				a.calls("700")
				a.response(603)
				a.refused()
			},
			call: row{"state": "failed", "sip_code": "603", "q850_cause": "21", "released_by": "script", "from_display": "Alice ✆", "from_host": `home\.example`, "from_user": "alice", "auth_user": "", "duration_ms": "0"},
			legs: []row{{"sip_code": "603", "reason": "Decline", "media_mode": "", "dtmf_mode": ""}},
		},
		{
			name: "script error", serve: failing, phones: func(w *world) {
				a := w.peer(1)
				a.calls("700")
				a.response(500)
				a.refused()
			},
			call: row{"state": "failed", "sip_code": "500", "q850_cause": "41", "released_by": "script", "flags": "script_error", "script": `main\.lua`, "generation": "7", "script_error": `main\.lua:3: attempt to index a nil value\nstack traceback:\n\tmain\.lua:3: in function 'on_call'`},
			legs: []row{{"sip_code": "500"}},
		},
		{
			name: "blind transfer", serve: (&toPeer{}).ServeCall, phones: blindly,
			call: row{"state": "answered", "released_by": "callee", "billable_ms": "15000", "end_ms": "+15000", "linked_id": `[a-z2-7]{20}`},
			legs: []row{{"role": "a", "end_ms": "+15000"}, {"role": "b", "end_ms": "+5000", "reason": "OK"}, {"seq": "3", "role": "b", "target": `sip:carol@10\.0\.1\.3`, "invite_ms": "+5000", "end_ms": "+15000"}},
		},
		{
			name: "attended transfer", serve: (&toPeer{}).ServeCall, phones: attended, of: 2,
			call: row{"state": "answered", "linked_id": `[a-z2-7]{20}`, "released_by": "caller", "billable_ms": "1000"},
			legs: []row{{"end_ms": "+1000", "reason": "OK"}, {"reason": "moved", "end_ms": "+1000"}},
		},
		{
			name: "hunt with three legs", serve: bridgedBy(DialOptions{Serial: true, Timeout: 10 * time.Second}, bobsURI, "sip:carol@10.0.1.3", "sip:dave@10.0.1.4"), phones: hunted,
			call: row{"state": "answered", "ring_ms": "+0", "answer_ms": "+10000", "billable_ms": "5000", "q850_cause": "16", "released_by": "callee", "flags": "silent"},
			legs: []row{{"role": "a", "rx_packets": "0"}, {"seq": "2", "sip_code": "486", "end_ms": "+0"}, {"seq": "3", "sip_code": "487", "end_ms": "+10000"}, {"seq": "4", "sip_code": "200", "invite_ms": "+10000", "first_18x_ms": "", "answer_ms": "+10000"}},
		},
		{
			name: "caller gone in the IVR", serve: asking3, phones: leavesTheMenu,
			call: row{"state": "answered", "released_by": "caller", "recording": `menu\.wav`, "vars": `\{"language":"en"\}`, "billable_ms": "5000", "flags": "silent"},
			legs: []row{{"dtmf_mode": "info", "tx_packets": "25.", "flags": "one_way", "target": ""}},
		},
		{
			name: "media time-out", serve: answering, phones: func(w *world) { a := w.peer(1); a.talks("700"); a.hungUp() },
			change: []func(*Options){func(o *Options) { o.MediaTimeout = 20 * time.Second }},
			call:   row{"state": "answered", "released_by": "system", "flags": "silent,media_timeout", "end_ms": "+20000", "q850_cause": "16"},
			legs:   []row{{"rx_packets": "0", "first_rtp_ms": "", "mos": ""}},
		},
		{
			name: "no ACK", serve: answering, phones: neverAcknowledged,
			call: row{"state": "answered", "released_by": "system", "flags": "silent,no_ack,retransmits", "q850_cause": "102", "end_ms": "+32000"},
			legs: []row{{"retransmissions": "10", "flags": "one_way,retransmits"}},
		},
		{
			name: "from a trunk", serve: rejecting, phones: fromTrunk, change: []func(*Options){withTrunks(carrier(t, 2))},
			call: row{"direction": "inbound", "trunk": "carrier", "from_user": `+33123456789`, "to_user": `+4420`, "auth_user": ""},
			legs: []row{{"trunk": "carrier", "user_agent": `Carrier 1\.0`, "sip_call_id": "call-2-.*"}},
		},
		{
			name: "to a trunk with failover", serve: toTrunk(DialOptions{}), phones: toSecondHost, change: []func(*Options){withTrunks(carrier(t, 2, 3))},
			call: row{"direction": "outbound", "trunk": "carrier", "to_user": `+4420`, "state": "answered", "released_by": "callee"},
			legs: []row{{"trunk": ""}, {"trunk": "carrier", "target": `trunk:carrier/+4420`, "sip_code": "503", "remote": `10\.0\.1\.2:5060`, "user_agent": "pbx/2"}, {"trunk": "carrier", "sip_code": "200", "remote": `10\.0\.1\.3:5060`}},
		},
		{
			name: "one-way audio", serve: bob, phones: oneTalks,
			call: row{"flags": "one_way", "state": "answered"},
			legs: []row{{"rx_packets": "25.", "flags": ""}, {"rx_packets": "0", "tx_packets": "25.", "flags": "one_way", "first_rtp_ms": ""}},
		},
		{
			name: "slow setup", serve: slowly, phones: func(w *world) { rightAway(w, 0) },
			call: row{"flags": "slow_setup", "pdd_ms": "6000", "ring_ms": "+6000"},
			legs: []row{{"invite_ms": "+0", "first_18x_ms": "+6000"}, {"invite_ms": "+6000"}},
		},
		{
			name: "lost packets", serve: bob, phones: func(w *world) { rightAway(w, 1) },
			call: row{"flags": "retransmits", "pdd_ms": "500"},
			legs: []row{{"retransmissions": "0"}, {"retransmissions": "1", "flags": "retransmits"}},
		},
		{
			name: "direct media", serve: bobDirectly, phones: func(w *world) { rightAway(w, 0) },
			call: row{"flags": "", "state": "answered"},
			legs: []row{{"media_mode": "direct", "codec": "", "dtmf_mode": ""}, {"media_mode": "direct"}},
		},
		{
			name: "transcoded", serve: bridgedBy(DialOptions{}, "sip:bob@10.0.2.2:5060"), phones: otherCodecs, change: []func(*Options){manyCodecs},
			call: row{"flags": "transcoded"},
			legs: []row{{"codec": "PCMU"}, {"codec": "opus"}},
		},
	}
}

func rejecting(ctx context.Context, c *Call) error { return c.Reject(ctx, 603, "", nil) }

func failing(ctx context.Context, c *Call) error {
	c.SetScript("main.lua", 7)
	c.ScriptError("main.lua:3: attempt to index a nil value", "stack traceback:\n\tmain.lua:3: in function 'on_call'")
	return errors.New("the script failed")
}

// slowly asks somewhere for six seconds before it dials.
func slowly(ctx context.Context, c *Call) error {
	_ = c.Leg().Sleep(ctx, 6*time.Second)
	c.Note("http", "GET https://crm.example 200 OK after 6s")
	_, err := c.BridgeTo(ctx, []string{bobsURI}, DialOptions{})
	return err
}

// asking3 is a menu that is recorded.
func asking3(ctx context.Context, c *Call) error {
	c.SetVars(map[string]any{"language": "en"})
	if err := c.Answer(ctx, nil); err != nil {
		return err
	}
	if err := c.Leg().StartRecording(ctx, TapeOptions{File: "menu.wav"}); err != nil {
		return err
	}
	prompt, err := media.ParseTone("tone:425/2000")
	if err != nil {
		return err
	}
	_, err = c.Leg().Gather(ctx, GatherOptions{Prompt: []media.Source{prompt}, Max: 4, Timeout: time.Minute})
	return err
}

// tones lets a phone make a sound for as long.
func tones(w *world, c *phone.Call, spec string) {
	tone, err := media.ParseTone(spec)
	if err == nil {
		err = c.Play(w.t.Context(), tone)
	}
	if err != nil {
		w.t.Error(err)
	}
}

// goodTalk is a call of ten seconds between two phones. Of what the caller says each twentieth
// packet is lost, some change places and some are late.
func goodTalk(w *world) {
	alice, bob := w.phoneWith("1001", 1, ""), w.phoneWith("bob", 2, "")
	n := 0
	var kept [][]byte
	w.air.Disturb(func(from, to netip.AddrPort, b []byte) [][]byte {
		if from.Addr() != netip.MustParseAddr("10.0.2.1") || len(b) < 100 {
			return [][]byte{b}
		}
		switch n++; {
		case n%20 == 0:
			return nil
		case n%20 == 10:
			kept = [][]byte{bytes.Clone(b)}
			return nil
		case n%20 == 11:
			return append([][]byte{b}, kept...)
		case n%20 == 15:
			kept = [][]byte{bytes.Clone(b)}
			return nil
		case n%20 == 16:
			return append(kept, b)
		}
		return [][]byte{b}
	})
	ctx := w.t.Context()
	go func() {
		c, err := bob.Accept(ctx)
		if err == nil {
			time.Sleep(100 * time.Millisecond)
			_ = c.Ring()
			time.Sleep(2100 * time.Millisecond)
			err = c.Answer()
		}
		if err != nil {
			w.t.Error(err)
			return
		}
		tones(w, c, "tone:425/10000")
	}()
	a, err := alice.Dial(ctx, "sip:700@10.0.0.1:5060", phone.DialOptions{})
	if err != nil {
		w.t.Error(err)
		return
	}
	tones(w, a, "tone:880/10000")
	if err := a.Hangup(ctx); err != nil {
		w.t.Error(err)
	}
}

// otherCodecs: the caller knows only PCMU, the callee only opus.
func otherCodecs(w *world) {
	ctx := w.t.Context()
	alice, bob := w.phoneWith("1001", 1, "pcmu"), w.phoneWith("bob", 2, "opus")
	go func() {
		c, err := bob.Accept(ctx)
		if err == nil {
			err = c.Answer()
		}
		if err != nil {
			w.t.Error(err)
			return
		}
		tones(w, c, "tone:425/3000")
	}()
	a, err := alice.Dial(ctx, "sip:700@10.0.0.1:5060", phone.DialOptions{})
	if err != nil {
		w.t.Error(err)
		return
	}
	tones(w, a, "tone:880/3000")
	if err := a.Hangup(ctx); err != nil {
		w.t.Error(err)
	}
}

func refusedBy(w *world, code int, headers ...string) {
	a, b := w.peer(1), w.peer(2)
	a.calls("700")
	invite := b.request(sip.INVITE)
	time.Sleep(100 * time.Millisecond)
	b.answer(invite, code, "b", "", headers...)
	b.request(sip.ACK)
	a.response(code)
	a.refused()
}

func nobodyRegistered(w *world) {
	a := w.peer(1)
	a.calls("700")
	a.response(480)
	a.refused()
}

func nobodyAnswers(w *world) {
	a, b := w.peer(1), w.peer(2)
	a.calls("700")
	invite := b.request(sip.INVITE)
	time.Sleep(300 * time.Millisecond)
	b.answer(invite, 180, "b", "")
	a.response(180)
	b.answer(b.request(sip.CANCEL), 200, "b", "")
	b.answer(invite, 487, "b", "")
	b.request(sip.ACK)
	a.response(480)
	a.refused()
}

func callerGivesUp(w *world) {
	a, b := w.peer(1), w.peer(2)
	a.calls("700")
	invite := b.request(sip.INVITE)
	b.answer(invite, 180, "b", "")
	a.response(180)
	time.Sleep(3 * time.Second)
	a.target = ""
	a.remote = "<sip:700@10.0.0.1:5060>"
	a.send("CANCEL", "700", "")
	a.response(200)
	b.answer(b.request(sip.CANCEL), 200, "b", "")
	b.answer(invite, 487, "b", "")
	b.request(sip.ACK)
	a.response(487)
}

func blindly(w *world) {
	a, b, c := w.peer(1), w.peer(2), w.peer(3)
	w.connects(a, b)
	time.Sleep(5 * time.Second)
	b.refers("<sip:carol@10.0.1.3>")
	b.notified(100)
	invite := c.request(sip.INVITE)
	c.answer(invite, 200, "c", c.body)
	c.request(sip.ACK)
	b.notified(200)
	b.hangsUp()
	time.Sleep(10 * time.Second)
	talking(c, a)
}

func attended(w *world) {
	s := w.consult(false, true)
	s.t1.refers(withReplaces("sip:10.0.0.1", s.t2))
	s.t1.notified(100)
	s.t1.notified(200)
	s.t2.hungUp()
	s.t1.hangsUp()
	time.Sleep(10 * time.Second)
	talking(s.q, s.p)
}

func hunted(w *world) {
	a, b, c, d := w.peer(1), w.peer(2), w.peer(3), w.peer(4)
	a.calls("700")
	b.answer(b.request(sip.INVITE), 486, "b", "")
	b.request(sip.ACK)
	invite := c.request(sip.INVITE)
	c.answer(invite, 180, "c", "")
	a.response(180)
	c.answer(c.request(sip.CANCEL), 200, "c", "")
	c.answer(invite, 487, "c", "")
	c.request(sip.ACK)
	invite = d.request(sip.INVITE)
	d.answer(invite, 200, "d", d.body)
	d.request(sip.ACK)
	a.response(200)
	a.send("ACK", "700", "")
	time.Sleep(5 * time.Second)
	talking(d, a)
}

func leavesTheMenu(w *world) {
	a := w.peer(1)
	a.talks("700")
	time.Sleep(4 * time.Second)
	a.send("INFO", "", "Signal=7\r\nDuration=160\r\n", "Content-Type: application/dtmf-relay")
	a.response(200)
	time.Sleep(time.Second)
	a.hangsUp()
}

func neverAcknowledged(w *world) {
	a := w.peer(1)
	a.calls("700")
	for {
		if req, ok := a.recv().(*sip.Request); ok {
			a.answer(req, 200, "", "")
			return
		}
	}
}

func fromTrunk(w *world) {
	b := w.peer(2)
	b.local, b.remote = "<sip:+33123456789@10.0.1.2>;tag=1", "<sip:+4420@10.0.0.1>"
	b.send("INVITE", "+4420", b.body, "User-Agent: Carrier 1.0")
	b.response(100)
	b.response(603)
	b.refused()
}

func toSecondHost(w *world) {
	a, b, c := w.peer(1), w.peer(2), w.peer(3)
	a.calls("+4420")
	b.challenge(b.request(sip.INVITE), 503, "Server: pbx/2")
	c.talksTo(c.request(sip.INVITE))
	a.response(200)
	a.send("ACK", "", "")
	time.Sleep(500 * time.Millisecond)
	talking(c, a)
}

// oneTalks: the caller's phone sends, and the callee is a machine that only receives.
func oneTalks(w *world) {
	alice, b := w.phoneWith("1001", 1, ""), w.peer(2)
	ctx := w.t.Context()
	called := make(chan *phone.Call, 1)
	go func() {
		c, err := alice.Dial(ctx, "sip:700@10.0.0.1:5060", phone.DialOptions{})
		if err != nil {
			w.t.Error(err)
		}
		called <- c
	}()
	b.talksTo(b.request(sip.INVITE))
	a := <-called
	tones(w, a, "tone:880/5000")
	if err := a.Hangup(ctx); err != nil {
		w.t.Error(err)
	}
	b.hungUp()
}

// rightAway is a call to bob of half a second, who does not hear so many INVITEs.
func rightAway(w *world, lost int) {
	a, b := w.peer(1), w.peer(2)
	a.calls("700")
	for range lost {
		b.request(sip.INVITE)
	}
	invite := b.request(sip.INVITE)
	b.answer(invite, 180, "b", "")
	a.response(180)
	b.talksTo(invite)
	a.response(200)
	a.send("ACK", "700", "")
	time.Sleep(500 * time.Millisecond)
	a.hangsUp()
	b.hungUp()
}

// phoneWith is a phone at 10.0.2.n that knows one codec, or all, and whose password is its name.
func (w *world) phoneWith(user string, n byte, codec string) *phone.Phone {
	w.t.Helper()
	o := phone.Options{Network: w.net, Media: w.engine, User: user, Password: user, Display: "Phone of " + user, Server: "sip:" + w.addr.String(),
		Listen: []transport.Endpoint{{Proto: transport.UDP, Addr: netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 0, 2, n}), 5060)}}}
	if codec != "" {
		o.Codecs = []string{codec}
	}
	p, err := phone.New(o)
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() { _ = p.Close() })
	return p
}
