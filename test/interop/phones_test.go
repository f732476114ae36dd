//go:build interop

package interop

import (
	"regexp"
	"strings"
	"testing"
	"time"
)

// challengedInvite finds a 401 to an INVITE in the messages that baresip prints;
// an escape sequence ends each.
var challengedInvite = regexp.MustCompile(`SIP/2\.0 401 [^\x1b]*\nCSeq: \d+ INVITE`)

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
			alice, bob := chirp(300, 3000, 30*time.Second), chirp(3000, 400, 30*time.Second)
			a, b := newSoftphone(t, alice), newSoftphone(t, bob)
			a.login(t, account{user: "1001", password: "first-secret", domain: domain, transport: c.transport, register: true})
			b.login(t, account{user: "1002", password: "second-secret", domain: domain, transport: c.transport, register: true})

			a.call(t, "sip:1002@"+domain.String()+params)
			a.hears(t, 3*time.Second)
			b.hears(t, 3*time.Second)
			heardByA := a.heard(t)
			heardByB := b.heard(t)

			// The second second of what each says: the first may be cut by latching.
			holds(t, "what Alice heard", heardByA, second(bob, 1), second(alice, 1))
			holds(t, "what Bob heard", heardByB, second(alice, 1), second(bob, 1))

			call := srv.finished(t, 1)[0]
			expect(t, call, "state", "answered")
			expect(t, call, "from_user", "1001")
			expect(t, call, "to_user", "1002")
			expect(t, call, "auth_user", "1001")
			expect(t, call, "released_by", "caller")
			if challenged := challengedInvite.MatchString(a.out.String()); challenged != (c.acl != "") {
				t.Errorf("Alice's INVITE was challenged: %v", challenged)
			}
		})
	}
}

// TestPhonesWithoutACommonCodec: one speaks µ-law only, the other A-law only.
func TestPhonesWithoutACommonCodec(t *testing.T) {
	t.Parallel()
	srv := serve(t, setup{config: twoUsers})
	alice, bob := chirp(300, 3000, 30*time.Second), chirp(3000, 400, 30*time.Second)
	a, b := newSoftphone(t, alice), newSoftphone(t, bob)
	a.login(t, account{user: "1001", password: "first-secret", domain: srv.udp, codecs: "pcmu"})
	b.login(t, account{user: "1002", password: "second-secret", domain: srv.udp, codecs: "pcma", register: true})
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
		want := []string{"pcmu", "pcma"}[i]
		if codec, _ := leg["codec"].(string); !strings.EqualFold(codec, want) {
			t.Errorf("leg %d speaks %s, want %s", i+1, codec, want)
		}
	}
}

// TestPhonesWithCodecs: two phones with one codec are relayed, two with different ones are
// transcoded, and what each hears is what the other said. It is not parallel: Opus in two
// phones needs what the machine has.
func TestPhonesWithCodecs(t *testing.T) {
	for _, c := range []struct{ alice, bob string }{{"g722", "g722"}, {"opus", "opus"}, {"opus", "g722"}, {"pcmu", "opus"}} {
		t.Run(c.alice+" and "+c.bob, func(t *testing.T) {
			srv := serve(t, setup{config: twoUsers})
			alice, bob := chirp(300, 3000, 30*time.Second), chirp(3000, 400, 30*time.Second)
			a, b := newSoftphone(t, alice), newSoftphone(t, bob)
			full := map[string]string{"pcmu": "pcmu", "g722": "G722/16000/1", "opus": "opus/48000/1"} // as baresip names them
			a.login(t, account{user: "1001", password: "first-secret", domain: srv.udp, codecs: full[c.alice]})
			b.login(t, account{user: "1002", password: "second-secret", domain: srv.udp, codecs: full[c.bob], register: true})
			times := map[string]time.Duration{"pcmu": 1, "g722": 2, "opus": 6} // 8 kHz, as files are written and grow
			a.speaksAt(t, alice, phoneRate*int(times[c.alice]))
			b.speaksAt(t, bob, phoneRate*int(times[c.bob]))
			a.call(t, srv.uri("1002"))
			a.hears(t, 5*time.Second*times[c.alice])
			b.hears(t, 5*time.Second*times[c.bob])
			heardByA := a.heard(t)
			heardByB := b.heard(t)
			holdsPieces(t, "what Alice heard", heardByA, bob[phoneRate:4*phoneRate], second(alice, 1))
			holdsPieces(t, "what Bob heard", heardByB, alice[phoneRate:4*phoneRate], second(bob, 1))
			call := srv.finished(t, 1)[0]
			expect(t, call, "state", "answered")
			for i, leg := range srv.legs(t, call) {
				want := []string{c.alice, c.bob}[i]
				if codec, _ := leg["codec"].(string); !strings.EqualFold(codec, want) {
					t.Errorf("leg %d speaks %s, want %s", i+1, codec, want)
				}
			}
		})
	}
}
