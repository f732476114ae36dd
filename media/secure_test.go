package media

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/pion/rtcp"
	pion "github.com/pion/srtp/v3"

	"tandem/media/rtp"
	"tandem/media/sdp"
	"tandem/media/srtp"
)

// securePeer is a peer that encrypts with an implementation that is not ours.
type securePeer struct {
	*peer
	own     srtp.Master
	out, in *pion.Context
}

func newSecurePeer(t *testing.T, p srtp.Profile) *securePeer {
	t.Helper()
	return &securePeer{peer: newPeer(t), own: srtp.NewMaster(p)}
}

// pionContext is a context of the other implementation.
func pionContext(t testing.TB, m srtp.Master) *pion.Context {
	t.Helper()
	profile := map[srtp.Profile]pion.ProtectionProfile{srtp.AESCM80: pion.ProtectionProfileAes128CmHmacSha1_80,
		srtp.AESCM32: pion.ProtectionProfileAes128CmHmacSha1_32, srtp.AESGCM: pion.ProtectionProfileAeadAes128Gcm}[m.Profile]
	secret := m.Secret()
	c, err := pion.CreateContext(secret[:srtp.KeySize], secret[srtp.KeySize:], profile)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// line is the peer's a=crypto line.
func (p *securePeer) line(tag int) string {
	return fmt.Sprintf("a=crypto:%d %s inline:%s\r\n", tag, p.own.Profile, base64.StdEncoding.EncodeToString(p.own.Secret()))
}

// offer is the peer's SDP over a secure profile.
func (p *securePeer) offer(tag int) []byte {
	return bytes.Replace(p.peer.offer("0 96", eventLines+p.line(tag)), []byte("RTP/AVP"), []byte("RTP/SAVP"), 1)
}

// take reads our description: where we are, and our key.
func (p *securePeer) take(body []byte) sdp.Crypto {
	p.t.Helper()
	d, err := sdp.Parse(body)
	if err != nil {
		p.t.Fatal(err)
	}
	m := &d.Media[0]
	keys := m.Cryptos()
	if len(keys) == 0 {
		p.t.Fatalf("no key in\n%s", body)
	}
	for _, c := range keys {
		if c.Suite != p.own.Profile.String() {
			continue
		}
		key, ok := master(c)
		if !ok {
			p.t.Fatalf("our key is none: %v", c)
		}
		p.in = pionContext(p.t, key)
		if p.out == nil {
			p.out = pionContext(p.t, p.own)
		}
		p.to = d.AddrOf(m)
		return c
	}
	p.t.Fatalf("no %s in\n%s", p.own.Profile, body)
	return sdp.Crypto{}
}

func (p *securePeer) call(s *Session) {
	p.t.Helper()
	answer, err := s.Answer(p.offer(3))
	if err != nil {
		p.t.Fatal(err)
	}
	if c := p.take(answer); c.Tag != 3 || !strings.Contains(string(answer), " RTP/SAVP ") {
		p.t.Fatalf("answered\n%s", answer)
	}
}

// sealed is the next packet of the peer's stream, encrypted.
func (p *securePeer) sealed(payload []byte) []byte {
	p.t.Helper()
	b := make([]byte, rtp.HeaderSize+len(payload))
	copy(b[p.h.Put(b):], payload)
	b, err := p.out.EncryptRTP(nil, b, nil)
	if err != nil {
		p.t.Fatal(err)
	}
	p.h.Sequence++
	p.h.Timestamp += uint32(len(payload))
	return b
}

func (p *securePeer) send(payload []byte) {
	p.t.Helper()
	if err := p.write(p.sealed(payload), p.to); err != nil {
		p.t.Fatal(err)
	}
}

// next is the next packet that the peer hears, decrypted.
func (p *securePeer) next() packet {
	p.t.Helper()
	for until := time.Now().Add(10 * time.Second); ; {
		b, from, ok := p.read(time.Until(until))
		if !ok {
			p.t.Fatal("no packet within 10 s")
		}
		if rtp.Classify(b) == rtp.RTCP {
			continue
		}
		plain, err := p.in.DecryptRTP(nil, b, nil)
		if err != nil {
			p.t.Fatalf("received %x: %v", b, err)
		}
		h, err := rtp.Parse(plain)
		if err != nil {
			p.t.Fatal(err)
		}
		return packet{h, h.Payload(plain), from, time.Now()}
	}
}

// talk sends a few packets each way over the bridge and compares what is heard.
func talk(t *testing.T, a *securePeer, b *peer, n int) {
	t.Helper()
	for i := range n {
		a.send(sound(i))
		if got := b.next(); !bytes.Equal(got.payload, sound(i)) {
			t.Fatalf("secure to plain, packet %d: %x", i, got.payload)
		}
		b.send(sound(i + 99))
		if got := a.next(); !bytes.Equal(got.payload, sound(i+99)) {
			t.Fatalf("plain to secure, packet %d: %x", i, got.payload)
		}
	}
}

// TestSecureToPlain: a leg with keys in SDP is bridged with one in the clear, for each suite.
func TestSecureToPlain(t *testing.T) {
	t.Parallel()
	setups(t, func(t *testing.T, o Options) {
		e := newEngine(t, o)
		for _, profile := range srtp.Profiles() {
			a, b := open(t, e, SessionOptions{}), open(t, e, SessionOptions{})
			pa, pb := newSecurePeer(t, profile), newPeer(t)
			pa.call(a)
			pb.call(b, "0")
			if err := Bridge(a, b); err != nil {
				t.Fatal(err)
			}
			talk(t, pa, pb, 20)
			if sa, sb := a.Stats(), b.Stats(); sa.Encryption != "sdes" || sb.Encryption != "off" || sa.Forged != 0 {
				t.Errorf("%s: stats %+v and %+v", profile, sa, sb)
			}
		}
	})
}

// TestSecureWraps: sequence numbers roll over in both directions (RFC 3711 §3.3.1).
func TestSecureWraps(t *testing.T) {
	t.Parallel()
	e := newEngine(t, Options{Workers: 1})
	a, b := open(t, e, SessionOptions{}), open(t, e, SessionOptions{})
	pa, pb := newSecurePeer(t, srtp.AESCM80), newPeer(t)
	pa.call(a)
	pb.call(b, "0")
	if err := Bridge(a, b); err != nil {
		t.Fatal(err)
	}
	pa.h.Sequence = 65500
	a.do(func(m *stream) { m.tx.seq = 65510 })
	talk(t, pa, pb, 100)
	if err := pa.repeat(a, pb); err != nil {
		t.Error(err)
	}
	talk(t, pa, pb, 20)
}

// repeat answers the same offer again: what was agreed on stays as it is, counters included.
func (p *securePeer) repeat(s *Session, other *peer) error {
	before := p.in
	answer, err := s.Answer(p.offer(3))
	if err != nil {
		return err
	}
	p.take(answer)
	p.in = before
	return nil
}

// TestSecureRekeyed: a re-INVITE may bring another key, and another suite, and none.
func TestSecureRekeyed(t *testing.T) {
	t.Parallel()
	e := newEngine(t, Options{Workers: 1})
	a, b := open(t, e, SessionOptions{}), open(t, e, SessionOptions{})
	pa, pb := newSecurePeer(t, srtp.AESCM80), newPeer(t)
	pa.call(a)
	pb.call(b, "0")
	if err := Bridge(a, b); err != nil {
		t.Fatal(err)
	}
	talk(t, pa, pb, 5)
	first := pa.take(a.Offer())
	pa.own, pa.out = srtp.NewMaster(srtp.AESCM80), nil
	in := pa.in
	answer, err := a.Answer(pa.offer(1))
	if err != nil {
		t.Fatal(err)
	}
	if second := pa.take(answer); !bytes.Equal(first.Secret, second.Secret) {
		t.Error("our key has changed, though the suite has not")
	}
	pa.in = in
	talk(t, pa, pb, 5)
	pa.own, pa.out = srtp.NewMaster(srtp.AESGCM), nil
	if answer, err = a.Answer(pa.offer(2)); err != nil {
		t.Fatal(err)
	}
	pa.take(answer)
	talk(t, pa, pb, 5)
	pa.peer.call(a, "0")
	for i := range 5 {
		pb.send(sound(i))
		if got := pa.peer.next(); !bytes.Equal(got.payload, sound(i)) {
			t.Errorf("in the clear: %x", got.payload)
		}
	}
	if s := a.Stats(); s.Encryption != "off" {
		t.Errorf("stats %+v", s)
	}
}

// TestSecureForged: what others send, or send again, is counted and not heard.
func TestSecureForged(t *testing.T) {
	t.Parallel()
	e := newEngine(t, Options{Workers: 1})
	a, b := open(t, e, SessionOptions{}), open(t, e, SessionOptions{})
	pa, pb := newSecurePeer(t, srtp.AESCM80), newPeer(t)
	pa.call(a)
	pb.call(b, "0")
	if err := Bridge(a, b); err != nil {
		t.Fatal(err)
	}
	talk(t, pa, pb, 5)
	again := pa.sealed(sound(1))
	pa.write(again, pa.to)
	pb.next()
	pa.write(again, pa.to)
	pa.peer.send(sound(2)) // in the clear, from the right address
	stranger := newSecurePeer(t, srtp.AESCM80)
	stranger.out = pionContext(t, stranger.own)
	stranger.write(stranger.sealed(sound(3)), pa.to)
	pa.send(sound(4))
	if got := pb.next(); !bytes.Equal(got.payload, sound(4)) {
		t.Errorf("heard %x", got.payload)
	}
	waitFor(t, func() bool { return a.Stats().Forged == 3 })
}

func waitFor(t *testing.T, ok func() bool) {
	t.Helper()
	for until := time.Now().Add(20 * time.Second); !ok(); {
		if time.Now().After(until) {
			t.Fatal("waited 20 s in vain")
		}
		time.Sleep(5 * time.Millisecond)
	}
}

// TestSecureRTCP: reports are encrypted both ways.
func TestSecureRTCP(t *testing.T) {
	t.Parallel()
	for _, profile := range srtp.Profiles() {
		e := newEngine(t, Options{Workers: 1})
		s, p, control := open(t, e, SessionOptions{}), newSecurePeer(t, profile), newPeer(t)
		p.peer.t = t
		offer := bytes.Replace(p.offer(1), []byte("RTP/SAVP 0 96\r\n"),
			fmt.Appendf(nil, "RTP/SAVP 0 96\r\na=rtcp:%d\r\n", control.addr().Port()), 1)
		answer, err := s.Answer(offer)
		if err != nil {
			t.Fatal(err)
		}
		p.take(answer)
		p.send(sound(0))
		waitFor(t, func() bool { return s.Stats().RxPackets == 1 })
		s.do(func(m *stream) { m.sendReport() })
		b, from, ok := control.read(10 * time.Second)
		if !ok {
			t.Fatal("no report")
		}
		plain, err := p.in.DecryptRTCP(nil, b, nil)
		if err != nil {
			t.Fatalf("%s: report %x: %v", profile, b, err)
		}
		if list, err := rtcp.Unmarshal(plain); err != nil || len(list) != 2 {
			t.Errorf("%s: report %v, %v", profile, list, err)
		}
		report, err := rtcp.Marshal([]rtcp.Packet{&rtcp.ReceiverReport{SSRC: p.h.SSRC}})
		if err != nil {
			t.Fatal(err)
		}
		if b, err = p.out.EncryptRTCP(nil, report, nil); err != nil {
			t.Fatal(err)
		}
		control.write(b, from)
		waitFor(t, func() bool { return s.Stats().RxRTCP == 1 })
		control.write(report, from)
		waitFor(t, func() bool { return s.Stats().Forged == 1 })
	}
}

// TestEncryptionOffered: what a policy offers, and what it takes for an answer.
func TestEncryptionOffered(t *testing.T) {
	t.Parallel()
	e := newEngine(t, Options{Workers: 1})
	for _, c := range []struct {
		policy Encryption
		proto  string
		keys   int
		plain  bool // a plain answer will do
	}{
		{EncryptAsOffered, "RTP/AVP", 0, true},
		{EncryptNever, "RTP/AVP", 0, true},
		{EncryptOptional, "RTP/AVP", 3, true},
		{EncryptAlways, "RTP/SAVP", 3, false},
	} {
		s, p := open(t, e, SessionOptions{Encryption: c.policy}), newSecurePeer(t, srtp.AESGCM)
		offer, err := sdp.Parse(s.Offer())
		if err != nil {
			t.Fatal(err)
		}
		if m := offer.Media[0]; m.Proto != c.proto || len(m.Cryptos()) != c.keys {
			t.Errorf("policy %d offers %s with %d keys", c.policy, m.Proto, len(m.Cryptos()))
		}
		plain := bytes.Replace(p.peer.offer("0", ""), []byte("RTP/AVP"), []byte(c.proto), 1)
		if err := s.SetAnswer(plain); err == nil != c.plain || err != nil && !errors.Is(err, ErrNotAcceptable) {
			t.Errorf("policy %d takes a plain answer: %v", c.policy, err)
		}
		if c.keys == 0 {
			continue
		}
		foreign := append(bytes.Clone(plain), p.line(3)...) // the tag of another suite
		if err := s.SetAnswer(foreign); err == nil != c.plain {
			t.Errorf("policy %d takes a key that answers no line: %v", c.policy, err)
		}
		if err := s.SetAnswer(append(bytes.Clone(plain), p.line(2)...)); err != nil {
			t.Errorf("policy %d: %v", c.policy, err)
		}
		if st := s.Stats(); st.Encryption != "sdes" {
			t.Errorf("policy %d: %+v", c.policy, st)
		}
		first, _ := sdp.Parse(s.Offer())
		if keys := first.Media[0].Cryptos(); len(keys) != 1 || keys[0].Tag != 2 || first.Media[0].Proto != c.proto {
			t.Errorf("policy %d offers again %s %v", c.policy, first.Media[0].Proto, keys)
		}
	}
}

// TestEncryptionAnswered: which offers a policy takes, and how.
func TestEncryptionAnswered(t *testing.T) {
	t.Parallel()
	e := newEngine(t, Options{Workers: 1})
	p := newSecurePeer(t, srtp.AESCM80)
	plain := "m=audio 4000 RTP/AVP 0\r\n"
	keyed := "m=audio 4000 RTP/AVP 0\r\n" + p.line(1)
	secure := "m=audio 4002 RTP/SAVP 0\r\na=crypto:7 F8_128_HMAC_SHA1_80 inline:AAAA\r\n" + p.line(1)
	feedback := "m=audio 4002 RTP/SAVPF 0\r\n" + p.line(1)
	bare := "m=audio 4002 RTP/SAVP 0\r\n"
	unknown := "m=audio 4002 RTP/SAVP 0\r\na=crypto:7 F8_128_HMAC_SHA1_80 inline:AAAA\r\n"
	const none = "none"
	for _, c := range []struct {
		name, offer                           string
		asOffered, never, optional, mandatory string // encryption of the answer
	}{
		{"plain", plain, "off", "off", "off", none},
		{"plain with keys", keyed, "sdes", "off", "sdes", "sdes"},
		{"secure", secure, "sdes", none, "sdes", "sdes"},
		{"secure with feedback", feedback, "sdes", none, "sdes", "sdes"},
		{"secure without keys", bare, none, none, none, none},
		{"secure with unknown suites", unknown, none, none, none, none},
		{"secure, then plain", secure + plain, "sdes", "off", "sdes", "sdes"},
		{"unknown, then plain", unknown + plain, "off", "off", "off", none},
		{"plain, then secure", plain + secure, "off", "off", "off", "sdes"},
		{"another protocol", "m=audio 4000 RTP/XVP 0\r\n", none, none, none, none},
	} {
		for policy, want := range []string{c.asOffered, c.never, c.optional, c.mandatory} {
			s := open(t, e, SessionOptions{Encryption: Encryption(policy)})
			answer, err := s.Answer(theirSDP("c=IN IP4 127.0.0.1\r\n" + c.offer))
			got := none
			if err == nil {
				got = s.Stats().Encryption
			} else if !errors.Is(err, ErrNotAcceptable) {
				t.Errorf("%s: %v", c.name, err)
			}
			if got != want {
				t.Errorf("%s, policy %d: %s, want %s", c.name, policy, got, want)
			}
			if strings.Contains(string(answer), "a=crypto") != (got == "sdes") {
				t.Errorf("%s, policy %d: answered\n%s", c.name, policy, answer)
			}
		}
	}
}
