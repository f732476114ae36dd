package media

import (
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"testing"

	"tandem/media/sdp"
)

func negotiated(formats ...string) *negotiation {
	list, err := formatsNamed(formats)
	if err != nil {
		panic(err)
	}
	n := newNegotiation(netip.MustParseAddrPort("192.0.2.10:30000"), list)
	return &n
}

func theirSDP(lines string) []byte {
	return []byte("v=0\r\no=x 1 1 IN IP4 198.51.100.1\r\ns=-\r\nc=IN IP4 198.51.100.1\r\nt=0 0\r\n" + lines)
}

// mLines are the m= lines of a description, and its direction attributes.
func mLines(b []byte) []string {
	var list []string
	for line := range strings.Lines(string(b)) {
		line = strings.TrimSpace(line)
		if strings.HasPrefix(line, "m=") || strings.HasPrefix(line, "a=send") || line == "a=recvonly" || line == "a=inactive" {
			list = append(list, line)
		}
	}
	return list
}

func TestAnswers(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, offer string
		want        sdp.Direction
		lines       string // of our answer, joined with |
		err         error
		sends       bool
		payload     uint8
		event       uint8
	}{
		{name: "one codec and events, in their order", offer: "m=audio 4000 RTP/AVP 18 8 0 101\r\na=rtpmap:101 telephone-event/8000\r\n",
			lines: "m=audio 30000 RTP/AVP 8 101|a=sendrecv", sends: true, payload: 8, event: 101},
		{name: "their number for events", offer: "m=audio 4000 RTP/AVP 0 97\r\na=rtpmap:97 telephone-event/8000\r\n",
			lines: "m=audio 30000 RTP/AVP 0 97|a=sendrecv", sends: true, event: 97},
		{name: "no events", offer: "m=audio 4000 RTP/AVP 0\r\n", lines: "m=audio 30000 RTP/AVP 0|a=sendrecv", sends: true, event: noPayload},
		{name: "a static codec by a dynamic number", offer: "m=audio 4000 RTP/AVP 100\r\na=rtpmap:100 pcma/8000\r\n",
			lines: "m=audio 30000 RTP/AVP 100|a=sendrecv", sends: true, payload: 100, event: noPayload},
		{name: "other streams are rejected in place", offer: "m=video 5000 RTP/AVP 96\r\na=rtpmap:96 H264/90000\r\nm=audio 4000 RTP/AVP 0\r\nm=audio 4002 RTP/AVP 0\r\nm=image 6000 udptl t38\r\n",
			lines: "m=video 0 RTP/AVP 96|a=inactive|m=audio 30000 RTP/AVP 0|a=sendrecv|m=audio 0 RTP/AVP 0|a=inactive|m=image 0 udptl t38|a=inactive", sends: true, event: noPayload},
		{name: "the second audio is the one we can take", offer: "m=audio 4000 RTP/SAVP 0\r\nm=audio 4002 RTP/AVP 0\r\n",
			lines: "m=audio 0 RTP/SAVP 0|a=inactive|m=audio 30000 RTP/AVP 0|a=sendrecv", sends: true, event: noPayload},
		{name: "held", offer: "m=audio 4000 RTP/AVP 0\r\na=sendonly\r\n", lines: "m=audio 30000 RTP/AVP 0|a=recvonly", event: noPayload},
		{name: "inactive", offer: "m=audio 4000 RTP/AVP 0\r\na=inactive\r\n", lines: "m=audio 30000 RTP/AVP 0|a=inactive", event: noPayload},
		{name: "listens only", offer: "m=audio 4000 RTP/AVP 0\r\na=recvonly\r\n", lines: "m=audio 30000 RTP/AVP 0|a=sendonly", sends: true, event: noPayload},
		{name: "held the old way", offer: "c=IN IP4 0.0.0.0\r\nm=audio 4000 RTP/AVP 0\r\n", lines: "m=audio 30000 RTP/AVP 0|a=recvonly", event: noPayload},
		{name: "we hold them", want: sdp.SendOnly, offer: "m=audio 4000 RTP/AVP 0\r\n", lines: "m=audio 30000 RTP/AVP 0|a=sendonly", sends: true, event: noPayload},
		{name: "feedback profile", offer: "m=audio 4000 RTP/AVPF 0\r\n", lines: "m=audio 30000 RTP/AVPF 0|a=sendrecv", sends: true, event: noPayload},
		{name: "no codec in common", offer: "m=audio 4000 RTP/AVP 18\r\n", err: ErrNotAcceptable},
		{name: "events only", offer: "m=audio 4000 RTP/AVP 101\r\na=rtpmap:101 telephone-event/8000\r\n", err: ErrNotAcceptable},
		{name: "no audio", offer: "m=video 4000 RTP/AVP 96\r\na=rtpmap:96 H264/90000\r\n", err: ErrNotAcceptable},
		{name: "audio with port 0", offer: "m=audio 0 RTP/AVP 0\r\n", err: ErrNotAcceptable},
		{name: "no stream", offer: "", err: ErrNotAcceptable},
		{name: "secure only", offer: "m=audio 4000 RTP/SAVP 0\r\n", err: ErrNotAcceptable},
		{name: "the other family", offer: "m=audio 4000 RTP/AVP 0\r\nc=IN IP6 2001:db8::1\r\n", err: ErrNotAcceptable},
		{name: "nonsense", offer: "m=audio port RTP/AVP 0\r\n", err: sdp.ErrMalformed},
	} {
		t.Run(c.name, func(t *testing.T) {
			n := negotiated("PCMU", "PCMA")
			n.want = c.want
			b, err := n.answer(theirSDP(c.offer))
			if !errors.Is(err, c.err) {
				t.Fatalf("error %v, want %v", err, c.err)
			}
			if c.err != nil {
				if n.agreed != nil || n.audio >= 0 {
					t.Error("a refused offer has left its mark")
				}
				return
			}
			if got := strings.Join(mLines(b), "|"); got != c.lines {
				t.Errorf("answer\n%s\nwant\n%s", got, c.lines)
			}
			if n.agreed.sends != c.sends || n.agreed.payload != c.payload || n.agreed.event != c.event {
				t.Errorf("agreed on sends %v, payload %d, event %d", n.agreed.sends, n.agreed.payload, n.agreed.event)
			}
		})
	}
}

func TestAnswersToOurOffer(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, answer string
		want         sdp.Direction
		err          error
		sends, hears bool
		codec        string
		event        uint8
	}{
		{name: "second choice", answer: "m=audio 4000 RTP/AVP 8 101\r\na=rtpmap:101 telephone-event/8000\r\n", sends: true, hears: true, codec: "PCMA", event: 101},
		{name: "events by another number", answer: "m=audio 4000 RTP/AVP 0 96\r\na=rtpmap:96 telephone-event/8000\r\n", sends: true, hears: true, codec: "PCMU", event: 96},
		{name: "held at once", answer: "m=audio 4000 RTP/AVP 0\r\na=inactive\r\n", codec: "PCMU", event: noPayload},
		{name: "they only listen", answer: "m=audio 4000 RTP/AVP 0\r\na=recvonly\r\n", sends: true, codec: "PCMU", event: noPayload},
		{name: "we hold them", want: sdp.SendOnly, answer: "m=audio 4000 RTP/AVP 0\r\na=recvonly\r\n", sends: true, codec: "PCMU", event: noPayload},
		{name: "rejected", answer: "m=audio 0 RTP/AVP 0\r\n", err: ErrNotAcceptable},
		{name: "a codec we did not offer", answer: "m=audio 4000 RTP/AVP 9\r\n", err: ErrNotAcceptable},
		{name: "no streams", answer: "", err: ErrNotAcceptable},
		{name: "secure", answer: "m=audio 4000 RTP/SAVP 0\r\n", err: ErrNotAcceptable},
		{name: "nonsense", answer: "m=audio\r\n", err: sdp.ErrMalformed},
	} {
		t.Run(c.name, func(t *testing.T) {
			n := negotiated("PCMU", "PCMA")
			n.want = c.want
			n.offer()
			if err := n.setAnswer(theirSDP(c.answer)); !errors.Is(err, c.err) {
				t.Fatalf("error %v, want %v", err, c.err)
			}
			if c.err != nil {
				if n.agreed != nil {
					t.Error("a refused answer has left its mark")
				}
				return
			}
			p := n.agreed
			if p.sends != c.sends || p.receives != c.hears || p.format.Name != c.codec || p.event != c.event {
				t.Errorf("agreed on sends %v, receives %v, %s, event %d", p.sends, p.receives, p.format.Name, p.event)
			}
			if p.rx[101].kind != payloadEvent {
				t.Error("we do not hear our own number for events")
			}
		})
	}
}

func TestAnswerWithoutOffer(t *testing.T) {
	t.Parallel()
	if err := negotiated("PCMU").setAnswer(theirSDP("m=audio 4000 RTP/AVP 0\r\n")); !errors.Is(err, ErrNotAcceptable) {
		t.Error(err)
	}
}

func originOf(t *testing.T, b []byte) string {
	t.Helper()
	s, err := sdp.Parse(b)
	if err != nil {
		t.Fatal(err)
	}
	return s.Origin.ID + " " + s.Origin.Version
}

func TestVersionGrowsWithEachChange(t *testing.T) {
	t.Parallel()
	n := negotiated("PCMU", "PCMA")
	var id string
	step := func(b []byte, version int) {
		t.Helper()
		o := originOf(t, b)
		if id == "" {
			id, _, _ = strings.Cut(o, " ")
		}
		if want := fmt.Sprintf("%s %d", id, version); o != want {
			t.Errorf("o= %s, want %s", o, want)
		}
	}
	answer := func(lines string) []byte {
		b, err := n.answer(theirSDP(lines))
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	step(n.offer(), 1)
	step(n.offer(), 1) // RFC 3264 §8: unchanged means unchanged
	if err := n.setAnswer(theirSDP("m=audio 4000 RTP/AVP 8\r\n")); err != nil {
		t.Fatal(err)
	}
	step(answer("m=audio 4000 RTP/AVP 8\r\n"), 2)
	step(answer("m=audio 4000 RTP/AVP 8\r\n"), 2)
	step(answer("m=audio 4000 RTP/AVP 8\r\na=sendonly\r\n"), 3)
	step(answer("m=audio 4000 RTP/AVP 8\r\nm=video 9 RTP/AVP 96\r\na=rtpmap:96 H264/90000\r\n"), 4)
	b := n.offer() // every stream again, in its place
	step(b, 5)
	if got := mLines(b); len(got) != 4 || !strings.HasPrefix(got[0], "m=audio 30000 RTP/AVP 8 0 ") || !strings.HasPrefix(got[2], "m=video 0 ") {
		t.Errorf("re-offer %q", got)
	}
}

func TestPreferredCodecs(t *testing.T) {
	t.Parallel()
	s, p := open(t, newEngine(t, Options{}), SessionOptions{}), newPeer(t)
	s.Prefer("g722", "pcma")
	p.call(s, "0 8")
	if s.Codec() != "PCMA" {
		t.Errorf("answered with %s", s.Codec())
	}
}

// RFC 9143 §7.3: who does not take a BUNDLE answers without the group, and each stream that
// it takes has a port of its own. Nothing of the offer's is promised by being echoed.
func TestBundleIsDeclined(t *testing.T) {
	t.Parallel()
	const video = "m=video 4000 RTP/AVP 97\r\na=rtpmap:97 H264/90000\r\na=mid:v\r\n"
	for _, c := range []struct{ name, offer, lines string }{
		{"audio and video", "m=audio 4000 RTP/AVP 0\r\na=mid:a\r\n" + video,
			"m=audio 30000 RTP/AVP 0|a=sendrecv|m=video 0 RTP/AVP 97|a=inactive"},
		{"video first", video + "m=audio 4000 RTP/AVP 0\r\na=mid:a\r\n",
			"m=video 0 RTP/AVP 97|a=inactive|m=audio 30000 RTP/AVP 0|a=sendrecv"},
		{"two audio streams", "m=audio 4000 RTP/AVP 0\r\na=mid:a\r\nm=audio 4000 RTP/AVP 8\r\na=mid:v\r\n",
			"m=audio 30000 RTP/AVP 0|a=sendrecv|m=audio 0 RTP/AVP 8|a=inactive"},
		{"video in the bundle alone", "m=audio 4000 RTP/AVP 0\r\na=mid:a\r\nm=video 0 RTP/AVP 97\r\na=rtpmap:97 H264/90000\r\na=mid:v\r\na=bundle-only\r\n",
			"m=audio 30000 RTP/AVP 0|a=sendrecv|m=video 0 RTP/AVP 97|a=inactive"},
	} {
		t.Run(c.name, func(t *testing.T) {
			n := negotiated("PCMU", "PCMA")
			b, err := n.answer(theirSDP("a=group:BUNDLE a v\r\n" + c.offer))
			if err != nil {
				t.Fatal(err)
			}
			if got := strings.Join(mLines(b), "|"); got != c.lines {
				t.Errorf("answer\n%s\nwant\n%s", got, c.lines)
			}
			for _, said := range [][]byte{b, n.offer()} {
				if text := strings.ToLower(string(said)); strings.Contains(text, "a=group") || strings.Contains(text, "bundle") {
					t.Errorf("the bundle is echoed:\n%s", said)
				}
			}
		})
	}
}

// TestWhoseOrderDecides answers the same offer by the peer's order and by ours.
func TestWhoseOrderDecides(t *testing.T) {
	t.Parallel()
	for ours, want := range map[bool]string{false: "PCMA", true: "G722"} {
		e := newEngine(t, Options{Codecs: []string{"G722", "PCMU", "PCMA"}, PreferOurs: ours})
		s, p := open(t, e, SessionOptions{}), newPeer(t)
		if got := s.Ranked([]string{"PCMA", "AMR", "G722"}); got[0] != want {
			t.Errorf("ours %v: a caller's codecs are offered as %v", ours, got)
		}
		p.call(s, "8 0 9")
		if s.Codec() != want {
			t.Errorf("ours %v: answered with %s, want %s", ours, s.Codec(), want)
		}
		s.Prefer("PCMU") // what the other leg of a bridge has taken comes before either
		p.call(s, "8 0 9")
		if s.Codec() != "PCMU" {
			t.Errorf("ours %v: asked for PCMU and answered with %s", ours, s.Codec())
		}
	}
}
