package media

import (
	"bytes"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/pion/stun/v3"

	"tandem/media/rtp"
	"tandem/media/sdp"
)

const (
	theirUfrag = "abcd"
	theirPwd   = "abcdefghijklmnopqrstuv"
)

// icePeer is a peer that does ICE and leads.
type icePeer struct {
	*peer
	ufrag, pwd string // the session's
}

const iceLines = "a=ice-ufrag:" + theirUfrag + "\r\na=ice-pwd:" + theirPwd + "\r\na=rtcp-mux\r\n"

// call lets the session answer an offer of ICE; from is where the SDP says that the peer is.
func (p *icePeer) call(s *Session, lines string) *sdp.Session {
	p.t.Helper()
	answer, err := s.Answer(theirSDP("c=IN IP4 192.0.2.77\r\nm=audio 9 RTP/AVP 0\r\n" + lines))
	if err != nil {
		p.t.Fatal(err)
	}
	d, err := sdp.Parse(answer)
	if err != nil {
		p.t.Fatal(err)
	}
	p.ufrag, p.pwd = d.ICE(&d.Media[0])
	p.to = d.AddrOf(&d.Media[0])
	return d
}

// request is a connectivity check.
func (p *icePeer) request(priority byte, more ...stun.Setter) []byte {
	list := []stun.Setter{stun.TransactionID, stun.BindingRequest, stun.NewUsername(p.ufrag + ":" + theirUfrag),
		stun.RawAttribute{Type: stun.AttrPriority, Value: []byte{0, 0, 0, priority}},
		stun.RawAttribute{Type: stun.AttrICEControlling, Value: make([]byte, 8)}}
	list = append(append(list, more...), stun.NewShortTermIntegrity(p.pwd), stun.Fingerprint)
	return stun.MustBuild(list...).Raw
}

var useCandidate = stun.RawAttribute{Type: stun.AttrUseCandidate}

// reads waits for a STUN message.
func (p *icePeer) reads(d time.Duration) *stun.Message {
	p.t.Helper()
	for until := time.Now().Add(d); ; {
		b, _, ok := p.read(time.Until(until))
		if !ok {
			return nil
		}
		if rtp.Classify(b) != rtp.STUN {
			continue
		}
		m := stun.New()
		if err := stun.Decode(b, m); err != nil {
			p.t.Fatal(err)
		}
		return m
	}
}

// checks sends a check and demands that it succeeds.
func (p *icePeer) checks(priority byte, more ...stun.Setter) {
	p.t.Helper()
	req := p.request(priority, more...)
	p.write(req, p.to)
	m := p.reads(10 * time.Second)
	if m == nil || m.Type != stun.BindingSuccess || !bytes.Equal(m.TransactionID[:], req[8:20]) {
		p.t.Fatalf("a check was answered by %v", m)
	}
	if err := stun.NewShortTermIntegrity(p.pwd).Check(m); err != nil {
		p.t.Error(err)
	}
	if err := stun.Fingerprint.Check(m); err != nil {
		p.t.Error(err)
	}
	var mapped stun.XORMappedAddress
	if err := mapped.GetFrom(m); err != nil || mapped.String() != p.addr().String() {
		p.t.Errorf("mapped to %v, %v; we are at %v", mapped, err, p.addr())
	}
}

func newICEPeer(t *testing.T) *icePeer {
	t.Helper()
	return &icePeer{peer: newPeer(t)}
}

// TestICE: an offer of ICE is answered as ICE-lite; media go where a check nominates, and
// come from there only.
func TestICE(t *testing.T) {
	t.Parallel()
	setups(t, func(t *testing.T, o Options) {
		s, p := open(t, newEngine(t, o), SessionOptions{}), newICEPeer(t)
		d := p.call(s, iceLines)
		if !d.IsLite() || len(p.ufrag) < 4 || len(p.pwd) < 22 || !d.Media[0].RTCPMux {
			t.Fatalf("answered %+v", d)
		}
		if c, _ := d.Media[0].Get("candidate"); c != sdp.HostCandidate(1, p.to).Value {
			t.Errorf("candidate %s", c)
		}
		if err := Bridge(s, s); err != nil {
			t.Fatal(err)
		}
		p.send(sound(0)) // nobody has checked this address
		waitFor(t, func() bool { return s.Stats().Strangers == 1 })
		if at := s.Stats().Remote; at.IsValid() {
			t.Errorf("media would go to %v", at)
		}
		p.checks(1, useCandidate)
		p.send(sound(2))
		if got := p.next(); !bytes.Equal(got.payload, sound(2)) {
			t.Errorf("heard %x", got.payload)
		}
		stranger := newPeer(t)
		for i := range 10 {
			stranger.sendTo(p.to, sound(i))
		}
		waitFor(t, func() bool { return s.Stats().Strangers == 11 })
		p.send(sound(3))
		if got := p.next(); !bytes.Equal(got.payload, sound(3)) {
			t.Errorf("heard %x", got.payload)
		}
		if st := s.Stats(); st.Remote != p.addr() || st.RxPackets != 2 {
			t.Errorf("stats %+v", st)
		}
	})
}

// TestICENomination: a pair of higher priority wins, a lesser one does not, and a re-INVITE
// that changes nothing keeps it. A restart has other credentials.
func TestICENomination(t *testing.T) {
	t.Parallel()
	s, p := open(t, newEngine(t, Options{Workers: 1}), SessionOptions{}), newICEPeer(t)
	p.call(s, iceLines)
	better, lesser := *p, *p
	better.peer, lesser.peer = newPeer(t), newPeer(t)
	better.to, lesser.to = p.to, p.to
	for _, step := range []struct {
		who      *icePeer
		priority byte
		at       *icePeer
	}{{p, 5, p}, {&lesser, 4, p}, {&better, 6, &better}, {p, 5, &better}, {&better, 6, &better}} {
		step.who.checks(step.priority, useCandidate)
		if at := s.Stats().Remote; at != step.at.addr() {
			t.Errorf("after priority %d: media go to %v, want %v", step.priority, at, step.at.addr())
		}
	}
	ufrag := p.ufrag
	if p.call(s, iceLines); p.ufrag != ufrag || s.Stats().Remote != better.addr() {
		t.Errorf("the same offer again: media go to %v as %s", s.Stats().Remote, p.ufrag)
	}
	p.call(s, strings.Replace(iceLines, "ice-pwd:", "ice-pwd:new", 1))
	if p.ufrag == ufrag {
		t.Error("a restart with the same credentials")
	}
	if at := s.Stats().Remote; at != better.addr() {
		t.Errorf("during the restart media go to %v", at)
	}
	p.checks(1, useCandidate)
	if at := s.Stats().Remote; at != p.addr() {
		t.Errorf("after the restart media go to %v", at)
	}
	p.peer.call(s, "0") // no ICE any more
	p.send(sound(0))
	waitFor(t, func() bool { return s.Stats().RxPackets == 1 })
}

// TestICEFollows: media go by the pair that the peer uses, even if it nominates another.
func TestICEFollows(t *testing.T) {
	t.Parallel()
	s, p := open(t, newEngine(t, Options{Workers: 1}), SessionOptions{}), newICEPeer(t)
	p.call(s, iceLines)
	if err := Bridge(s, s); err != nil {
		t.Fatal(err)
	}
	other := *p
	other.peer = newPeer(t)
	other.to = p.to
	other.h.SSRC = p.h.SSRC
	p.checks(9, useCandidate)
	other.checks(1)
	other.send(sound(1))
	if got := other.next(); !bytes.Equal(got.payload, sound(1)) {
		t.Errorf("heard %x", got.payload)
	}
	s.do(func(m *stream) { m.last = m.now().Add(time.Hour) }) // however slow this machine is
	p.checks(9, useCandidate)
	if at := s.Stats().Remote; at != other.addr() {
		t.Errorf("media go to %v, and come from %v", at, other.addr())
	}
}

// TestICERefusals: what is not a check of the peer's nominates nothing.
func TestICERefusals(t *testing.T) {
	t.Parallel()
	s, p := open(t, newEngine(t, Options{Workers: 1}), SessionOptions{}), newICEPeer(t)
	p.call(s, iceLines)
	build := func(list ...stun.Setter) []byte {
		m, err := stun.Build(append([]stun.Setter{stun.TransactionID}, list...)...)
		if err != nil {
			t.Fatal(err)
		}
		return m.Raw
	}
	wrong := *p
	wrong.pwd = "not the password at all"
	other := *p
	other.ufrag = "other"
	key := stun.NewShortTermIntegrity(p.pwd)
	user := stun.NewUsername(p.ufrag + ":" + theirUfrag)
	for _, c := range []struct {
		name string
		b    []byte
		code stun.ErrorCode // 0: no answer at all
	}{
		{"password", wrong.request(1, useCandidate), stun.CodeUnauthorized},
		{"name", other.request(1, useCandidate), stun.CodeUnauthorized},
		{"no integrity", build(stun.BindingRequest, user, useCandidate, stun.Fingerprint), stun.CodeBadRequest},
		{"no name", build(stun.BindingRequest, useCandidate, key, stun.Fingerprint), stun.CodeBadRequest},
		{"role", p.request(1, useCandidate, stun.RawAttribute{Type: stun.AttrICEControlled, Value: make([]byte, 8)}), stun.CodeRoleConflict},
		{"unknown attribute", p.request(1, useCandidate, stun.RawAttribute{Type: 0x7000, Value: []byte{1}}), stun.CodeUnknownAttribute},
		{"no fingerprint", build(stun.BindingRequest, user, useCandidate, key), 0},
		{"indication", build(stun.NewType(stun.MethodBinding, stun.ClassIndication), user, useCandidate, key, stun.Fingerprint), 0},
		{"response", build(stun.BindingSuccess, user, useCandidate, key, stun.Fingerprint), 0},
		{"cut", p.request(1, useCandidate)[:30], 0},
		{"long", p.request(1, useCandidate, stun.RawAttribute{Type: 0xC001, Value: make([]byte, 600)}), 0},
	} {
		before := s.Stats().Strangers
		p.write(c.b, p.to)
		waitFor(t, func() bool { return s.Stats().Strangers == before+1 })
		var got stun.ErrorCodeAttribute
		if c.code != 0 {
			m := p.reads(10 * time.Second)
			if m == nil || m.Type != stun.BindingError || got.GetFrom(m) != nil {
				t.Errorf("%s: answered by %v", c.name, m)
			}
		} else if m := p.reads(time.Millisecond); m != nil {
			t.Errorf("%s: answered by %v", c.name, m)
		}
		if got.Code != c.code {
			t.Errorf("%s: %d, want %d", c.name, got.Code, c.code)
		}
	}
	if at := s.Stats().Remote; at.IsValid() {
		t.Errorf("media go to %v", at)
	}
}

// TestICEWithoutMux: RTCP on a port of its own has checks of its own.
func TestICEWithoutMux(t *testing.T) {
	t.Parallel()
	s, p, control := open(t, newEngine(t, Options{Workers: 1}), SessionOptions{}), newICEPeer(t), newICEPeer(t)
	d := p.call(s, strings.Replace(iceLines, "a=rtcp-mux\r\n", "", 1))
	candidates := 0
	for _, a := range d.Media[0].Attributes {
		if a.Name == "candidate" {
			candidates++
		}
	}
	if candidates != 2 {
		t.Errorf("%d candidates", candidates)
	}
	control.ufrag, control.pwd = p.ufrag, p.pwd
	control.to = netip.AddrPortFrom(p.to.Addr(), p.to.Port()+1)
	p.checks(1, useCandidate)
	control.checks(1, useCandidate)
	p.send(sound(0))
	waitFor(t, func() bool { return s.Stats().RxPackets == 1 })
	s.do(func(m *stream) { m.sendReport() })
	if b, _, ok := control.read(10 * time.Second); !ok || rtp.Classify(b) != rtp.RTCP {
		t.Errorf("the report: %x", b)
	}
}

// TestICEIsNoHold: a browser that has not found its addresses yet writes 0.0.0.0.
func TestICEIsNoHold(t *testing.T) {
	t.Parallel()
	s := open(t, newEngine(t, Options{Workers: 1}), SessionOptions{})
	answer, err := s.Answer(theirSDP("c=IN IP4 0.0.0.0\r\nm=audio 9 RTP/AVP 0\r\na=mid:0\r\n" + iceLines))
	if err != nil {
		t.Fatal(err)
	}
	if s.Held() || !bytes.Contains(answer, []byte("a=sendrecv")) || !bytes.Contains(answer, []byte("a=mid:0\r\n")) {
		t.Errorf("answered\n%s", answer)
	}
}

// TestICEOfTwoLite: two that only answer would wait for each other for ever: they latch.
func TestICEOfTwoLite(t *testing.T) {
	t.Parallel()
	s, p := open(t, newEngine(t, Options{Workers: 1}), SessionOptions{}), newPeer(t)
	answer, err := s.Answer(bytes.Replace(p.offer("0", iceLines), []byte("t=0 0\r\n"), []byte("t=0 0\r\na=ice-lite\r\n"), 1))
	if err != nil || bytes.Contains(answer, []byte("ice")) {
		t.Fatalf("answered %v\n%s", err, answer)
	}
	d, _ := sdp.Parse(answer)
	p.to = d.AddrOf(&d.Media[0])
	p.send(sound(0))
	waitFor(t, func() bool { return s.Stats().RxPackets == 1 })
}

// FuzzSTUN: whatever comes, only who knows the password is believed, and nobody gets more
// than twice of what it sent.
func FuzzSTUN(f *testing.F) {
	agreed := &iceParams{ufrag: "ours", pwd: "ourpasswordisverylong", remoteUfrag: theirUfrag, remotePwd: theirPwd}
	p := icePeer{ufrag: agreed.ufrag, pwd: "another password", peer: &peer{}}
	f.Add(p.request(1, useCandidate))
	f.Add([]byte{0, 1, 0, 0, 0x21, 0x12, 0xA4, 0x42, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0})
	m, err := stun.Build(stun.TransactionID, stun.BindingRequest, stun.Fingerprint)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(m.Raw)
	from := netip.AddrPortFrom(localhost, 4000)
	f.Fuzz(func(t *testing.T, b []byte) {
		answer, _, ok := agreed.answerCheck(b, from)
		if ok || len(answer) > 2*len(b) {
			t.Errorf("answered by %d bytes, believed %t", len(answer), ok)
		}
	})
}
