package b2bua

import (
	"context"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/emiago/sipgo/sip"

	"tandem/media"
)

const cryptoLine = "a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:WVNfX19zZW1jdGwgKCkgewkyMjA7fQp9CnVubGVz\r\n"

// secured is a peer's body over a secure profile.
func secured(body string) string {
	return strings.Replace(body, "RTP/AVP", "RTP/SAVP", 1) + cryptoLine
}

func preferring(e media.Encryption) func(*Options) {
	return func(o *Options) {
		o.Preferences = func(user string) Preferences {
			if user == "1001" {
				return Preferences{Encryption: e}
			}
			return Preferences{}
		}
	}
}

// TestEncryptionByUser: what a user's phone is offered, and what the record says of both legs.
func TestEncryptionByUser(t *testing.T) {
	for _, c := range []struct {
		name     string
		e        media.Encryption
		proto    string
		keys     bool
		answer   func(string) string
		recorded string
	}{
		{"off", media.EncryptNever, "RTP/AVP", false, func(s string) string { return s }, "off"},
		{"optional, taken", media.EncryptOptional, "RTP/AVP", true, func(s string) string { return s + cryptoLine }, "sdes"},
		{"optional, left", media.EncryptOptional, "RTP/AVP", true, func(s string) string { return s }, "off"},
		{"required", media.EncryptAlways, "RTP/SAVP", true, secured, "sdes"},
	} {
		t.Run(c.name, func(t *testing.T) {
			inWorld(t, ringing, func(w *world) {
				phone, caller := w.peer(1), w.peer(2)
				phone.registers("1001", "first", "Contact: <sip:1001@10.0.1.1>")
				caller.calls("1001")
				phone.fresh()
				invite := phone.request(sip.INVITE)
				body := string(invite.Body())
				if !strings.Contains(body, " "+c.proto+" ") || strings.Contains(body, "a=crypto:") != c.keys {
					t.Errorf("offered\n%s", body)
				}
				phone.answer(invite, 200, "b", c.answer(phone.body))
				phone.request(sip.ACK)
				res := caller.response(200)
				caller.remote, caller.target = res.To().Value(), res.Contact().Address.String()
				caller.send("ACK", "1001", "")
				caller.hangsUp()
				phone.hungUp()
				r := w.last()
				if r.Legs[0].SRTP != "off" || r.Legs[1].SRTP != c.recorded {
					t.Errorf("recorded as %s and %s", r.Legs[0].SRTP, r.Legs[1].SRTP)
				}
				for _, e := range r.Events {
					if strings.Contains(e.Text, "inline:") {
						t.Errorf("a key in the record: %s", e.Text)
					}
				}
			}, guardedFor("10.0.1.2/32"), preferring(c.e))
		})
	}
}

// TestEncryptionOfATrunk: a trunk that has to be encrypted, in both directions.
func TestEncryptionOfATrunk(t *testing.T) {
	cfg := carrier(t, 2)
	cfg.SRTP = "required"
	inWorld(t, func(ctx context.Context, c *Call) error {
		if c.Trunk() != "" {
			return c.Answer(ctx, nil)
		}
		_, err := c.BridgeTo(ctx, []string{"trunk:carrier/" + c.Number()}, DialOptions{})
		return err
	}, func(w *world) {
		a, b := w.peer(1), w.peer(2)
		a.calls("+4420")
		invite := b.request(sip.INVITE)
		if body := string(invite.Body()); !strings.Contains(body, " RTP/SAVP ") {
			t.Errorf("offered\n%s", body)
		}
		b.talksTo(invite) // in the clear
		b.hungUp()
		a.response(488)
		a.refused()
		if r := w.last(); r.Call.SIPCode != 488 {
			t.Errorf("recorded as %d", r.Call.SIPCode)
		}

		plain := b.fresh()
		plain.send("INVITE", "4421", b.body)
		plain.response(488)
		plain.refused()
		plain.fresh()
		plain.body = secured(plain.body)
		plain.talks("4421")
		plain.hungUp()
		time.Sleep(time.Second) // virtual
		if r := w.last(); r.Legs[0].SRTP != "sdes" {
			t.Errorf("recorded as %s", r.Legs[0].SRTP)
		}
	}, withTrunks(cfg))
}

// TestCodecsOfAUser: a user's phone is offered them, and heard by them when it calls.
func TestCodecsOfAUser(t *testing.T) {
	serve := func(ctx context.Context, c *Call) error {
		if c.Number() == "1001" {
			return ringing(ctx, c)
		}
		return answering(ctx, c)
	}
	inWorld(t, serve, func(w *world) {
		phone, caller := w.peer(1), w.peer(2)
		phone.registers("1001", "first", "Contact: <sip:1001@10.0.1.1>")
		caller.calls("1001")
		phone.fresh()
		invite := phone.request(sip.INVITE)
		if body := string(invite.Body()); strings.Contains(body, "PCMU") || !strings.Contains(body, "PCMA") {
			t.Errorf("offered\n%s", body)
		}
		phone.answer(invite, 486, "b", "")
		phone.request(sip.ACK)
		caller.response(486)
		caller.refused()

		both := strings.Replace(phone.body, "RTP/AVP 0 101\r\n", "RTP/AVP 0 8 101\r\na=rtpmap:8 PCMA/8000\r\n", 1)
		for _, tt := range []struct {
			user, password, takes string
		}{{"1001", "first", "PCMA"}, {"1002", "second", "PCMU"}} {
			res := phone.fresh().tries("INVITE", "echo", both, tt.user, tt.password)
			if body := string(res.Body()); res.StatusCode != 200 || !strings.Contains(body, tt.takes) || strings.Contains(strings.Replace(body, tt.takes, "", 1), "PCM") {
				t.Errorf("%s is answered with\n%s", tt.user, res)
			}
			phone.remote, phone.target = res.To().Value(), res.Contact().Address.String()
			phone.send("ACK", "", "")
			phone.hangsUp()
		}
	}, guarded, func(o *Options) {
		o.ACL = trusting(netip.MustParsePrefix("10.0.1.2/32"))
		o.Codecs = []string{"pcmu", "pcma"}
		o.Preferences = func(user string) Preferences {
			if user == "1001" {
				return Preferences{Codecs: []string{"pcma"}}
			}
			return Preferences{}
		}
	})
}
