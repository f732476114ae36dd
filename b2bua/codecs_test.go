package b2bua

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/emiago/sipgo/sip"
)

// speaking is the peer's description with other codecs.
func (p *peer) speaking(formats, lines string) string {
	return fmt.Sprintf("v=0\r\no=- 1 1 IN IP4 %[1]s\r\ns=-\r\nc=IN IP4 %[1]s\r\nt=0 0\r\nm=audio 4000 RTP/AVP %[2]s\r\n%[3]s",
		p.addr.Addr(), formats, lines)
}

// formatsOf are the payload types of a description's first stream.
func formatsOf(t *testing.T, body []byte) string {
	t.Helper()
	for line := range strings.Lines(string(body)) {
		if f := strings.Fields(line); strings.HasPrefix(line, "m=audio ") {
			return strings.Join(f[3:], " ")
		}
	}
	t.Fatalf("no audio in\n%s", body)
	return ""
}

func manyCodecs(o *Options) { o.Codecs = []string{"opus", "g722", "pcmu", "pcma"} }

const opusLine = "a=rtpmap:98 opus/48000/2\r\n"

// TestTheCallersCodecsAreOfferedFirst, and the caller is answered with the one that was taken.
func TestTheCallersCodecsAreOfferedFirst(t *testing.T) {
	for _, c := range []struct{ name, caller, lines, offered, taken, answered string }{
		{"its order", "8 9 0", "", "8 9 0 111 101 110", "8", "8"},
		{"what the callee took", "8 9 0", "", "8 9 0 111 101 110", "0", "0"},
		{"opus by the caller's number", "98 0", opusLine, "111 0 9 8 101 110", "111", "98"},
		{"none in common", "98", opusLine, "111 9 0 8 101 110", "8", "98"},
	} {
		t.Run(c.name, func(t *testing.T) {
			inWorld(t, func(ctx context.Context, call *Call) error {
				_, err := call.BridgeTo(ctx, []string{"sip:bob@10.0.1.2:5060"}, DialOptions{})
				return err
			}, func(w *world) {
				a, b := w.peer(1), w.peer(2)
				a.body = a.speaking(c.caller, c.lines)
				a.calls("bob")
				invite := b.request(sip.INVITE)
				if got := formatsOf(t, invite.Body()); got != c.offered {
					t.Errorf("offered %s, want %s", got, c.offered)
				}
				b.answer(invite, 200, "b", b.speaking(c.taken, "a=rtpmap:111 opus/48000/2\r\n"))
				b.request(sip.ACK)
				res := a.response(200)
				if got := formatsOf(t, res.Body()); got != c.answered {
					t.Errorf("answered with %s, want %s", got, c.answered)
				}
				a.send("ACK", "bob", "")
				a.silent(time.Second) // there is nothing to negotiate anew
				a.hangsUp()
				b.hungUp()
			}, manyCodecs)
		})
	}
}

// TestReinvitesForACommonCodec: the caller was answered before anybody was dialled, with a
// codec that the callee does not take.
func TestReinvitesForACommonCodec(t *testing.T) {
	inWorld(t, func(ctx context.Context, call *Call) error {
		if err := call.Answer(ctx, nil); err != nil {
			return err
		}
		_, err := call.BridgeTo(ctx, []string{"sip:bob@10.0.1.2:5060"}, DialOptions{})
		return err
	}, func(w *world) {
		a, b := w.peer(1), w.peer(2)
		a.body = a.speaking("9 8 0", "")
		a.talks("bob")
		invite := b.request(sip.INVITE)
		if got := formatsOf(t, invite.Body()); got != "9 8 0 111 101 110" {
			t.Errorf("offered %s", got)
		}
		b.answer(invite, 200, "b", b.speaking("8", ""))
		b.request(sip.ACK)
		again := a.request(sip.INVITE)
		if got := formatsOf(t, again.Body()); !strings.HasPrefix(got, "8 ") {
			t.Errorf("asked anew for %s", got)
		}
		a.answer(again, 200, "", a.speaking("8", ""))
		a.request(sip.ACK)
		b.silent(time.Second)
		b.send("BYE", "", "")
		b.response(200)
		a.hungUp()
		if r := w.last(); r.Legs[0].Codec != "PCMA" || r.Legs[1].Codec != "PCMA" {
			t.Errorf("recorded as %s and %s", r.Legs[0].Codec, r.Legs[1].Codec)
		}
	}, manyCodecs)
}

// TestCodecsOfADial: a script's list is offered as it stands, a user's and a trunk's bound
// what is offered.
func TestCodecsOfADial(t *testing.T) {
	for _, c := range []struct {
		name, target, offered string
		codecs                []string
	}{
		{"script", "sip:bob@10.0.1.2:5060", "9 0 101", []string{"g722", "pcmu"}},
		{"trunk", "trunk:carrier/4420", "8 0 101", nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			cfg := carrier(t, 2)
			cfg.Codecs = []string{"pcmu", "pcma"}
			inWorld(t, func(ctx context.Context, call *Call) error {
				_, err := call.BridgeTo(ctx, []string{c.target}, DialOptions{Codecs: c.codecs})
				return err
			}, func(w *world) {
				a, b := w.peer(1), w.peer(2)
				a.body = a.speaking("8 0", "")
				a.calls("bob")
				invite := b.request(sip.INVITE)
				if got := formatsOf(t, invite.Body()); got != c.offered {
					t.Errorf("offered %s, want %s", got, c.offered)
				}
				b.answer(invite, 200, "b", b.speaking("0", ""))
				b.request(sip.ACK)
				a.response(200)
				a.send("ACK", "bob", "")
				a.hangsUp()
				b.hungUp()
			}, manyCodecs, withTrunks(cfg))
		})
	}
}
