package b2bua

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/emiago/sipgo/sip"

	"tandem/media/sdp"
)

func bobRelayed(ctx context.Context, c *Call) error {
	_, err := c.BridgeTo(ctx, []string{"sip:bob@10.0.1.2"}, DialOptions{})
	return err
}

const videoLine = "m=video 5000 RTP/AVP 96\r\na=rtpmap:96 H264/90000\r\na=fmtp:96 profile-level-id=42e01f\r\na=mid:v\r\n"

// fax is a description with a T.38 stream at the place of the audio.
func (p *peer) fax() string {
	return fmt.Sprintf("v=0\r\no=- 1 2 IN IP4 %[1]s\r\ns=-\r\nc=IN IP4 %[1]s\r\nt=0 0\r\nm=image 6000 udptl t38\r\na=T38FaxVersion:0\r\n"+
		"a=T38FaxRateManagement:transferredTCF\r\n", p.addr.Addr())
}

// streams are those that a message of the server's describes; its addresses are all ours.
func (w *world) streams(m sip.Message) []sdp.Media {
	w.t.Helper()
	d, err := sdp.Parse(m.Body())
	if err != nil {
		w.t.Fatalf("%v:\n%s", err, m)
	}
	for i := range d.Media {
		if at := d.ConnOf(&d.Media[i]).Addr; at != w.addr.Addr() {
			w.t.Errorf("stream %d is at %s", i, at)
		}
	}
	return d.Media
}

// streamKinds are what the streams are, "-" before those that are refused.
func streamKinds(list []sdp.Media) string {
	var names []string
	for _, m := range list {
		if m.Port == 0 {
			m.Type = "-" + m.Type
		}
		names = append(names, m.Type)
	}
	return strings.Join(names, " ")
}

func (w *world) describes(m sip.Message, want string) []sdp.Media {
	w.t.Helper()
	list := w.streams(m)
	if got := streamKinds(list); got != want {
		w.t.Fatalf("describes %q, want %q:\n%s", got, want, m)
	}
	return list
}

func (w *world) portsUsed(want int) {
	w.t.Helper()
	synctest.Wait()
	if _, used := w.engine.Ports(); used != want {
		w.t.Errorf("%d pairs of ports in use, want %d", used, want)
	}
}

func TestVideoIsRelayed(t *testing.T) {
	inWorld(t, bobRelayed, func(w *world) {
		a, b := w.peer(1), w.peer(2)
		a.body += videoLine
		a.calls("200")
		invite := b.request(sip.INVITE)
		video := w.describes(invite, "audio video")[1]
		if c := video.Codecs[0]; c.PayloadType != 96 || c.Name != "H264" || c.Fmtp != "profile-level-id=42e01f" || video.Port == 5000 {
			t.Errorf("video offered as %+v", video)
		}
		if _, named := video.Get("mid"); named {
			t.Error("the name of the stream is passed on")
		}
		b.answer(invite, 200, "b", b.body+videoLine)
		b.request(sip.ACK)
		back := w.describes(a.response(200), "audio video")[1]
		if back.Port == 5000 || back.Port == video.Port || back.Codecs[0].Fmtp != "profile-level-id=42e01f" {
			t.Errorf("video answered as %+v", back)
		}
		a.send("ACK", "200", "")
		w.portsUsed(4)

		// A hold of everything is carried over; so is the end of the video.
		held := strings.ReplaceAll(a.body, "a=mid:v", "a=sendonly")
		a.send("INVITE", "", held)
		re := b.request(sip.INVITE)
		if m := w.describes(re, "audio video")[1]; m.Direction != sdp.SendOnly || m.Port != video.Port {
			t.Errorf("hold carried over as %+v", m)
		}
		b.answer(re, 200, "", b.body+strings.ReplaceAll(videoLine, "a=mid:v", "a=recvonly"))
		b.request(sip.ACK)
		if m := w.describes(a.response(200), "audio video")[1]; m.Direction != sdp.RecvOnly || m.Port != back.Port {
			t.Errorf("hold answered as %+v", m)
		}
		a.send("ACK", "", "")
		synctest.Wait()

		gone := strings.Replace(videoLine, "5000", "0", 1)
		b.send("INVITE", "", b.body+gone)
		re = a.request(sip.INVITE)
		w.describes(re, "audio -video")
		a.answer(re, 200, "", strings.Replace(a.body, "m=video 5000", "m=video 0", 1))
		a.request(sip.ACK)
		w.describes(b.response(200), "audio -video")
		b.send("ACK", "", "")
		w.portsUsed(2)
		a.hangsUp()
		b.hungUp()
		w.portsUsed(0)
	})
}

func TestVideoRefused(t *testing.T) {
	inWorld(t, bobRelayed, func(w *world) {
		a, b := w.peer(1), w.peer(2)
		a.body += videoLine + "m=application 7000 UDP/BFCP *\r\n"
		a.calls("200")
		invite := b.request(sip.INVITE)
		w.describes(invite, "audio video")
		b.answer(invite, 200, "b", b.body+strings.Replace(videoLine, "5000", "0", 1))
		b.request(sip.ACK)
		w.describes(a.response(200), "audio -video -application")
		a.send("ACK", "200", "")
		w.portsUsed(2)
		a.hangsUp()
		b.hungUp()
	})
}

func TestVideoOfACallNotTaken(t *testing.T) {
	inWorld(t, bobRelayed, func(w *world) {
		a, b := w.peer(1), w.peer(2)
		a.body += videoLine
		a.calls("200")
		invite := b.request(sip.INVITE)
		w.portsUsed(3)
		b.answer(invite, 486, "b", "")
		b.request(sip.ACK)
		a.response(486)
		a.refused()
		w.portsUsed(0)
	})
}

func TestVideoStaysOffWhereItMustBeEncrypted(t *testing.T) {
	inWorld(t, bobRelayed, func(w *world) {
		a, b := w.peer(1), w.peer(2)
		a.body += strings.Replace(videoLine, "RTP/AVP", "RTP/SAVP", 1)
		a.calls("200")
		invite := b.request(sip.INVITE)
		w.describes(invite, "audio")
		b.answer(invite, 200, "b", b.body)
		b.request(sip.ACK)
		w.describes(a.response(200), "audio -video")
		a.send("ACK", "200", "")
		a.hangsUp()
		b.hungUp()
	})
}

// inFaxCall runs test in a call whose media time out after a minute.
func inFaxCall(t *testing.T, test func(w *world, a, b *peer)) {
	inWorld(t, bobRelayed, func(w *world) {
		a, b := w.peer(1), w.peer(2)
		a.calls("200")
		invite := b.request(sip.INVITE)
		b.answer(invite, 200, "b", b.body)
		b.request(sip.ACK)
		a.response(200)
		a.send("ACK", "200", "")
		synctest.Wait()
		test(w, a, b)
		a.hangsUp()
		b.hungUp()
		w.portsUsed(0)
	}, func(o *Options) { o.MediaTimeout = time.Minute })
}

// offers sends a re-INVITE that other is offered; it answers with its body.
func (p *peer) offers(other *peer, body, want, answer, back string) (offered, answered []sdp.Media) {
	p.w.t.Helper()
	p.send("INVITE", "", body)
	re := other.request(sip.INVITE)
	offered = p.w.describes(re, want)
	other.answer(re, 200, "", answer)
	other.request(sip.ACK)
	answered = p.w.describes(p.response(200), back)
	p.send("ACK", "", "")
	synctest.Wait()
	return offered, answered
}

func TestFaxReplacesTheAudio(t *testing.T) {
	for _, from := range []string{"caller", "callee"} {
		t.Run(from, func(t *testing.T) {
			inFaxCall(t, func(w *world, a, b *peer) {
				p, q := a, b
				if from == "callee" {
					p, q = b, a
				}
				offered, answered := p.offers(q, p.fax(), "image", q.fax(), "image")
				if v, _ := offered[0].Get("T38FaxRateManagement"); v != "transferredTCF" || offered[0].Formats[0] != "t38" {
					t.Errorf("offered as %+v", offered[0])
				}
				w.portsUsed(4)
				if x, y := answered[0].Port, offered[0].Port; x == y || x == 6000 || y == 6000 || x%2+y%2 != 0 {
					t.Errorf("faxes by ports %d and %d", x, y)
				}
				p.silent(5 * time.Minute) // no audio is no reason to end the call
				p.offers(q, p.body, "audio", q.body, "audio")
				w.portsUsed(2)
			})
		})
	}
}

func TestFaxBesideTheAudio(t *testing.T) {
	inFaxCall(t, func(w *world, a, b *peer) {
		image := "m=image 6000 udptl t38\r\na=T38FaxVersion:0\r\n"
		quiet := strings.Replace(b.body, "m=audio 4000", "m=audio 0", 1)
		a.offers(b, a.body+image, "audio image", quiet+image, "-audio image")
		a.silent(5 * time.Minute)
	})
}

func TestFaxRefused(t *testing.T) {
	inFaxCall(t, func(w *world, a, b *peer) {
		b.send("INVITE", "", b.fax())
		re := a.request(sip.INVITE)
		a.answer(re, 488, "", "")
		a.request(sip.ACK)
		b.response(488)
		b.refused()
		w.portsUsed(2)
		b.send("INVITE", "", b.body)
		w.describes(b.response(200), "audio")
		b.send("ACK", "", "")
	})
}

func TestFaxAnsweredWithNothing(t *testing.T) {
	inFaxCall(t, func(w *world, a, b *peer) {
		a.send("INVITE", "", a.fax())
		re := b.request(sip.INVITE)
		b.answer(re, 200, "", strings.Replace(b.fax(), "6000", "0", 1))
		b.request(sip.ACK)
		m := b.request(sip.INVITE)
		w.describes(m, "audio")
		b.answer(m, 200, "", b.body)
		b.request(sip.ACK)
		a.response(488)
		a.refused()
		w.portsUsed(2)
	})
}
