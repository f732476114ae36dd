package b2bua

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"tandem/media/sdp"
)

// fuzzBreak stands between the messages of one input.
const fuzzBreak = "\n---\n"

// The far end's part of a call that stands, with {tag} for the server's tag and {target} for
// its Contact, as they are filled in once the call is answered.
const fuzzInside = " {target} SIP/2.0\r\nVia: SIP/2.0/UDP 10.0.1.1;rport;branch=z9hG4bKin1\r\nFrom: <sip:a@10.0.1.1>;tag=mine\r\n" +
	"To: <sip:700@10.0.0.1>;tag={tag}\r\nCall-ID: standing\r\nMax-Forwards: 70\r\nContact: <sip:a@10.0.1.1>\r\n"

const fuzzSDP = "v=0\r\no=- 1 1 IN IP4 10.0.1.1\r\ns=-\r\nc=IN IP4 10.0.1.1\r\nt=0 0\r\nm=audio 4000 RTP/AVP 0 101\r\n" +
	"a=rtpmap:0 PCMU/8000\r\na=rtpmap:101 telephone-event/8000\r\na=sendonly\r\n"

func fuzzRequest(method, headers, body string) string {
	if body != "" {
		headers += "Content-Type: application/sdp\r\n"
	}
	return method + fuzzInside + headers + fmt.Sprintf("Content-Length: %d\r\n\r\n%s", len(body), body)
}

// FuzzParseValidateAnswer sends what the fuzzer makes, from the torture messages and from
// requests within a call, to a whole server with a call that stands. No panic, every response
// well formed, the server answers on, and nothing of it is left two minutes later.
func FuzzParseValidateAnswer(f *testing.F) {
	files, err := filepath.Glob(filepath.Join("testdata", "torture", "*.sip"))
	if err != nil || len(files) < 50 {
		f.Fatalf("%d seeds: %v", len(files), err)
	}
	for _, name := range files {
		f.Add([]byte(torture(f, strings.TrimSuffix(filepath.Base(name), ".sip"), nil)))
	}
	invite := fuzzRequest("INVITE", "CSeq: 2 INVITE\r\n", fuzzSDP)
	for _, s := range []string{
		fuzzRequest("BYE", "CSeq: 2 BYE\r\n", ""),
		invite + fuzzBreak + fuzzRequest("ACK", "CSeq: 2 ACK\r\n", ""),
		invite + fuzzBreak + strings.Replace(invite, "in1", "in2", 1) + fuzzBreak + fuzzRequest("BYE", "CSeq: 3 BYE\r\n", ""),
		fuzzRequest("INVITE", "CSeq: 2 INVITE\r\n", "") + fuzzBreak + fuzzRequest("ACK", "CSeq: 2 ACK\r\n", fuzzSDP),
		fuzzRequest("UPDATE", "CSeq: 2 UPDATE\r\nSession-Expires: 90;refresher=uac\r\nMin-SE: 90\r\n", fuzzSDP),
		fuzzRequest("PRACK", "CSeq: 2 PRACK\r\nRAck: 1 1 INVITE\r\n", ""),
		fuzzRequest("INFO", "CSeq: 2 INFO\r\nContent-Type: application/dtmf-relay\r\n", "Signal=5\r\nDuration=100\r\n"),
		fuzzRequest("REFER", "CSeq: 2 REFER\r\nRefer-To: <sip:701@10.0.0.1?Replaces=standing%3Bto-tag%3D{tag}%3Bfrom-tag%3Dmine>\r\nReferred-By: <sip:a@b>\r\n", ""),
		fuzzRequest("OPTIONS", "CSeq: 1 OPTIONS\r\n", ""),
		fuzzRequest("MESSAGE", "CSeq: 2 MESSAGE\r\n", "hi"),
		strings.ReplaceAll(fuzzRequest("MESSAGE", "CSeq: 2 MESSAGE\r\n", "hi"), ";tag={tag}", ""),
		strings.ReplaceAll(fuzzRequest("SUBSCRIBE", "CSeq: 2 SUBSCRIBE\r\nEvent: dialog;id=1\r\nExpires: 60\r\nAccept: */*\r\n", ""), ";tag={tag}", ""),
		strings.ReplaceAll(fuzzRequest("INVITE", "CSeq: 1 INVITE\r\nRequire: 100rel\r\nSupported: timer\r\nSession-Expires: 90\r\n", fuzzSDP), ";tag={tag}", "") +
			fuzzBreak + strings.ReplaceAll(fuzzRequest("CANCEL", "CSeq: 1 CANCEL\r\n", ""), ";tag={tag}", ""),
		"SIP/2.0 200 OK\r\nVia: SIP/2.0/UDP 10.0.0.1;branch=z9hG4bKx\r\nFrom: <sip:a@b>;tag=1\r\nTo: <sip:c@d>;tag=2\r\nCall-ID: standing\r\nCSeq: 1 INVITE\r\n\r\n",
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		if len(data) > 20_000 {
			return // size is TestFloods' business
		}
		inFuzzWorld(t, func(w *world) {
			x := w.wire("udp", 1)
			x.send(strings.NewReplacer(";tag={tag}", "", "{target}", "sip:700@10.0.0.1", "in1", "in0").Replace(fuzzRequest("INVITE", "CSeq: 1 INVITE\r\n", fuzzSDP)))
			standing := x.final()
			if standing.code != 200 {
				t.Fatalf("no call stands: %s", standing.text)
			}
			_, tag, _ := strings.Cut(standing.header("To"), "tag=")
			target := strings.Trim(standing.header("Contact"), "<>")
			fill := strings.NewReplacer("{tag}", tag, "{target}", target)
			x.send(fill.Replace(fuzzRequest("ACK", "CSeq: 1 ACK\r\n", "")))
			for part := range bytes.SplitSeq(data, []byte(fuzzBreak)) {
				x.send(fill.Replace(string(part)))
				for {
					r, ok := x.next(700 * time.Millisecond)
					if !ok {
						break
					}
					wellFormed(t, r)
				}
			}
			x.ping("fuzz")
		})
	})
}

// FuzzOffer puts a session description through the call path: as the offer of a call and of a
// re-INVITE, and as the answer of a leg that we dialled.
func FuzzOffer(f *testing.F) {
	for _, name := range []string{"wsinv", "ipv6-in-sdp", "mult-ip-in-sdp", "ipv4-mapped-ipv6"} {
		_, body, _ := strings.Cut(torture(f, name, nil), "\r\n\r\n")
		f.Add([]byte(body))
	}
	for _, s := range []string{fuzzSDP,
		"v=0\r\no=- 1 1 IN IP4 10.0.1.1\r\ns=-\r\nt=0 0\r\nm=audio 4000 RTP/SAVPF 111 9 8 0\r\nc=IN IP4 0.0.0.0\r\na=rtpmap:111 opus/48000/2\r\na=fmtp:111 useinbandfec=1\r\na=ptime:30\r\na=rtcp:9 IN IP4 0.0.0.0\r\na=rtcp-mux\r\na=inactive\r\nm=video 9 UDP/TLS/RTP/SAVPF 96\r\na=mid:1\r\n",
		"v=0\no=- 1 1 IN IP4 1.2.3.4\ns=-\nc=IN IP4 host.example\nt=0 0\nm=audio 0 RTP/AVP 0\nm=image 5000 udptl t38\nm=audio 7 RTP/AVP 8 13 18\na=recvonly\n",
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		if len(body) == 0 || len(body) > 20_000 {
			return
		}
		inFuzzWorld(t, func(w *world) {
			offerIn(t, w.wire("udp", 1), body)
			answerWith(t, w.wire("udp", 3), w.wire("udp", 2), body)
		})
	})
}

// FuzzResponses has the far end of a bridged call answer our INVITE, and whatever we send it
// then, with what the fuzzer makes of responses.
func FuzzResponses(f *testing.F) {
	for _, name := range []string{"unreason", "noreason", "scalarlg", "bigcode", "bcast"} {
		b, err := os.ReadFile(filepath.Join("testdata", "torture", name+".sip"))
		if err != nil {
			f.Fatal(err)
		}
		f.Add([]byte(strings.ReplaceAll(string(b), "\n", "\r\n")))
	}
	response := func(line, more, body string) string {
		if body != "" {
			more += "Content-Type: application/sdp\r\n"
		}
		return "SIP/2.0 " + line + "\r\nVia: {via}\r\nFrom: {from}\r\nTo: {to}\r\nCall-ID: {callid}\r\nCSeq: {cseq}\r\nContact: <sip:b@10.0.1.2>\r\n" +
			more + fmt.Sprintf("Content-Length: %d\r\n\r\n%s", len(body), body)
	}
	ok := response("200 OK", "Session-Expires: 90;refresher=uas\r\nRequire: timer\r\nRecord-Route: <sip:10.0.1.2;lr>\r\n", fuzzSDP)
	for _, s := range []string{
		response("180 Ringing", "", "") + fuzzBreak + ok,
		response("183 Progress", "Require: 100rel\r\nRSeq: 17\r\n", fuzzSDP) + fuzzBreak + response("200 OK", "", "") + fuzzBreak + ok,
		response("183 Progress", "", fuzzSDP) + fuzzBreak + strings.Replace(ok, "{to}", "{to}2", 1) + fuzzBreak + ok,
		response("302 Moved", "Contact: <sip:c@10.0.1.2>;q=0.3, <sip:701@10.0.0.1>\r\nRetry-After: 5 (soon)\r\n", "") + fuzzBreak + ok,
		response("422 Too Small", "Min-SE: 1800\r\n", "") + fuzzBreak + ok,
		response("401 Unauthorized", "WWW-Authenticate: Digest realm=\"x\", nonce=\"y\", qop=\"auth\"\r\n", ""),
		response("491 Request Pending", "Reason: Q.850;cause=17;text=\"busy\"\r\n", ""),
		response("503 No", "Retry-After: 1\r\n", ""), response("199 Gone", "", "") + fuzzBreak + response("600 Busy", "", ""),
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		if len(data) > 20_000 {
			return
		}
		inFuzzWorld(t, func(w *world) {
			a, b := w.wire("udp", 3), w.wire("udp", 2)
			a.send(strings.ReplaceAll(fuzzBridged, "{length}", fmt.Sprint(len(fuzzSDP))) + fuzzSDP)
			last, ok := b.next(time.Second)
			if !ok || !strings.HasPrefix(last.text, "INVITE") {
				t.Fatalf("no INVITE but %q", last.text)
			}
			for part := range bytes.SplitSeq(data, []byte(fuzzBreak)) {
				text := string(part)
				for k, v := range last.copied() {
					text = strings.ReplaceAll(text, "{"+k+"}", v)
				}
				b.send(strings.ReplaceAll(text, "{sdp}", fuzzSDP))
				for {
					r, ok := b.next(700 * time.Millisecond)
					if !ok {
						break
					}
					wellFormed(t, r)
					if !strings.HasPrefix(r.text, "ACK") && r.code == 0 {
						last = r
					}
				}
			}
			for {
				r, ok := a.next(time.Second)
				if !ok {
					break
				}
				wellFormed(t, r)
				if r.code == 200 {
					a.within(r, "ACK", 1)
					a.within(r, "BYE", 2)
				}
			}
			a.ping("fuzz")
		})
	})
}

const fuzzBridged = "INVITE sip:701@10.0.0.1 SIP/2.0\r\nVia: SIP/2.0/UDP 10.0.1.3;rport;branch=z9hG4bKa1\r\nFrom: <sip:c@10.0.1.3>;tag=c\r\nTo: <sip:701@10.0.0.1>\r\n" +
	"Call-ID: answer\r\nCSeq: 1 INVITE\r\nContact: <sip:c@10.0.1.3>\r\nContent-Type: application/sdp\r\nContent-Length: {length}\r\n\r\n"

// offerIn calls with body as the offer, and offers it again within the call.
func offerIn(t *testing.T, x *wire, body []byte) {
	invite := fmt.Sprintf("INVITE sip:700@10.0.0.1 SIP/2.0\r\nVia: SIP/2.0/UDP 10.0.1.1;rport;branch=z9hG4bKo{n}\r\nFrom: <sip:a@10.0.1.1>;tag=mine\r\n"+
		"To: <sip:700@10.0.0.1>{tag}\r\nCall-ID: offer\r\nCSeq: {n} INVITE\r\nContact: <sip:a@10.0.1.1>\r\nContent-Type: application/sdp\r\nContent-Length: %d\r\n\r\n", len(body))
	x.send(strings.NewReplacer("{n}", "1", "{tag}", "").Replace(invite) + string(body))
	r := x.final()
	answersOffer(t, r, body)
	if r.code != 200 {
		return
	}
	x.within(r, "ACK", 1)
	_, tag, _ := strings.Cut(r.header("To"), ";")
	x.send(strings.NewReplacer("{n}", "2", "{tag}", ";"+tag).Replace(invite) + string(body))
	again := x.final()
	answersOffer(t, again, body)
	if again.code == 200 {
		x.within(r, "ACK", 2)
	}
	x.within(r, "BYE", 3)
	for r := x.final(); !strings.HasSuffix(r.header("CSeq"), "BYE"); r = x.final() {
		if r.code == 0 {
			t.Fatal("no answer to BYE")
		}
	}
}

// answersOffer: RFC 3264 §6: an answer has a stream for each one offered.
func answersOffer(t *testing.T, r reply, offer []byte) {
	t.Helper()
	wellFormed(t, r)
	switch r.code {
	case 400, 488:
		return
	case 200:
	default:
		t.Fatalf("offer answered with\n%s", r.text)
	}
	_, body, _ := strings.Cut(r.text, "\r\n\r\n")
	answered, err := sdp.Parse([]byte(body))
	if err != nil {
		t.Fatalf("our answer does not parse: %v\n%s", err, body)
	}
	offered, err := sdp.Parse(offer)
	if err != nil || len(offered.Media) != len(answered.Media) {
		t.Fatalf("%v: %d streams offered, the answer is\n%s", err, len(offered.Media), body)
	}
}

// answerWith has a call bridged to b, which answers with body.
func answerWith(t *testing.T, a, b *wire, body []byte) {
	a.send(strings.ReplaceAll(fuzzBridged, "{length}", fmt.Sprint(len(fuzzSDP))) + fuzzSDP)
	invite, ok := b.next(time.Second)
	if !ok || !strings.HasPrefix(invite.text, "INVITE") {
		t.Fatalf("no INVITE but %q", invite.text)
	}
	head := strings.TrimSuffix(invite.answer(200), "Content-Length: 0\r\n\r\n")
	b.send(head + fmt.Sprintf("Contact: <sip:b@10.0.1.2>\r\nContent-Type: application/sdp\r\nContent-Length: %d\r\n\r\n%s", len(body), body))
	if ack, ok := b.next(time.Second); !ok || !strings.HasPrefix(ack.text, "ACK") {
		t.Fatalf("no ACK but %q", ack.text)
	}
	r := a.final()
	wellFormed(t, r)
	if r.code == 200 {
		a.within(r, "ACK", 1)
		a.within(r, "BYE", 2)
	}
	for {
		bye, ok := b.next(40 * time.Second)
		if !ok {
			t.Fatal("b got no BYE")
		}
		wellFormed(t, bye)
		b.send(bye.answer(200))
		if strings.HasPrefix(bye.text, "BYE") {
			return
		}
	}
}

// wellFormed checks that what we send has no line that the far end could read as another.
func wellFormed(t *testing.T, r reply) {
	t.Helper()
	head, _, ok := strings.Cut(r.text, "\r\n\r\n")
	if !ok {
		t.Fatalf("no end of the head in %q", r.text)
	}
	lines := strings.Split(head, "\r\n")
	for i, line := range lines {
		if strings.ContainsAny(line, "\r\n\x00") {
			t.Fatalf("a header that may be read as two: %q", line)
		}
		name, _, ok := strings.Cut(line, ":")
		if i > 0 && (!ok || name == "" || strings.ContainsFunc(name, notToken)) {
			t.Fatalf("not a header: %q in\n%s", line, r.text)
		}
	}
	for _, name := range []string{"Via", "From", "To", "Call-ID", "CSeq"} {
		if r.header(name) == "" && r.code != 400 && r.code != 513 {
			t.Fatalf("no %s in\n%s", name, r.text)
		}
	}
}

// inFuzzWorld runs one input against a server of its own. Calls to 701 are bridged to 10.0.1.2,
// others are answered.
func inFuzzWorld(t *testing.T, test func(w *world)) {
	synctest.Test(t, func(t *testing.T) {
		w := newQuietWorld(t, func(ctx context.Context, c *Call) error {
			if c.Number() == "701" {
				_, _ = c.BridgeTo(ctx, []string{"sip:b@10.0.1.2"}, DialOptions{})
				return nil
			}
			return answering(ctx, c)
		})
		defer w.close()
		test(w)
		w.noPanics()
	})
}
