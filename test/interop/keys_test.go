//go:build interop

package interop

import (
	"strconv"
	"strings"
	"testing"
	"time"
)

// TestPhonePressesAllKeys: baresip 1.0 presses its keys by RFC 4733 alone; the script has each
// once, also those that are pressed twice in a row.
func TestPhonePressesAllKeys(t *testing.T) {
	t.Parallel()
	const keys = "1122334455667788990*#ABCD"
	srv := serve(t, setup{scripts: map[string]string{"50-main.lua": keyTaker}})
	p := newSoftphone(t, nil)
	p.login(t, account{user: "visitor", domain: srv.udp})
	p.call(t, srv.uri(strconv.Itoa(len(keys))))
	for i, key := range keys {
		p.says(t, time.Duration(i+1)*400*time.Millisecond) // time enough to let go of the one before
		p.command(t, "sndcode", string(key))
	}
	p.await(t, "CALL_CLOSED") // the script hangs up
	srv.tookKeys(t, srv.finished(t, 1)[0], keys)
}

// TestPhoneIsToldKeys: a script sends keys to baresip by RFC 4733 and by INFO.
func TestPhoneIsToldKeys(t *testing.T) {
	t.Parallel()
	const keys = "159*0#D77"
	for _, mode := range []string{"rfc4733", "info"} {
		t.Run(mode, func(t *testing.T) {
			t.Parallel()
			srv := serve(t, setup{config: "[[user]]\nname = \"1001\"\npassword = \"first-secret\"\ndtmf = \"" + mode + "\"\n",
				scripts: map[string]string{"50-main.lua": `return { on_call = function(call)
					call:answer()
					call:sleep(1)
					call:send_dtmf("` + keys + `")
					call:sleep(30)
				end }`}})
			p := newSoftphone(t, nil)
			p.login(t, account{user: "1001", password: "first-secret", domain: srv.udp, register: true})
			p.call(t, srv.uri("5000"))
			eventually(t, "baresip has been told as many keys", func() bool { return len(p.toldKeys()) >= len(keys) })
			p.command(t, "hangup", "")
			p.await(t, "CALL_CLOSED")
			if got := p.toldKeys(); got != keys {
				t.Errorf("baresip was told %s, want %s", got, keys)
			}
			call := srv.finished(t, 1)[0]
			expect(t, srv.legs(t, call)[0], "dtmf_mode", mode)
		})
	}
}

// toldKeys are those that the far end has pressed, as baresip tells them.
func (s *softphone) toldKeys() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var keys strings.Builder
	for _, e := range s.events {
		if e.Type == "CALL_DTMF_START" {
			keys.WriteString(e.Param)
		}
	}
	return keys.String()
}
