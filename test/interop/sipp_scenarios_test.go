//go:build interop

package interop

import (
	"fmt"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"testing"
)

// toPort bridges each call to the peer whose port on this machine is the number
// that was dialled.
const toPort = `
return { on_call = function(call)
	call:bridge("sip:far@127.0.0.1:" .. call.number, { timeout = 15 })
end }`

// between lets one scenario call another through the server. Both must end as
// they are written; the record of the call is returned.
func between(t *testing.T, caller, callee string) map[string]any {
	t.Helper()
	srv := serve(t, setup{scripts: map[string]string{"50-main.lua": toPort}})
	far := scenario(t, callee, netip.AddrPort{})
	near := scenario(t, caller, srv.udp, "-s", portOf(far.addr))
	near.succeeds(t)
	far.succeeds(t)
	call := srv.finished(t, 1)[0]
	if n := len(srv.live(t)); n != 0 {
		t.Errorf("%d calls are left", n)
	}
	return call
}

// scenario is sipp for a call that is soon over.
func scenario(t *testing.T, name string, remote netip.AddrPort, args ...string) *sippRun {
	t.Helper()
	return sipp(t, name, remote, append(args, "-timeout", "20s")...)
}

func portOf(a netip.AddrPort) string { return strconv.Itoa(int(a.Port())) }

// talkedOver checks a call that was answered and hung up by one side.
func talkedOver(t *testing.T, call map[string]any, by string) {
	t.Helper()
	expect(t, call, "state", "answered")
	expect(t, call, "released_by", by)
}

func cancelled(t *testing.T, call map[string]any) {
	t.Helper()
	expect(t, call, "state", "cancelled")
	expect(t, call, "sip_code", int64(487))
	expect(t, call, "released_by", "caller")
}

func TestScenarioBasic(t *testing.T) {
	t.Parallel()
	talkedOver(t, between(t, "uac_basic.xml", "uas_basic.xml"), "caller")
}

func TestScenarioCancelBefore180(t *testing.T) {
	t.Parallel()
	cancelled(t, between(t, "uac_cancel_early.xml", "uas_cancelled_early.xml"))
}

func TestScenarioCancelAfter180(t *testing.T) {
	t.Parallel()
	cancelled(t, between(t, "uac_cancel.xml", "uas_cancelled.xml"))
}

// TestScenarioCancelCrosses200: on the second leg the answer comes after our
// CANCEL, on the first the CANCEL comes after our answer.
func TestScenarioCancelCrosses200(t *testing.T) {
	t.Parallel()
	t.Run("callee", func(t *testing.T) {
		t.Parallel()
		cancelled(t, between(t, "uac_cancel.xml", "uas_cancel_crosses.xml"))
	})
	t.Run("caller", func(t *testing.T) {
		t.Parallel()
		talkedOver(t, between(t, "uac_cancel_late.xml", "uas_basic.xml"), "caller")
	})
}

func TestScenarioLateOffer(t *testing.T) {
	t.Parallel()
	talkedOver(t, between(t, "uac_late_offer.xml", "uas_basic.xml"), "caller")
}

func TestScenarioHoldByTheCaller(t *testing.T) {
	t.Parallel()
	talkedOver(t, between(t, "uac_hold.xml", "uas_held.xml"), "callee")
}

func TestScenarioHoldByTheCallee(t *testing.T) {
	t.Parallel()
	talkedOver(t, between(t, "uac_held.xml", "uas_hold.xml"), "caller")
}

func TestScenarioUpdateByTheCaller(t *testing.T) {
	t.Parallel()
	talkedOver(t, between(t, "uac_update.xml", "uas_held_ends.xml"), "callee")
}

func TestScenarioUpdateByTheCallee(t *testing.T) {
	t.Parallel()
	talkedOver(t, between(t, "uac_held_ends.xml", "uas_update.xml"), "caller")
}

// TestScenarioPrack: each leg is reliable by itself.
func TestScenarioPrack(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ name, caller, callee string }{
		{"caller", "uac_100rel.xml", "uas_basic.xml"},
		{"callee", "uac_basic.xml", "uas_100rel.xml"},
		{"both", "uac_100rel_media.xml", "uas_100rel.xml"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			talkedOver(t, between(t, c.caller, c.callee), "caller")
		})
	}
}

// TestScenarioSessionRefresh: what is agreed on each leg, the refreshes that
// come to us, and 422 on either side. That we refresh in time takes longer than
// any test here may: b2bua proves it with a clock of its own.
func TestScenarioSessionRefresh(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ name, caller, callee, by string }{
		{"by the caller", "uac_session.xml", "uas_basic.xml", "caller"},
		{"by us", "uac_session_refreshee.xml", "uas_basic.xml", "caller"},
		{"too short", "uac_session_small.xml", "uas_basic.xml", "caller"},
		{"by the callee after 422", "uac_wait.xml", "uas_session.xml", "callee"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			srv := serve(t, setup{scripts: map[string]string{"50-main.lua": toPort}})
			far := scenario(t, c.callee, netip.AddrPort{})
			scenario(t, c.caller, srv.udp, "-s", portOf(far.addr)).succeeds(t)
			far.succeeds(t)
			// A call that is refused with 422 may have a record of its own.
			eventually(t, "the call is in the store", func() bool {
				return len(srv.records(t, `select id from calls where state = 'answered' and released_by = ?`, c.by)) == 1
			})
		})
	}
}

func TestScenarioGlare(t *testing.T) {
	t.Parallel()
	talkedOver(t, between(t, "uac_hold_ends.xml", "uas_glare.xml"), "callee")
}

func TestScenarioBlindTransfer(t *testing.T) {
	t.Parallel()
	srv := serve(t, setup{scripts: map[string]string{"50-main.lua": toPort}})
	third := scenario(t, "uas_silent.xml", netip.AddrPort{})
	middle := scenario(t, "uas_refer.xml", netip.AddrPort{}, "-key", "refer_to", fmt.Sprintf("<sip:third@%s>", third.addr))
	first := scenario(t, "uac_wait.xml", srv.udp, "-s", portOf(middle.addr))
	middle.succeeds(t)
	srv.hangsUp(t)
	first.succeeds(t)
	third.succeeds(t)
	expect(t, srv.finished(t, 1)[0], "state", "answered")
}

// TestScenarioAttendedTransfer: the middle one has a call of its own to the
// third, and the first one's call put in the place of it.
func TestScenarioAttendedTransfer(t *testing.T) {
	t.Parallel()
	srv := serve(t, setup{scripts: map[string]string{"50-main.lua": toPort}})
	third := scenario(t, "uas_silent.xml", netip.AddrPort{})
	asking := scenario(t, "uac_wait.xml", srv.udp, "-s", portOf(third.addr))
	replaces := asking.dialog(t)
	middle := scenario(t, "uas_refer.xml", netip.AddrPort{}, "-key", "refer_to",
		fmt.Sprintf("<sip:third@%s?Replaces=%s>", srv.udp, url.QueryEscape(replaces)))
	first := scenario(t, "uac_wait.xml", srv.udp, "-s", portOf(middle.addr))
	middle.succeeds(t)
	asking.succeeds(t)
	srv.hangsUp(t)
	first.succeeds(t)
	third.succeeds(t)
	for _, call := range srv.finished(t, 2) {
		expect(t, call, "state", "answered")
	}
}

// hangsUp ends the only call that there is, as an operator does.
func (s *server) hangsUp(t *testing.T) {
	t.Helper()
	var live []map[string]any
	eventually(t, "one call is left", func() bool {
		live = s.live(t)
		return len(live) == 1
	})
	if _, exit := s.tandem(t, "calls", "hangup", fmt.Sprint(live[0]["id"])); exit != 0 {
		t.Fatalf("tandem calls hangup: exit %d", exit)
	}
}

// dialog names the one that a calling scenario is in, as Replaces wants it from
// somebody else's point of view: to-tag is the server's, from-tag SIPp's.
func (r *sippRun) dialog(t *testing.T) string {
	t.Helper()
	var id string
	eventually(t, "the call is answered", func() bool {
		// The first message in each part is one that SIPp sent.
		for _, text := range strings.Split(r.file("messages"), "message sent") {
			m := message{text: strings.ReplaceAll(strings.ReplaceAll(text, "\r\n", "\n"), "\n", "\r\n")}
			if m.header("CSeq") == "1 ACK" {
				id = fmt.Sprintf("%s;to-tag=%s;from-tag=%s", m.header("Call-ID"), tag(m.header("To")), tag(m.header("From")))
			}
		}
		return id != ""
	})
	return id
}

func TestScenarioRedirect(t *testing.T) {
	t.Parallel()
	srv := serve(t, setup{scripts: map[string]string{"50-main.lua": toPort}})
	second := scenario(t, "uas_moved_here.xml", netip.AddrPort{})
	first := scenario(t, "uas_302.xml", netip.AddrPort{}, "-key", "moved_to", fmt.Sprintf("sip:second@%s", second.addr))
	scenario(t, "uac_basic.xml", srv.udp, "-s", portOf(first.addr)).succeeds(t)
	first.succeeds(t)
	second.succeeds(t)
	talkedOver(t, srv.finished(t, 1)[0], "caller")
}

// TestScenarioAuth: the INVITE is challenged, the BYE of the dialog is not.
func TestScenarioAuth(t *testing.T) {
	t.Parallel()
	srv := serve(t, setup{config: md5Only + twoUsers + trustNobody, scripts: map[string]string{"50-main.lua": toPort}})
	far := scenario(t, "uas_basic.xml", netip.AddrPort{})
	scenario(t, "uac_auth.xml", srv.udp, "-s", portOf(far.addr), "-au", "1001", "-ap", "first-secret").succeeds(t)
	far.succeeds(t)
	call := srv.recorded(t, portOf(far.addr))
	talkedOver(t, call, "caller")
}

func TestScenarioTCP(t *testing.T) {
	t.Parallel()
	srv := serve(t, setup{scripts: map[string]string{"50-main.lua": `
		return { on_call = function(call) call:bridge("sip:far@127.0.0.1:" .. call.number .. ";transport=tcp") end }`}})
	far := scenario(t, "uas_basic.xml", netip.AddrPort{}, "-t", "t1")
	scenario(t, "uac_basic.xml", srv.tcp, "-s", portOf(far.addr), "-t", "t1").succeeds(t)
	far.succeeds(t)
	talkedOver(t, srv.finished(t, 1)[0], "caller")
}

func TestScenarioIPv6(t *testing.T) {
	t.Parallel()
	srv := serve(t, setup{listen: []string{"udp://[::1]:0"}, scripts: map[string]string{"50-main.lua": `
		return { on_call = function(call) call:bridge("sip:far@[::1]:" .. call.number) end }`}})
	host := netip.IPv6Loopback()
	far := sippOn(t, host, "uas_basic.xml", netip.AddrPort{})
	sippOn(t, host, "uac_basic.xml", srv.udp, "-s", portOf(far.addr)).succeeds(t)
	far.succeeds(t)
	talkedOver(t, srv.finished(t, 1)[0], "caller")
}

func tag(header string) string {
	_, after, _ := strings.Cut(header, ";tag=")
	t, _, _ := strings.Cut(after, ";")
	return t
}
