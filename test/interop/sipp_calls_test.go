//go:build interop

package interop

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"
)

// A packet carries 20 ms. SIPp starts and stops its stream a little late.
const packetsPerSecond = 50

// TestSIPpHearsAScriptAndIsHeard: the script answers and plays for three
// seconds; SIPp sends every packet back, so what the server counts in both
// directions has been to SIPp.
func TestSIPpHearsAScriptAndIsHeard(t *testing.T) {
	t.Parallel()
	srv := serve(t, setup{scripts: map[string]string{"50-main.lua": `
		return { on_call = function(call)
			call:answer()
			call:play("tone:440/3000", { loop = 1 })
		end }`}})
	for transport, remote := range map[string]netip.AddrPort{"u1": srv.udp, "t1": srv.tcp} {
		sipp(t, "uac_wait.xml", remote, "-s", "5000", "-t", transport, "-rtp_echo").succeeds(t)
	}
	for _, call := range srv.finished(t, 2) {
		expect(t, call, "state", "answered")
		expect(t, call, "released_by", "script")
		expect(t, call, "to_user", "5000")
		legs := srv.legs(t, call)
		if len(legs) != 1 {
			t.Fatalf("%d legs, want the caller's only", len(legs))
		}
		atLeast(t, legs[0], "tx_packets", 2.5*packetsPerSecond)
		atLeast(t, legs[0], "rx_packets", 2.5*packetsPerSecond)
	}
}

// TestSIPpBuiltInCaller: the scenario that comes with SIPp sends its ACK and BYE
// to the number that it dialled, not to our Contact.
func TestSIPpBuiltInCaller(t *testing.T) {
	t.Parallel()
	srv := serve(t, setup{scripts: map[string]string{"50-main.lua": `
		return { on_call = function(call) call:answer(); call:play("silence:60") end }`}})
	sipp(t, "uac", srv.udp, "-s", "5000", "-d", "1000", "-m", "5", "-r", "5").succeeds(t)
	for _, call := range srv.finished(t, 5) {
		expect(t, call, "state", "answered")
		expect(t, call, "released_by", "caller")
		expect(t, call, "sip_code", int64(200))
		if d := number(call, "billable_ms"); d < 900 || d > 5000 {
			t.Errorf("the call lasted %d ms, SIPp's 1000", d)
		}
	}
}

// TestSIPpCallsSIPp: the script bridges one SIPp to the other, which echoes. What
// the second leg receives went all the way and what the first sends came back.
func TestSIPpCallsSIPp(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ name, transport string }{{"udp", "u1"}, {"tcp", "t1"}} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			far := sipp(t, "uas", netip.AddrPort{}, "-rtp_echo", "-t", c.transport)
			srv := serve(t, setup{scripts: map[string]string{"50-main.lua": fmt.Sprintf(`
				return { on_call = function(call)
					local r = call:bridge("sip:far@%s;transport=%s")
					log.info("bridge ended", { state = r.state, by = r.by })
				end }`, far.addr, c.name)}})
			remote := srv.udp
			if c.name == "tcp" {
				remote = srv.tcp
			}
			sipp(t, "uac_stream.xml", remote, "-s", "5000", "-d", "3000", "-t", c.transport).succeeds(t)
			far.succeeds(t)

			call := srv.finished(t, 1)[0]
			expect(t, call, "state", "answered")
			expect(t, call, "released_by", "caller")
			told, exit := srv.tandem(t, "explain", call["id"].(string)[:12])
			if exit != 0 || !strings.Contains(told, "The caller hung up.") || !strings.Contains(told, "-INVITE (SDP)-") || !strings.Contains(told, "-BYE-") {
				t.Errorf("explained (exit %d) as\n%s", exit, told)
			}
			legs := srv.legs(t, call)
			if len(legs) != 2 {
				t.Fatalf("%d legs, want 2", len(legs))
			}
			for _, leg := range legs {
				atLeast(t, leg, "tx_packets", 2.5*packetsPerSecond)
				atLeast(t, leg, "rx_packets", 2.5*packetsPerSecond)
				expect(t, leg, "lost", int64(0))
				if codec, _ := leg["codec"].(string); !strings.EqualFold(codec, "pcmu") {
					t.Errorf("codec is %q, want pcmu", codec)
				}
			}
		})
	}
}

// expect compares one column of a record.
func expect(t *testing.T, row map[string]any, column string, want any) {
	t.Helper()
	if got := row[column]; got != want {
		t.Errorf("%s is %v, want %v (in %v)", column, got, want, row)
	}
}

func atLeast(t *testing.T, row map[string]any, column string, want float64) {
	t.Helper()
	if got := number(row, column); float64(got) < want {
		t.Errorf("%s is %d, want at least %.0f (in %v)", column, got, want, row)
	}
}
