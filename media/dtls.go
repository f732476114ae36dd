package media

import (
	"bytes"
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"runtime/debug"
	"time"

	"github.com/pion/dtls/v3"
	"github.com/pion/logging"
	"github.com/pion/transport/v4/packetio"

	"tandem/media/srtp"
)

const (
	// handshakeTime is how long a DTLS handshake may take, waiting for its turn included.
	handshakeTime = 30 * time.Second
	// maxHandshakes bounds those that compute at once; more wait for their turn.
	maxHandshakes = 64
	// maxAttempts is how many associations one description may begin, so that whoever spoils
	// one does not make us try for ever; strangers get fewer of them.
	maxAttempts, strangersAttempts = 8, 3
	// pipeDepth is how many datagrams wait for an association.
	pipeDepth = 32
)

// association is one DTLS connection (RFC 5764), whose handshake agrees on keys for SRTP. It
// has a goroutine of its own; the worker hands it datagrams through a pipe that drops what is
// too much.
type association struct {
	session *Session
	sec     *security
	pipe    *packetio.Buffer
	from    netip.AddrPort // the peer's; the worker's
	rank    rank
	keyed   bool // the worker's
}

// beginDTLS makes an association with whoever is at from.
func (m *stream) beginDTLS(from netip.AddrPort, r rank) {
	g := m.guard
	g.attempts++
	a := &association{session: m.session, sec: g.agreed, pipe: packetio.NewBuffer(), from: from, rank: r}
	a.pipe.SetLimitCount(pipeDepth)
	g.dtls = a
	e := m.session.engine
	e.running.Go(func() { a.run(e) })
}

// run makes the handshake and then keeps the connection until the worker closes the pipe.
func (a *association) run(e *Engine) {
	defer func() {
		if fault := recover(); fault != nil {
			e.faults.report(e.log, e.clock.Now(), fault, debug.Stack())
		}
		a.pipe.Close()
		a.session.post(func(m *stream) { m.dropAssociation(a) })
	}()
	conn, send, receive, err := a.shake(e)
	if err != nil {
		if !errors.Is(err, io.EOF) && !errors.Is(err, net.ErrClosed) && e.dtlsLog.pass(e.clock.Now()) {
			e.log.Info("media: DTLS handshake failed", "error", err)
		}
		return
	}
	a.session.post(func(m *stream) { m.keysFrom(a, send, receive) })
	b := make([]byte, maxPacket)
	for err == nil { // answers what the peer sends again, and hears when it closes
		_, err = conn.Read(b)
	}
	conn.Close()
}

// shake makes the handshake; the keys are ours and the peer's.
func (a *association) shake(e *Engine) (conn *dtls.Conn, send, receive srtp.Master, err error) {
	ctx, cancel := context.WithTimeout(context.Background(), handshakeTime)
	defer cancel()
	select {
	case e.handshakes <- struct{}{}:
		defer func() { <-e.handshakes }()
	case <-ctx.Done():
		return nil, send, receive, errors.New("too many handshakes at once")
	}
	if conn, err = a.open(e); err != nil {
		return nil, send, receive, err
	}
	if err = conn.HandshakeContext(ctx); err == nil {
		send, receive, err = a.export(conn)
	}
	if err != nil {
		conn.Close()
	}
	return conn, send, receive, err
}

// open makes the connection. Both sides show a certificate; what it must be stands in the SDP.
func (a *association) open(e *Engine) (*dtls.Conn, error) {
	quiet := &logging.DefaultLoggerFactory{Writer: io.Discard, DefaultLogLevel: logging.LogLevelDisabled}
	verify := func(certificates [][]byte, _ [][]*x509.Certificate) error {
		if len(certificates) == 0 {
			return errFingerprint
		}
		return isOneOf(certificates[0], a.sec.fingerprints)
	}
	shared := []dtls.Option{
		dtls.WithCertificates(e.identity.certificate), dtls.WithInsecureSkipVerify(true), dtls.WithVerifyPeerCertificate(verify),
		dtls.WithSRTPProtectionProfiles(dtls.SRTP_AEAD_AES_128_GCM, dtls.SRTP_AES128_CM_HMAC_SHA1_80, dtls.SRTP_AES128_CM_HMAC_SHA1_32),
		dtls.WithExtendedMasterSecret(dtls.RequireExtendedMasterSecret), dtls.WithLoggerFactory(quiet),
	}
	if a.sec.active {
		options := make([]dtls.ClientOption, 0, len(shared))
		for _, o := range shared {
			options = append(options, o)
		}
		return dtls.ClientWithOptions(pipeEnd{a}, pipeEnd{a}.RemoteAddr(), options...)
	}
	options := []dtls.ServerOption{dtls.WithClientAuth(dtls.RequireAnyClientCert)}
	for _, o := range shared {
		options = append(options, o)
	}
	return dtls.ServerWithOptions(pipeEnd{a}, pipeEnd{a}.RemoteAddr(), options...)
}

// export derives the master keys: RFC 5764 §4.2: the client's key, the server's, then the
// salts in that order.
func (a *association) export(conn *dtls.Conn) (send, receive srtp.Master, err error) {
	chosen, ok := conn.SelectedSRTPProtectionProfile()
	profile := map[dtls.SRTPProtectionProfile]srtp.Profile{dtls.SRTP_AEAD_AES_128_GCM: srtp.AESGCM,
		dtls.SRTP_AES128_CM_HMAC_SHA1_80: srtp.AESCM80, dtls.SRTP_AES128_CM_HMAC_SHA1_32: srtp.AESCM32}[chosen]
	state, known := conn.ConnectionState()
	if !ok || !known || profile == 0 {
		return send, receive, errors.New("no profile of SRTP in common")
	}
	k, s := srtp.KeySize, profile.SaltSize()
	b, err := state.ExportKeyingMaterial("EXTRACTOR-dtls_srtp", nil, 2*(k+s))
	if err != nil {
		return send, receive, fmt.Errorf("keys for SRTP: %w", err)
	}
	client, _ := srtp.MasterOf(profile, b[:k], b[2*k:2*k+s], 0)
	server, _ := srtp.MasterOf(profile, b[k:2*k], b[2*k+s:], 0)
	clear(b)
	if a.sec.active {
		return client, server, nil
	}
	return server, client, nil
}

// pipeEnd is the association's network: datagrams from the worker, and to it.
type pipeEnd struct{ a *association }

func (p pipeEnd) ReadFrom(b []byte) (int, net.Addr, error) {
	n, err := p.a.pipe.Read(b)
	return n, p.RemoteAddr(), err
}

func (p pipeEnd) WriteTo(b []byte, _ net.Addr) (int, error) {
	sent := bytes.Clone(b)
	if !p.a.session.post(func(m *stream) { m.sendDTLS(p.a, sent) }) {
		return 0, net.ErrClosed
	}
	return len(b), nil
}

func (p pipeEnd) Close() error                      { return p.a.pipe.Close() }
func (p pipeEnd) LocalAddr() net.Addr               { return net.UDPAddrFromAddrPort(p.a.session.local) }
func (p pipeEnd) RemoteAddr() net.Addr              { return &net.UDPAddr{} } // the worker knows
func (p pipeEnd) SetDeadline(t time.Time) error     { return p.SetReadDeadline(t) }
func (p pipeEnd) SetReadDeadline(t time.Time) error { return p.a.pipe.SetReadDeadline(t) }
func (p pipeEnd) SetWriteDeadline(time.Time) error  { return nil } // writing never waits

// receiveDTLS hands a datagram to the association, or begins one with who says hello.
func (m *stream) receiveDTLS(b []byte, from netip.AddrPort) {
	g := m.guard
	if m.p == nil || g == nil || g.agreed.keying != keyingDTLS {
		m.count.malformed++
		return
	}
	r := m.latch.rank(from)
	if m.latch.pinned { // RFC 5763 §6.7.1: what ICE has not checked is nobody's
		if r = rankPromised; from != m.latch.current.addr && !m.nominated.isValid(from) {
			m.count.strangers++
			return
		}
	}
	a := g.dtls
	if !m.latch.pinned && a != nil && from != a.from && (a.keyed || r <= a.rank) {
		m.count.strangers++
		return
	}
	switch {
	case a != nil && (m.latch.pinned || from == a.from):
		a.from = from
	case g.agreed.active || !isClientHello(b) || g.attempts >= maxAttempts || r == rankOther && g.attempts >= strangersAttempts:
		m.count.strangers++
		return
	default: // nobody yet, or somebody whose address had less to do with the peer
		if a != nil {
			a.pipe.Close()
		}
		m.beginDTLS(from, r)
		a = g.dtls
	}
	a.pipe.Write(bytes.Clone(b)) // an error says that the pipe is full or closed: the peer sends it again
}

// isClientHello tells whether a datagram begins a handshake (RFC 6347 §4.1, §4.2.2).
func isClientHello(b []byte) bool {
	const handshake, clientHello, recordHeader = 22, 1, 13
	return len(b) > recordHeader && b[0] == handshake && b[recordHeader] == clientHello
}

// sendDTLS sends a datagram of the association to where its peer is.
func (m *stream) sendDTLS(a *association, b []byte) {
	if m.ended || m.guard == nil || m.guard.dtls != a || m.rtp == nil {
		return
	}
	if err := m.rtp.conn.send(b, a.from); err != nil {
		m.count.sendErrors++
	}
}

// keysFrom takes the keys of a handshake. Who has made it is the peer: until it sends, media
// go to where it is.
func (m *stream) keysFrom(a *association, send, receive srtp.Master) {
	if m.ended || m.guard == nil || m.guard.dtls != a {
		return
	}
	a.keyed = true
	m.guard.out, m.guard.in = srtp.NewSender(send), srtp.NewReceiver(receive)
	if !m.latch.pinned && !m.latch.current.addr.IsValid() {
		m.latch.current = candidate{addr: a.from, rank: m.latch.rank(a.from), run: latchRun}
	}
	m.startFrames()
}

// dropAssociation lets another one begin after one that failed. Keys agreed on stay.
func (m *stream) dropAssociation(a *association) {
	if m.guard != nil && m.guard.dtls == a && !a.keyed {
		m.guard.dtls = nil
	}
}
