package media

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/pion/dtls/v3"
	pion "github.com/pion/srtp/v3"
	"github.com/pion/transport/v4/packetio"

	"tandem/media/rtp"
	"tandem/media/sdp"
)

// dtlsPeer is a peer that agrees on keys by DTLS, with ICE if it has an icePeer's credentials.
type dtlsPeer struct {
	*icePeer
	identity *identity
	dtls     *packetio.Buffer
	media    chan []byte
	answers  chan []byte // STUN
	out, in  *pion.Context
	theirs   sdp.Fingerprint // of our certificate, as our SDP has it
	setup    string
}

func newDTLSPeer(t *testing.T) *dtlsPeer {
	t.Helper()
	id, err := newIdentity(time.Now())
	if err != nil {
		t.Fatal(err)
	}
	p := &dtlsPeer{icePeer: newICEPeer(t), identity: id, dtls: packetio.NewBuffer(), media: make(chan []byte, 1000), answers: make(chan []byte, 100)}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			b := make([]byte, maxPacket)
			n, _, err := p.wire.(realWire).ReadFromUDPAddrPort(b)
			if err != nil {
				return
			}
			switch rtp.Classify(b[:n]) {
			case rtp.DTLS:
				p.dtls.Write(b[:n])
			case rtp.STUN:
				p.answers <- b[:n]
			case rtp.RTP:
				p.media <- b[:n]
			}
		}
	}()
	t.Cleanup(func() { p.wire.(realWire).Close(); <-done; p.dtls.Close() })
	return p
}

// lines are the peer's attributes.
func (p *dtlsPeer) lines(setup string) string {
	return "a=fingerprint:" + p.identity.fingerprint.Attribute().Value + "\r\na=setup:" + setup + "\r\n"
}

// description is the peer's SDP.
func (p *dtlsPeer) description(proto, lines string) []byte {
	return bytes.Replace(p.peer.offer("0", lines), []byte("RTP/AVP"), []byte(proto), 1)
}

// reads takes our description.
func (p *dtlsPeer) takes(body []byte) *sdp.Media {
	p.t.Helper()
	d, err := sdp.Parse(body)
	if err != nil {
		p.t.Fatal(err)
	}
	m := &d.Media[0]
	p.to, p.setup = d.AddrOf(m), d.Setup(m)
	p.ufrag, p.pwd = d.ICE(m)
	list := d.Fingerprints(m)
	if len(list) != 1 {
		p.t.Fatalf("fingerprints %v in\n%s", list, body)
	}
	p.theirs = list[0]
	return m
}

// PacketConn of the peer's side of the handshake.
func (p *dtlsPeer) ReadFrom(b []byte) (int, net.Addr, error) {
	n, err := p.dtls.Read(b)
	return n, net.UDPAddrFromAddrPort(p.to), err
}

func (p *dtlsPeer) WriteTo(b []byte, _ net.Addr) (int, error) { return len(b), p.write(b, p.to) }
func (p *dtlsPeer) Close() error                              { return nil }
func (p *dtlsPeer) LocalAddr() net.Addr                       { return net.UDPAddrFromAddrPort(p.addr()) }
func (p *dtlsPeer) SetDeadline(t time.Time) error             { return p.dtls.SetReadDeadline(t) }
func (p *dtlsPeer) SetReadDeadline(t time.Time) error         { return p.dtls.SetReadDeadline(t) }
func (p *dtlsPeer) SetWriteDeadline(time.Time) error          { return nil }

// shake makes the handshake as the side that our answer leaves to the peer.
func (p *dtlsPeer) shake() error {
	p.t.Helper()
	verify := func(certificates [][]byte, _ [][]*x509.Certificate) error {
		return isOneOf(certificates[0], []sdp.Fingerprint{p.theirs})
	}
	config := &dtls.Config{Certificates: []tls.Certificate{p.identity.certificate}, InsecureSkipVerify: true, VerifyPeerCertificate: verify,
		ClientAuth: dtls.RequireAnyClientCert, SRTPProtectionProfiles: []dtls.SRTPProtectionProfile{dtls.SRTP_AES128_CM_HMAC_SHA1_80}}
	open := dtls.Client
	if p.setup == "active" {
		open = dtls.Server
	}
	conn, err := open(p, net.UDPAddrFromAddrPort(p.to), config)
	if err != nil {
		p.t.Fatal(err)
	}
	p.t.Cleanup(func() { conn.Close() })
	ctx, cancel := context.WithTimeout(p.t.Context(), 20*time.Second)
	defer cancel()
	if err := conn.HandshakeContext(ctx); err != nil {
		return err
	}
	state, _ := conn.ConnectionState()
	keys := pion.Config{Profile: pion.ProtectionProfileAes128CmHmacSha1_80}
	if err := keys.ExtractSessionKeysFromDTLS(&state, p.setup != "active"); err != nil {
		p.t.Fatal(err)
	}
	if p.out, err = pion.CreateContext(keys.Keys.LocalMasterKey, keys.Keys.LocalMasterSalt, keys.Profile); err != nil {
		p.t.Fatal(err)
	}
	if p.in, err = pion.CreateContext(keys.Keys.RemoteMasterKey, keys.Keys.RemoteMasterSalt, keys.Profile); err != nil {
		p.t.Fatal(err)
	}
	return nil
}

// send sends the next packet of the peer's stream.
func (p *dtlsPeer) send(payload []byte) {
	p.t.Helper()
	b := make([]byte, rtp.HeaderSize+len(payload))
	copy(b[p.h.Put(b):], payload)
	b, err := p.out.EncryptRTP(nil, b, nil)
	if err != nil {
		p.t.Fatal(err)
	}
	p.h.Sequence++
	p.h.Timestamp += uint32(len(payload))
	p.write(b, p.to)
}

// hears waits for the next packet and opens it.
func (p *dtlsPeer) hears() []byte {
	p.t.Helper()
	select {
	case b := <-p.media:
		plain, err := p.in.DecryptRTP(nil, b, nil)
		if err != nil {
			p.t.Fatal(err)
		}
		h, err := rtp.Parse(plain)
		if err != nil {
			p.t.Fatal(err)
		}
		return h.Payload(plain)
	case <-time.After(20 * time.Second):
		p.t.Fatal("nothing heard for 20 s")
		return nil
	}
}

// converse compares what goes back and forth with a plain peer. The peer sends until it is
// heard: our side may still be deriving the keys.
func (p *dtlsPeer) converse(other *peer) {
	p.t.Helper()
	first := func() bool {
		p.send(sound(0))
		_, ok := other.hear(50 * time.Millisecond)
		return ok
	}
	for until := time.Now().Add(20 * time.Second); !first(); {
		if time.Now().After(until) {
			p.t.Fatal("not heard for 20 s")
		}
	}
	for _, ok := other.hear(100 * time.Millisecond); ok; _, ok = other.hear(100 * time.Millisecond) {
	}
	for i := range 10 {
		p.send(sound(i))
		if got := other.next(); !bytes.Equal(got.payload, sound(i)) {
			p.t.Fatalf("secure to plain, packet %d: %x", i, got.payload)
		}
		other.send(sound(i + 99))
		if got := p.hears(); !bytes.Equal(got, sound(i+99)) {
			p.t.Fatalf("plain to secure, packet %d: %x", i, got)
		}
	}
}

// bridged is a session joined with a plain peer.
func bridged(t *testing.T, e *Engine, o SessionOptions) (*Session, *peer) {
	t.Helper()
	s, b, other := open(t, e, o), open(t, e, SessionOptions{}), newPeer(t)
	other.call(b, "0")
	if err := Bridge(s, b); err != nil {
		t.Fatal(err)
	}
	return s, other
}

// TestDTLSAnswered: each role that an offer may leave us, over each profile.
func TestDTLSAnswered(t *testing.T) {
	t.Parallel()
	setups(t, func(t *testing.T, o Options) {
		e := newEngine(t, o)
		for _, c := range []struct{ proto, setup, ours string }{
			{"UDP/TLS/RTP/SAVPF", "actpass", "passive"},
			{"UDP/TLS/RTP/SAVP", "active", "passive"},
			{"RTP/SAVPF", "passive", "active"},
		} {
			s, other := bridged(t, e, SessionOptions{})
			p := newDTLSPeer(t)
			answer, err := s.Answer(p.description(c.proto, p.lines(c.setup)))
			if err != nil {
				t.Fatal(err)
			}
			if m := p.takes(answer); m.Proto != c.proto || p.setup != c.ours {
				t.Errorf("%s %s answered\n%s", c.proto, c.setup, answer)
			}
			if err := p.shake(); err != nil {
				t.Fatalf("%s %s: %v", c.proto, c.setup, err)
			}
			p.converse(other)
			if st := s.Stats(); st.Encryption != "dtls" || st.Forged > 0 {
				t.Errorf("stats %+v", st)
			}
			again, err := s.Answer(p.description(c.proto, p.lines("actpass")))
			if err != nil {
				t.Fatal(err)
			}
			if p.takes(again); p.setup != c.ours {
				t.Errorf("a re-INVITE makes us %s", p.setup)
			}
			p.converse(other)
		}
	})
}

// TestDTLSOffered: an offer to a browser is DTLS with ICE and nothing else, and the answer
// decides who begins.
func TestDTLSOffered(t *testing.T) {
	t.Parallel()
	e := newEngine(t, Options{Workers: 1})
	for _, setup := range []string{"active", "passive"} {
		s, other := bridged(t, e, SessionOptions{Browser: true})
		p := newDTLSPeer(t)
		m := p.takes(s.Offer())
		if m.Proto != "UDP/TLS/RTP/SAVPF" || p.setup != "actpass" || !m.RTCPMux || p.ufrag == "" {
			t.Fatalf("offered %+v", m)
		}
		if err := s.SetAnswer(p.peer.offer("0", "")); err == nil {
			t.Error("a plain answer is taken")
		}
		if err := s.SetAnswer(p.description("UDP/TLS/RTP/SAVPF", p.lines(setup)+iceLines)); err != nil {
			t.Fatal(err)
		}
		p.checksAsync(t)
		if p.setup = "passive"; setup == "passive" {
			p.setup = "active"
		}
		if err := p.shake(); err != nil {
			t.Fatalf("%s: %v", setup, err)
		}
		p.converse(other)
		if m := p.takes(s.Offer()); m.Proto != "UDP/TLS/RTP/SAVPF" || p.setup != "actpass" {
			t.Errorf("offered again %+v", m)
		}
	}
	s := open(t, e, SessionOptions{Browser: true, Encryption: EncryptNever})
	if d, _ := sdp.Parse(s.Offer()); d.Media[0].Proto != "RTP/AVP" || len(d.Media[0].Attributes) > 0 {
		t.Errorf("offered %+v", d.Media[0])
	}
}

// checksAsync nominates the peer's address, where the answers are read elsewhere.
func (p *dtlsPeer) checksAsync(t *testing.T) {
	t.Helper()
	p.write(p.request(1, useCandidate), p.to)
	select {
	case <-p.answers:
	case <-time.After(20 * time.Second):
		t.Fatal("a check without an answer")
	}
}

// TestDTLSImpostor: who cannot show the certificate that the SDP names gets no keys, and the
// true peer still does.
func TestDTLSImpostor(t *testing.T) {
	t.Parallel()
	s, other := bridged(t, newEngine(t, Options{Workers: 1}), SessionOptions{})
	p, thief := newDTLSPeer(t), newDTLSPeer(t)
	answer, err := s.Answer(p.description("UDP/TLS/RTP/SAVPF", p.lines("actpass")))
	if err != nil {
		t.Fatal(err)
	}
	p.takes(answer)
	thief.takes(answer)
	if err := thief.shake(); err == nil {
		t.Error("the handshake of another certificate succeeds")
	}
	if err := p.shake(); err != nil {
		t.Fatal(err)
	}
	p.converse(other)
	thief.write([]byte{22, 0xFE, 0xFD, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 1}, p.to) // hello, once more
	p.converse(other)
	if st := s.Stats(); st.Remote != p.addr() {
		t.Errorf("stats %+v", st)
	}
}

// TestDTLSPolicy: off refuses it, required is content with it; a weak fingerprint is none.
func TestDTLSPolicy(t *testing.T) {
	t.Parallel()
	e := newEngine(t, Options{Workers: 1})
	p := newDTLSPeer(t)
	offer := p.description("UDP/TLS/RTP/SAVPF", p.lines("actpass"))
	weak := bytes.Replace(offer, []byte("sha-256"), []byte("sha-1"), 1)
	for policy := EncryptAsOffered; policy <= EncryptAlways; policy++ {
		s := open(t, e, SessionOptions{Encryption: policy})
		if _, err := s.Answer(weak); err == nil {
			t.Errorf("%v takes a weak fingerprint", policy)
		}
		if _, err := s.Answer(offer); err == nil != (policy != EncryptNever) {
			t.Errorf("%v: %v", policy, err)
		}
		if err := CheckEncryption(offer, policy); err == nil != (policy != EncryptNever) {
			t.Errorf("%v checked: %v", policy, err)
		}
	}
}

// TestDTLSBounded: hellos of strangers begin a few associations and no more.
func TestDTLSBounded(t *testing.T) {
	t.Parallel()
	s := open(t, newEngine(t, Options{Workers: 1}), SessionOptions{})
	p := newDTLSPeer(t)
	answer, err := s.Answer([]byte(strings.ReplaceAll(string(p.description("UDP/TLS/RTP/SAVPF", p.lines("actpass"))), "127.0.0.1", "192.0.2.9")))
	if err != nil {
		t.Fatal(err)
	}
	p.takes(answer)
	hello := []byte{22, 0xFE, 0xFD, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 1}
	for range 20 {
		s.do(func(m *stream) {
			m.receiveDTLS(hello, netip.MustParseAddrPort("203.0.113.9:4000"))
			if m.guard.dtls != nil {
				m.guard.dtls.pipe.Close() // it fails
				m.guard.dtls = nil
			}
		})
	}
	attempts := 0
	s.do(func(m *stream) { attempts = m.guard.attempts })
	if attempts != strangersAttempts {
		t.Errorf("%d associations", attempts)
	}
}
