package b2bua

import (
	"context"
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"tandem/b2bua/auth"
	"tandem/b2bua/transport"
)

// ordeal is one message of RFC 4475 or RFC 5118 (testdata/torture) and what becomes of it.
type ordeal struct {
	name    string // of the file
	section string
	want    int    // the final response; 0: dropped without one
	user    string // answers the challenge (want 401 first) as this user
	then    int    // and gets this
	only    string // "udp" or "tcp": the message means something else on the other
	v4      bool   // goes over IPv4 though it is of RFC 5118
	closed  bool   // and on TCP the connection is closed, for its framing is lost
	number  string // what the call's handler sees as dialled
	has     string // a part of the response
	why     string // where we differ from the RFC or choose among what it allows
}

var ordeals = []ordeal{
	// Valid, if odd.
	{name: "wsinv", section: "4475 §3.1.1.1", want: 481, why: "it has a To-tag of no dialog (RFC 3261 §12.2.2); wsinv-new is the same without"},
	{name: "wsinv-new", section: "4475 §3.1.1.1", want: 200, number: "ivr"},
	{name: "intmeth", section: "4475 §3.1.1.2", want: 400, why: "RFC: 501. We refuse a NUL anywhere in a header: too many parsers behind us would end the text there"},
	{name: "intmeth-nonul", section: "4475 §3.1.1.2", want: 501, has: "Allow: "},
	{name: "esc01", section: "4475 §3.1.1.3", want: 200, number: "sips:user@example.com"},
	{name: "escnull", section: "4475 §3.1.1.4", want: 401, why: "read as it stands (transport's TestTortureParsed), but no credentials can name such a user"},
	{name: "esc02", section: "4475 §3.1.1.5", want: 501, has: "Allow: "},
	{name: "lwsdisp", section: "4475 §3.1.1.6", want: 200},
	{name: "longreq", section: "4475 §3.1.1.7", want: 200, number: "user"},
	{name: "dblreq", section: "4475 §3.1.1.8", want: 401, user: "j.user", then: 200, only: "udp"},
	{name: "semiuri", section: "4475 §3.1.1.9", want: 200},
	{name: "transports", section: "4475 §3.1.1.10", want: 200},
	{name: "mpart01", section: "4475 §3.1.1.11", want: 480, why: "read whole; the user is not registered"},
	// unreason and noreason are responses: TestTorturedResponses.

	// Invalid.
	{name: "badinv01", section: "4475 §3.1.2.1", want: 400},
	{name: "clerr", section: "4475 §3.1.2.2", want: 400, only: "udp"},
	{name: "ncl", section: "4475 §3.1.2.3", want: 400, closed: true},
	{name: "scalar02", section: "4475 §3.1.2.4", want: 400},
	{name: "scalar02-forwards", section: "4475 §3.1.2.4", want: 401, why: "RFC: 400, or as if it were not there; what we send on starts from 70"},
	{name: "scalar02-expires", section: "4475 §3.1.2.4", want: 401, user: "user", then: 200, has: "expires=7200", why: "RFC: 3600 may be assumed; we cut what is overlarge to the most we grant"},
	{name: "quotbal", section: "4475 §3.1.2.6", want: 400},
	{name: "ltgtruri", section: "4475 §3.1.2.7", want: 400},
	{name: "lwsruri", section: "4475 §3.1.2.8", want: 400},
	{name: "lwsstart", section: "4475 §3.1.2.9", want: 400},
	{name: "trws", section: "4475 §3.1.2.10", want: 400},
	{name: "escruri", section: "4475 §3.1.2.11", want: 400},
	{name: "baddate", section: "4475 §3.1.2.12", want: 200, number: "user", why: "RFC: 400, or ignored by who has no use for Date, as we have none"},
	{name: "regbadct", section: "4475 §3.1.2.13", want: 400},
	{name: "badaspec", section: "4475 §3.1.2.14", want: 400},
	{name: "baddn", section: "4475 §3.1.2.15", want: 200, has: `From: "Bell, Alexander" <`, why: "RFC: 400, or liberally as if quoted; phones send such names, and we quote them"},
	{name: "badvers", section: "4475 §3.1.2.16", want: 505},
	{name: "mismatch01", section: "4475 §3.1.2.17", want: 400},
	{name: "mismatch02", section: "4475 §3.1.2.18", want: 400},

	// Of the transaction layer and the user agent.
	{name: "badbranch", section: "4475 §3.2.1", want: 200, why: "RFC: 400, or matched as RFC 2543 did, as we do"},
	{name: "insuf", section: "4475 §3.3.1", want: 400},
	{name: "unkscm", section: "4475 §3.3.2", want: 416},
	{name: "novelsc", section: "4475 §3.3.3", want: 416},
	{name: "unksm2", section: "4475 §3.3.4", want: 400},
	{name: "bext01", section: "4475 §3.3.5", want: 420, has: "Unsupported: nothingSupportsThis, nothingSupportsThisEither"},
	{name: "invut", section: "4475 §3.3.6", want: 415, has: "Accept: application/sdp"},
	{name: "regaut01", section: "4475 §3.3.7", want: 401, user: "j.user", then: 200},
	{name: "multi01", section: "4475 §3.3.8", want: 400},
	{name: "mcl01", section: "4475 §3.3.9", want: 400, closed: true},
	{name: "zeromf", section: "4475 §3.3.11", want: 200, why: "we are its endpoint, so it needs to go no further"},
	{name: "cparam01", section: "4475 §3.3.12", want: 401, user: "watson", then: 200, has: "Contact: <sip:+19725552222@gw1.example.net>;"},
	{name: "cparam02", section: "4475 §3.3.13", want: 401, user: "watson", then: 200, has: "Contact: <sip:+19725552222@gw1.example.net;unknownparam>"},
	{name: "regescrt", section: "4475 §3.3.14", want: 401, user: "user", then: 200, has: "Contact: <sip:user@example.com?Route=%3Csip:sip.example.com%3E>"},
	{name: "sdp01", section: "4475 §3.3.15", want: 406},
	{name: "inv2543", section: "4475 §3.4.1", want: 200, only: "udp", number: "UserB"},

	// IPv6.
	{name: "ipv6-good", section: "5118 §4.1", want: 401, user: "user", then: 200, has: "Contact: <sip:caller@[2001:db8::1]>"},
	{name: "ipv6-bad", section: "5118 §4.2", want: 400},
	{name: "port-ambiguous", section: "5118 §4.3", want: 401, user: "user", then: 200},
	{name: "port-unambiguous", section: "5118 §4.4", want: 401, user: "user", then: 200},
	{name: "via-received-param-with-delim", section: "5118 §4.5", want: 481},
	{name: "via-received-param-no-delim", section: "5118 §4.5", want: 481},
	{name: "ipv6-in-sdp", section: "5118 §4.6", want: 200, number: "user", has: "c=IN IP6 2001:db8::"},
	{name: "mult-ip-in-header", section: "5118 §4.7", want: 481},
	{name: "mult-ip-in-sdp", section: "5118 §4.8", want: 488, why: "media goes by the address family of the signalling, here IPv6, and the audio is offered on IPv4"},
	{name: "mult-ip-in-sdp", section: "5118 §4.8", v4: true, want: 200, number: "user"},
	{name: "ipv4-mapped-ipv6", section: "5118 §4.9", v4: true, want: 200, number: "user", has: "Via: SIP/2.0/UDP [::ffff:192.0.2.10]:19823;"},
	{name: "ipv6-bug-abnf-3-colons", section: "5118 §4.10", want: 200, why: "the grammar of RFC 3261 made senders write it; the host of our own addresses is not compared"},
	{name: "ipv6-correct-abnf-2-colons", section: "5118 §4.10", want: 200},
}

// TestTorture sends each message to a server of its own, over UDP and TCP, and asks
// whether the server is well afterwards.
func TestTorture(t *testing.T) {
	t.Parallel()
	for _, o := range ordeals {
		for _, proto := range []string{"udp", "tcp"} {
			if o.only != "" && o.only != proto {
				continue
			}
			t.Run(o.name+"/"+proto, func(t *testing.T) {
				numbers := make(chan string, 1)
				h := func(ctx context.Context, c *Call) error {
					numbers <- c.Number()
					return answering(ctx, c)
				}
				network, listen := both(t)
				inWorld(t, h, func(w *world) {
					w.net = network
					o.run(w, proto, numbers)
				}, listen, func(o *Options) { o.Directory = everyone{} })
			})
		}
	}
}

// server6 is the server's IPv6 address, which the messages of RFC 5118 go to.
var server6 = netip.MustParseAddrPort("[2001:db8::10]:5060")

// both makes the server listen on IPv4 and IPv6, on a network of its own.
func both(t *testing.T) (*transport.Memory, func(*Options)) {
	n := transport.NewMemory()
	return n, func(o *Options) {
		_ = o.Transport.Close()
		layer, err := transport.New(transport.Options{Network: n, Log: o.Log, Listen: []transport.Endpoint{
			{Proto: transport.UDP, Addr: serverAddr}, {Proto: transport.TCP, Addr: serverAddr},
			{Proto: transport.UDP, Addr: server6}, {Proto: transport.TCP, Addr: server6}}})
		if err != nil {
			t.Fatal(err)
		}
		o.Transport = layer
		o.ACL = auth.NewACL([]auth.Rule{{Allow: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("2001:db8::/32")}}})
	}
}

func (o ordeal) run(w *world, proto string, numbers chan string) {
	t := w.t
	x := w.wire(proto, 1)
	if strings.HasPrefix(o.section, "5118") && !o.v4 {
		x.close()
		x = w.wireFrom(proto, netip.MustParseAddrPort("[2001:db8::9:1]:5060"), server6)
	}
	text := torture(t, o.name, nil)
	x.send(text)
	r := x.final()
	if r.code != o.want {
		t.Fatalf("answered with %d, want %d\n%s", r.code, o.want, r.text)
	}
	if o.user != "" {
		x.send(login(t, text, r, o.user))
		if r = x.final(); r.code != o.then {
			t.Fatalf("with credentials answered with %d, want %d\n%s", r.code, o.then, r.text)
		}
	}
	if !strings.Contains(r.text, o.has) {
		t.Errorf("the answer lacks %q:\n%s", o.has, r.text)
	}
	if o.number != "" {
		if n := <-numbers; n != o.number {
			t.Errorf("dialled %q, want %q", n, o.number)
		}
	}
	if r.code == 200 && strings.HasPrefix(text, "INVITE") {
		x.acknowledgeAndHangUp(r)
	}
	if r.code >= 300 && strings.HasPrefix(text, "INVITE") && proto == "udp" && r.header("CSeq") != "" {
		x.send(strings.Replace(strings.Replace(text, "INVITE", "ACK", 1), "INVITE", "ACK", 1)) // or it is resent
	}
	if o.closed && proto == "tcp" {
		if x.next(40 * time.Second); !x.closed {
			t.Error("the connection stays open, but its next message cannot be found")
		}
		return
	}
	x.ping(o.name)
	if n := w.server.Panics(); n != 0 {
		t.Errorf("%d panics", n)
	}
}

// TestTorturedResponses has the far end of a bridged call answer with each response of
// RFC 4475. The valid ones count; the others are as if they had not come.
func TestTorturedResponses(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, section string
		counts        int // the response that the caller gets for it; 0: none
	}{
		{"unreason", "4475 §3.1.1.12", 200},
		{"noreason", "4475 §3.1.1.13", 183},
		{"scalarlg", "4475 §3.1.2.5", 0},
		{"bigcode", "4475 §3.1.2.19", 0},
		{"bcast", "4475 §3.3.10", 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			bridging := func(ctx context.Context, call *Call) error {
				_, err := call.BridgeTo(ctx, []string{"sip:bob@10.0.1.2"}, DialOptions{})
				return err
			}
			inWorld(t, bridging, func(w *world) {
				a, b := w.peer(1), w.wire("udp", 2)
				a.calls("700")
				invite, ok := b.next(time.Second)
				if !ok || !strings.HasPrefix(invite.text, "INVITE") {
					t.Fatalf("no INVITE but %q", invite.text)
				}
				b.send(torture(t, c.name, invite.copied()))
				if c.counts == 0 {
					a.silent(5 * time.Second)
				} else {
					a.response(c.counts)
				}
				if c.counts == 200 {
					b.next(time.Second) // the ACK
					a.send("ACK", "700", "")
					a.send("BYE", "700", "")
					a.response(200)
					bye, _ := b.next(time.Second)
					if !strings.HasPrefix(bye.text, "BYE") {
						t.Fatalf("no BYE but %q", bye.text)
					}
					b.send(bye.answer(200))
					return
				}
				b.send(invite.answer(486))
				a.response(486)
				a.send("ACK", "700", "")
			})
		})
	}
}

// copied are the parts of a request that its responses repeat, as the files name them.
func (r reply) copied() map[string]string {
	return map[string]string{"via": r.header("Via"), "from": r.header("From"), "to": r.header("To") + ";tag=torture",
		"callid": r.header("Call-ID"), "cseq": r.header("CSeq"), "addr": "10.0.1.2"}
}

// answer is a plain response to the request that r is.
func (r reply) answer(code int) string {
	to := r.header("To")
	if !strings.Contains(to, "tag=") {
		to += ";tag=torture"
	}
	return fmt.Sprintf("SIP/2.0 %d %s\r\nVia: %s\r\nFrom: %s\r\nTo: %s\r\nCall-ID: %s\r\nCSeq: %s\r\nContent-Length: 0\r\n\r\n",
		code, Phrase(code), r.header("Via"), r.header("From"), to, r.header("Call-ID"), r.header("CSeq"))
}

// TestDeniedSourcesGetNothing: no answer to anything, valid or not, and nothing is kept.
func TestDeniedSourcesGetNothing(t *testing.T) {
	deny := func(o *Options) {
		o.ACL = auth.NewACL([]auth.Rule{{Deny: []netip.Prefix{netip.MustParsePrefix("10.0.1.9/32")}},
			{Allow: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}}})
	}
	inWorld(t, answering, func(w *world) {
		x := w.wire("udp", 9)
		for _, o := range ordeals {
			x.send(torture(t, o.name, nil))
		}
		if r, ok := x.next(40 * time.Second); ok {
			t.Errorf("answered with\n%s", r.text)
		}
		if n := w.server.Counts(); n != (Counts{}) {
			t.Errorf("kept: %+v", n)
		}
		w.wire("udp", 1).ping("trusted")
	}, deny)
}
