//go:build interop

package interop

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"
)

const troubledScript = `
return { on_call = function(call)
	if call.number == "stands" or call.number == "rings" then
		call:answer()
		call:play("tone:440", { loop = 100 })
	elseif call.number == "throw" then
		local nobody = nil
		nobody.here()
	elseif call.number == "throw-late" then
		call:answer()
		error("late")
	elseif call.number == "missing" then
		call:answer()
		local ok, why = call:play("no-such-prompt")
		call.vars.why = why
		call:play("tone:440/500", { loop = 1 })
		call.vars.went_on = true
	end
end }`

// TestBadInputIsAnsweredAndNothingElseNotices throws at the server what a network
// and its users throw, while a call with sound stands. Each gets its answer, and
// the standing call loses not one packet.
func TestBadInputIsAnsweredAndNothingElseNotices(t *testing.T) {
	t.Parallel()
	srv := serve(t, setup{config: twoUsers, scripts: map[string]string{"50-main.lua": troubledScript}})
	standing := sipp(t, "uac_stream.xml", srv.udp, "-s", "stands", "-d", "14000")
	eventually(t, "the call stands", func() bool { return len(srv.live(t)) == 1 && srv.live(t)[0]["state"] == "answered" })

	t.Run("UDP", func(t *testing.T) { badDatagrams(t, srv) })
	t.Run("TCP", func(t *testing.T) { badStreams(t, srv) })
	t.Run("digest", func(t *testing.T) { badCredentials(t, srv) })
	t.Run("scripts", func(t *testing.T) { badScripts(t, srv) })

	if !standing.running() {
		t.Fatal("the standing call ended before the bad input did: it proves nothing")
	}
	standing.succeeds(t)
	call := srv.recorded(t, "stands")
	expect(t, call, "state", "answered")
	expect(t, call, "released_by", "caller")
	if flags := call["flags"]; flags != "" && flags != "retransmits" { // on a busy machine an answer may come late
		t.Errorf("flags %v", flags)
	}
	leg := srv.legs(t, call)[0]
	expect(t, leg, "lost", int64(0))
	// Of 14 s; a loaded machine may lose its beat, but must not lose what came.
	atLeast(t, leg, "rx_packets", 12*packetsPerSecond)
	atLeast(t, leg, "tx_packets", 8*packetsPerSecond)
}

func badDatagrams(t *testing.T, srv *server) {
	w := dialWire(t, "udp", srv.udp)
	r := rand.New(rand.NewPCG(3, 4))
	for range 500 {
		garbage := make([]byte, 1+r.IntN(1400))
		for i := range garbage {
			garbage[i] = byte(r.Uint32())
		}
		w.send(t, string(garbage))
	}
	whole := w.text(request{method: "INVITE", number: "rings", body: offer("0")})
	for _, nothing := range []string{"\r\n\r\n", "\x00\x00\x00\x00", "SIP/2.0", "INVITE", whole[:40],
		"SIP/2.0 200 OK\r\n\r\n", strings.Repeat("A", 60000), "INVITE sip: SIP/2.0\r\n" + strings.Repeat("Via: x\r\n", 2000)} {
		w.send(t, nothing)
	}
	w.silent(t)

	for _, c := range []struct {
		name string
		req  request
		want []int
	}{
		{"no From", request{method: "INVITE", body: offer("0"), headers: map[string]string{"From": ""}}, []int{400}},
		{"no To", request{method: "INVITE", body: offer("0"), headers: map[string]string{"To": ""}}, []int{400}},
		{"no CSeq", request{method: "INVITE", body: offer("0"), headers: map[string]string{"CSeq": ""}}, []int{400}},
		{"no Call-ID", request{method: "INVITE", body: offer("0"), headers: map[string]string{"Call-ID": ""}}, []int{400}},
		{"CSeq of another method", request{method: "INVITE", body: offer("0"), headers: map[string]string{"CSeq": "1 BYE"}}, []int{400}},
		{"longer than the datagram", request{method: "INVITE", body: offer("0"), headers: map[string]string{"Content-Length": "9999"}}, []int{400}},
		{"SIP/7.0", request{method: "INVITE", line: "INVITE sip:rings@" + srv.udp.String() + " SIP/7.0"}, []int{505}},
		{"no hops left", request{method: "INVITE", body: offer("0"), headers: map[string]string{"Max-Forwards": "0"}}, []int{483}},
		{"an extension nobody has", request{method: "INVITE", body: offer("0"), headers: map[string]string{"Require": "teleport"}}, []int{420}},
		{"a method nobody has", request{method: "TELEPORT"}, []int{405, 501}},
		{"BYE of no call", request{method: "BYE", headers: map[string]string{"To": "<sip:x@127.0.0.1>;tag=none"}}, []int{481}},
		{"SDP that is none", request{method: "INVITE", body: "this is no session\r\n"}, []int{400, 488}},
		{"SDP without media", request{method: "INVITE", body: "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\n"}, []int{400, 488}},
		{"SDP with port 70000", request{method: "INVITE", body: strings.Replace(offer("0"), "audio 9", "audio 70000", 1)}, []int{400, 488}},
		{"a codec we do not have", request{method: "INVITE", body: offer("18")}, []int{488}},
		{"a body of another type", request{method: "INVITE", body: "<xml/>", headers: map[string]string{"Content-Type": "application/xml"}}, []int{415}},
		{"an unknown number", request{method: "INVITE", number: "4711", body: offer("0")}, []int{404}},
	} {
		t.Run(c.name, func(t *testing.T) {
			if c.req.number == "" {
				c.req.number = "rings"
			}
			answered(t, dialWire(t, "udp", srv.udp).ask(t, c.req), c.want...)
		})
	}
}

func badStreams(t *testing.T, srv *server) {
	options := request{method: "OPTIONS", number: "x"}
	t.Run("half a message, then the end", func(t *testing.T) {
		w := dialWire(t, "tcp", srv.tcp)
		w.send(t, w.text(request{method: "INVITE", number: "rings", body: offer("0")})[:200])
		w.conn.Close()
	})
	t.Run("a message in small pieces", func(t *testing.T) {
		w := dialWire(t, "tcp", srv.tcp)
		for piece := range strings.SplitSeq(w.text(options), " ") {
			w.send(t, piece+" ")
		}
		w.send(t, "\r\n")
		answered(t, w.receive(t), 200)
	})
	t.Run("two messages in one piece", func(t *testing.T) {
		w := dialWire(t, "tcp", srv.tcp)
		w.send(t, w.text(options)+w.text(options))
		answered(t, w.receive(t), 200)
		answered(t, w.receive(t), 200)
	})
	for name, text := range map[string]string{
		"no end to the headers":      "OPTIONS sip:x SIP/2.0\r\n" + strings.Repeat("X-Long: "+strings.Repeat("y", 1000)+"\r\n", 2000),
		"a line without end":         strings.Repeat("z", 2<<20),
		"a body of two gigabytes":    "OPTIONS sip:x SIP/2.0\r\nContent-Length: 2147483647\r\n\r\n",
		"a body of less than nought": "OPTIONS sip:x SIP/2.0\r\nContent-Length: -5\r\n\r\n",
	} {
		t.Run(name, func(t *testing.T) {
			w := dialWire(t, "tcp", srv.tcp)
			w.conn.SetWriteDeadline(time.Now().Add(5 * time.Second))
			// The server may hang up on us while we still write.
			fmt.Fprint(w.conn, text)
			for {
				answer, err := w.next(5 * time.Second)
				if err != nil {
					if strings.Contains(err.Error(), "timeout") {
						t.Error("the connection stays open, and nothing can follow on it")
					}
					return
				}
				if !strings.HasPrefix(answer, "SIP/2.0 4") && !strings.HasPrefix(answer, "SIP/2.0 5") {
					t.Errorf("answered with\n%s", answer)
				}
			}
		})
	}
	t.Run("and the listener still listens", func(t *testing.T) {
		answered(t, dialWire(t, "tcp", srv.tcp).ask(t, options), 200)
	})
}

func badCredentials(t *testing.T, srv *server) {
	for _, c := range []struct{ name, method, user, password string }{
		{"REGISTER with a wrong password", "REGISTER", "1001", "wrong"},
		{"REGISTER of an unknown user", "REGISTER", "9999", "any"},
		{"INVITE with a wrong password, although trusted", "INVITE", "1001", "wrong"},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := dialWire(t, "udp", srv.udp)
			aor := fmt.Sprintf("<sip:%s@%s>", c.user, srv.udp)
			m := w.ask(t, request{method: "REGISTER", number: c.user, headers: map[string]string{"To": aor, "From": aor + ";tag=1"}})
			answered(t, m, 401)
			headers := map[string]string{"Authorization": digest(md5Challenge(t, m), c.method, "sip:"+c.user+"@"+srv.udp.String(), c.user, c.password)}
			if c.method == "REGISTER" {
				headers["To"], headers["From"] = aor, aor+";tag=2"
			}
			answered(t, w.ask(t, request{method: c.method, number: c.user, headers: headers}), 403)
		})
	}
	t.Run("and the right password is taken", func(t *testing.T) {
		w := dialWire(t, "udp", srv.udp)
		aor := fmt.Sprintf("<sip:1001@%s>", srv.udp)
		m := w.ask(t, request{method: "REGISTER", number: "1001", headers: map[string]string{"To": aor, "From": aor + ";tag=1"}})
		authorization := digest(md5Challenge(t, m), "REGISTER", "sip:1001@"+srv.udp.String(), "1001", "first-secret")
		answered(t, w.ask(t, request{method: "REGISTER", number: "1001",
			headers: map[string]string{"To": aor, "From": aor + ";tag=2", "Authorization": authorization}}), 200)
	})
}

func badScripts(t *testing.T, srv *server) {
	t.Run("throws before the answer", func(t *testing.T) {
		answered(t, dialWire(t, "udp", srv.udp).ask(t, request{method: "INVITE", number: "throw", body: offer("0")}), 500)
		call := srv.recorded(t, "throw")
		expect(t, call, "sip_code", int64(500))
		expect(t, call, "flags", "script_error")
		if text, _ := call["script_error"].(string); !strings.Contains(text, "50-main.lua:8") {
			t.Errorf("script_error is %q, want file and line of the mistake", text)
		}
	})
	t.Run("throws after the answer", func(t *testing.T) {
		sipp(t, "uac_wait.xml", srv.udp, "-s", "throw-late").succeeds(t)
		call := srv.recorded(t, "throw-late")
		expect(t, call, "state", "answered")
		if text, _ := call["script_error"].(string); !strings.Contains(text, "50-main.lua:11") {
			t.Errorf("script_error is %q, want file and line of the mistake", text)
		}
	})
	t.Run("plays what is not there, and goes on", func(t *testing.T) {
		sipp(t, "uac_wait.xml", srv.udp, "-s", "missing", "-rtp_echo").succeeds(t)
		call := srv.recorded(t, "missing")
		expect(t, call, "state", "answered")
		expect(t, call, "script_error", "")
		vars, _ := call["vars"].(string)
		if !strings.Contains(vars, `"why":"not found"`) || !strings.Contains(vars, `"went_on":true`) {
			t.Errorf("vars are %s", vars)
		}
		found := false
		for line := range strings.Lines(srv.out.String()) {
			found = found || strings.Contains(line, "no-such-prompt") && strings.Contains(line, "50-main.lua:14")
		}
		if !found {
			t.Error("no log line names the prompt, the script and the line")
		}
	})
}

// recorded waits until the one call to that number is finished in the store.
func (s *server) recorded(t *testing.T, to string) map[string]any {
	t.Helper()
	var call map[string]any
	eventually(t, "the call to "+to+" is recorded", func() bool {
		calls := s.records(t, `select * from calls where to_user = ? and state <> 'open'`, to)
		if len(calls) == 1 {
			call = calls[0]
		}
		return call != nil
	})
	return call
}

func answered(t *testing.T, m message, want ...int) {
	t.Helper()
	for _, code := range want {
		if m.code == code {
			return
		}
	}
	t.Errorf("answered with %d, want %v:\n%s", m.code, want, m.text)
}
