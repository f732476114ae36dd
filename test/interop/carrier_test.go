//go:build interop

package interop

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"
)

// trunkState is what the API tells of the only trunk and of its registration.
func trunkState(t *testing.T, srv *server) (state, registration string) {
	t.Helper()
	var answer struct {
		Items []struct {
			State        string
			Registration struct{ State string }
		}
	}
	srv.get(t, "/trunks", &answer)
	if len(answer.Items) != 1 {
		t.Fatalf("%d trunks", len(answer.Items))
	}
	return answer.Items[0].State, answer.Items[0].Registration.State
}

// TestTrunkRegistersWithKamailio: our trunk is an account of a carrier that runs Kamailio. It
// registers, is called and calls; the carrier restarts and has forgotten everything; the trunk
// registers again by itself, and is called as before.
func TestTrunkRegistersWithKamailio(t *testing.T) {
	t.Parallel()
	callee := sipp(t, "uas", netip.AddrPort{})
	carrier, at := anyKamailio(t, "kamailio_registrar.cfg", callee.addr)
	srv := serve(t, setup{
		config: fmt.Sprintf("[[trunk]]\nname = \"carrier\"\nhosts = [%q]\nusername = \"me\"\npassword = \"s3cret\"\nregister = true\ncheck = \"1s\"\n", at),
		scripts: map[string]string{"50-main.lua": `
			return { on_call = function(call)
				if call.trunk then
					call:answer()
					call:sleep(60)
				else
					call:bridge("trunk:carrier/" .. call.number)
				end
			end }`},
	})
	registered := func() {
		t.Helper()
		eventually(t, "the trunk is registered", func() bool {
			state, registration := trunkState(t, srv)
			return state == "up" && registration == "registered"
		})
	}
	called := func() { sipp(t, "uac_basic.xml", at, "-s", "me").succeeds(t) }

	registered()
	called()
	// From another address of this machine: the carrier's own is the trunk, whoever calls from it.
	sippOn(t, netip.MustParseAddr("127.0.0.2"), "uac_basic.xml", srv.udp, "-s", "5000").succeeds(t)
	callee.succeeds(t)

	carrier.end()
	eventually(t, "the trunk is seen to be down", func() bool {
		state, _ := trunkState(t, srv)
		return state == "down"
	})
	again := kamailioAt(t, "kamailio_registrar.cfg", at, callee.addr)
	if again == nil {
		t.Fatal("another program has taken the carrier's port meanwhile")
	}
	eventually(t, "the carrier that has forgotten us hears of us", func() bool { return strings.Contains(again.out.String(), "registered me at") })
	registered()
	called()

	calls := srv.finished(t, 3)
	for i, want := range []string{"inbound", "outbound", "inbound"} {
		expect(t, calls[i], "state", "answered")
		expect(t, calls[i], "direction", want)
		expect(t, calls[i], "trunk", "carrier")
	}
}
