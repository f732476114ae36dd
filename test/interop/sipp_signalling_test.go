//go:build interop

package interop

import (
	"net/netip"
	"strings"
	"testing"
)

const answerAndWait = `
return { on_call = function(call)
	if call.number == "ring" then
		call:ring()
		call:sleep(30)
		return
	end
	call:answer()
	call:play("silence:60")
end }`

func TestSIPpAsksOptions(t *testing.T) {
	t.Parallel()
	srv := serve(t, setup{})
	sipp(t, "options.xml", srv.udp).succeeds(t)
	sipp(t, "options.xml", srv.tcp, "-t", "t1").succeeds(t)
}

func TestSIPpRegistersWithDigest(t *testing.T) {
	t.Parallel()
	srv := serve(t, setup{config: md5Only + twoUsers})
	for transport, remote := range map[string]netip.AddrPort{"u1": srv.udp, "t1": srv.tcp} {
		sipp(t, "register.xml", remote, "-s", "1001", "-au", "1001", "-ap", "first-secret", "-t", transport).succeeds(t)
	}
}

func TestSIPpGivesUpWhileItRings(t *testing.T) {
	t.Parallel()
	srv := serve(t, setup{scripts: map[string]string{"50-main.lua": answerAndWait}})
	sipp(t, "uac_cancel.xml", srv.udp, "-s", "ring").succeeds(t)
	call := srv.finished(t, 1)[0]
	expect(t, call, "state", "cancelled")
	expect(t, call, "sip_code", int64(487))
	expect(t, call, "released_by", "caller")
}

func TestSIPpLosesTwoACKs(t *testing.T) {
	t.Parallel()
	srv := serve(t, setup{scripts: map[string]string{"50-main.lua": answerAndWait}})
	sipp(t, "uac_late_ack.xml", srv.udp, "-s", "5000").succeeds(t)
	call := srv.finished(t, 1)[0]
	expect(t, call, "state", "answered")
	expect(t, call, "released_by", "caller")
}

// TestSIPpNeverAcknowledges takes 64*T1, 32 s: RFC 3261 §13.3.1.4 says how long
// the answer is repeated before the call is given up with a BYE.
func TestSIPpNeverAcknowledges(t *testing.T) {
	t.Parallel()
	srv := serve(t, setup{scripts: map[string]string{"50-main.lua": answerAndWait}})
	sipp(t, "uac_no_ack.xml", srv.udp, "-s", "5000").succeeds(t)
	call := srv.finished(t, 1)[0]
	if flags, _ := call["flags"].(string); !strings.Contains(flags, "no_ack") {
		t.Errorf("flags are %q, want no_ack among them", flags)
	}
	expect(t, call, "released_by", "system")
	if d := number(call, "duration_ms"); d < 30_000 || d > 40_000 {
		t.Errorf("given up after %d ms, want 64*T1 = 32000", d)
	}
}

// TestEveryListenerAnswersItself: a socket that is connected to one listener
// takes nothing from another one, and the Contact leads back to where the call
// came in.
func TestEveryListenerAnswersItself(t *testing.T) {
	t.Parallel()
	srv := serve(t, setup{
		listen:  []string{"udp://127.0.0.1:0", "udp://127.0.0.1:0", "tcp://127.0.0.1:0", "udp://127.0.0.1:0", "tcp://127.0.0.1:0"},
		scripts: map[string]string{"50-main.lua": answerAndWait},
	})
	if len(srv.sip) != 5 {
		t.Fatalf("%d listeners: %v", len(srv.sip), srv.sip)
	}
	for _, l := range srv.sip {
		w := dialWire(t, l.proto, l.addr)
		answered(t, w.ask(t, request{method: "OPTIONS", number: "x"}), 200)
		m := w.ask(t, request{method: "INVITE", number: "5000", body: offer("0")})
		answered(t, m, 200)
		if contact := m.header("Contact"); !strings.Contains(contact, l.addr.String()) {
			t.Errorf("called at %v, the Contact is %s", l, contact)
		}
		transport := map[string]string{"udp": "u1", "tcp": "t1"}[l.proto]
		sipp(t, "uac", l.addr, "-s", "5000", "-d", "100", "-t", transport).succeeds(t)
	}
}
