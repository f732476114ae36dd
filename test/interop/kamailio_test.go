//go:build interop

package interop

import (
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// kamailio starts a record-routing proxy that sends on to callee what is for itself.
func kamailio(t *testing.T, callee netip.AddrPort) (*process, netip.AddrPort) {
	t.Helper()
	return anyKamailio(t, "kamailio.cfg", callee)
}

// anyKamailio starts one with a configuration of testdata on a free port.
func anyKamailio(t *testing.T, config string, callee netip.AddrPort) (*process, netip.AddrPort) {
	t.Helper()
	for {
		addr := freePort(t, netip.AddrFrom4([4]byte{127, 0, 0, 1}))
		if p := kamailioAt(t, config, addr, callee); p != nil {
			return p, addr
		}
	}
}

// kamailioAt returns nil if somebody else has taken the port.
func kamailioAt(t *testing.T, name string, addr, callee netip.AddrPort) *process {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	config := filepath.Join(dir, "kamailio.cfg")
	writeFile(t, config, strings.NewReplacer("PROXY", addr.String(), "CALLEE", strconv.Itoa(int(callee.Port()))).Replace(string(text)))
	p := launch(t, dir, "kamailio", "-DD", "-E", "-f", config, "-Y", dir, "-m", "16", "-M", "4")
	const unconnected = "07"
	eventually(t, "kamailio has its socket", func() bool {
		return !p.running() || slices.Contains(bound(p.cmd.Process.Pid, "udp", unconnected), addr)
	})
	if p.running() {
		return p
	}
	if !strings.Contains(p.out.String(), "Address already in use") {
		t.Fatal("kamailio has ended")
	}
	return nil
}

// TestProxyOnBothSides: a proxy that record-routes stands before Tandem and behind it. Each
// side holds in its turn and one hangs up, so that requests within the call go both ways on
// both legs; all of them pass the proxy.
func TestProxyOnBothSides(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ name, caller, callee, by string }{
		{"the caller holds", "uac_hold.xml", "uas_held.xml", "callee"},
		{"the callee holds", "uac_held.xml", "uas_hold.xml", "caller"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			callee := sipp(t, c.callee, netip.AddrPort{})
			proxy, at := kamailio(t, callee.addr)
			srv := serve(t, setup{scripts: map[string]string{"50-main.lua": fmt.Sprintf(`
				return { on_call = function(call) call:bridge("sip:callee@%s") end }`, at)}})
			caller := sipp(t, c.caller, srv.udp, "-s", "5000", "-rsa", at.String())
			caller.succeeds(t)
			callee.succeeds(t)
			call := srv.finished(t, 1)[0]
			expect(t, call, "state", "answered")
			expect(t, call, "released_by", c.by)

			// A hold goes from one phone to us and from us to the other one; INFO and BYE go
			// the other way round.
			for _, phone := range []netip.AddrPort{caller.addr, callee.addr} {
				for _, method := range []string{"INVITE", "ACK", "INFO", "BYE"} {
					in := fmt.Sprintf("within a call: %s from %s to %s", method, phone, srv.udp)
					out := fmt.Sprintf("within a call: %s from %s to %s", method, srv.udp, phone)
					n := strings.Count(proxy.out.String(), in) + strings.Count(proxy.out.String(), out)
					want := map[string]int{"INVITE": 2, "ACK": 3, "INFO": 1, "BYE": 1}[method]
					if n < want {
						t.Errorf("%d of %s between us and %s by the proxy, want %d", n, method, phone, want)
					}
				}
			}
		})
	}
}
