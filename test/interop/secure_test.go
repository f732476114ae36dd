//go:build interop

package interop

import (
	"regexp"
	"strings"
	"testing"
	"time"
)

// anyKey finds a key of SRTP in whatever the server has written or kept.
var anyKey = regexp.MustCompile(`inline:[A-Za-z0-9+/]{20}`)

// TestEncryptedCalls: one baresip encrypts, the other does not, or both do, each in its own
// way; each hears what the other one says.
func TestEncryptedCalls(t *testing.T) {
	t.Parallel()
	const plain = ""
	for _, c := range []struct {
		name, alice, bob, policy string
		recorded                 [2]string
	}{
		{"keys in SDP, to plain", ";mediaenc=srtp-mand", plain, "", [2]string{"sdes", "off"}},
		{"plain, to keys in SDP", plain, ";mediaenc=srtp-mand", `srtp = "required"`, [2]string{"off", "sdes"}},
		{"keys beside plain RTP", ";mediaenc=srtp", ";mediaenc=srtp", `srtp = "optional"`, [2]string{"sdes", "sdes"}},
		{"keys that nobody takes", plain, plain, `srtp = "optional"`, [2]string{"off", "off"}},
		{"DTLS, to plain", ";mediaenc=dtls_srtp", plain, "", [2]string{"dtls", "off"}},
		{"DTLS and ICE, to keys in SDP", ";mediaenc=dtls_srtp;medianat=ice", ";mediaenc=srtp-mand", `srtp = "required"`, [2]string{"dtls", "sdes"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			srv := serve(t, setup{config: twoUsers + c.policy + "\n"}) // Bob's
			alice, bob := chirp(300, 3000, 30*time.Second), chirp(3000, 400, 30*time.Second)
			a, b := newSoftphone(t, alice), newSoftphone(t, bob)
			a.login(t, account{user: "1001", password: "first-secret", domain: srv.udp, media: c.alice})
			b.login(t, account{user: "1002", password: "second-secret", domain: srv.udp, register: true, media: c.bob})
			a.call(t, srv.uri("1002"))
			a.hears(t, 3*time.Second)
			b.hears(t, 3*time.Second)
			heardByA := a.heard(t)
			heardByB := b.heard(t)
			holds(t, "what Alice heard", heardByA, second(bob, 1), second(alice, 1))
			holds(t, "what Bob heard", heardByB, second(alice, 1), second(bob, 1))

			call := srv.finished(t, 1)[0]
			expect(t, call, "state", "answered")
			for i, leg := range srv.legs(t, call) {
				if leg["srtp"] != c.recorded[i] {
					t.Errorf("leg %d: recorded as %v, want %s", i+1, leg["srtp"], c.recorded[i])
				}
			}
			if key := anyKey.FindString(srv.out.String()); key != "" {
				t.Errorf("the server has printed a key: %s", strings.Repeat("*", len(key)))
			}
		})
	}
}
