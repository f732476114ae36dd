//go:build interop

package interop

import (
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestPhonesCallEachOther: two baresips register with digest, one calls the
// other by its number, and each hears what the other one says.
func TestPhonesCallEachOther(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ name, transport, acl string }{
		{"trusted over UDP", "udp", ""},
		{"trusted over TCP", "tcp", ""},
		{"INVITEs challenged over UDP", "udp", trustNobody},
		{"INVITEs challenged over TCP", "tcp", trustNobody},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			srv := serve(t, setup{config: twoUsers + c.acl})
			domain, params := srv.udp, ""
			if c.transport == "tcp" {
				domain, params = srv.tcp, ";transport=tcp"
			}
			sayings := t.TempDir()
			alice, bob := chirp(300, 3000, 30*8000), chirp(3000, 400, 30*8000)
			writeWAV(t, filepath.Join(sayings, "alice.wav"), alice)
			writeWAV(t, filepath.Join(sayings, "bob.wav"), bob)

			a, b := softphoneAt(t, filepath.Join(sayings, "alice.wav")), softphoneAt(t, filepath.Join(sayings, "bob.wav"))
			a.login(t, account{user: "1001", password: "first secret", domain: domain, transport: c.transport, register: true})
			b.login(t, account{user: "1002", password: "second secret", domain: domain, transport: c.transport, register: true})

			a.call(t, "sip:1002@"+domain.String()+params)
			a.hears(t, 3*time.Second)
			b.hears(t, 3*time.Second)
			heardByA := a.heard(t)
			heardByB := b.heard(t)

			// The second second of what each says: the first may be cut by latching.
			holds(t, "what Alice heard", heardByA, bob[8000:16000], alice[8000:16000])
			holds(t, "what Bob heard", heardByB, alice[8000:16000], bob[8000:16000])

			call := srv.finished(t, 1)[0]
			expect(t, call, "state", "answered")
			expect(t, call, "from_user", "1001")
			expect(t, call, "to_user", "1002")
			expect(t, call, "auth_user", "1001")
			expect(t, call, "released_by", "caller")
			challenged := strings.Contains(a.out.String(), "\nProxy-Authorization:") ||
				strings.Count(a.out.String(), "\nAuthorization:") > strings.Count(a.out.String(), "REGISTER sip:")/2
			if c.acl != "" && !challenged {
				t.Error("Alice's INVITE was not challenged, and the ACL trusts nobody")
			}
		})
	}
}

// holds checks that a recording holds one sound and not the other.
func holds(t *testing.T, what string, recording, sound, other []int16) {
	t.Helper()
	is, isNot := find(sound, recording), find(other, recording)
	t.Logf("%s: %.1f s, correlation %.3f (%.3f with the wrong sound)", what, float64(len(recording))/8000, is.score, isNot.score)
	if is.score < 0.9 {
		t.Errorf("%s does not hold the sound: correlation %.3f", what, is.score)
	}
	if isNot.score > 0.4 {
		t.Errorf("%s holds the wrong sound: correlation %.3f", what, isNot.score)
	}
}
