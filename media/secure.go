package media

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"tandem/media/sdp"
	"tandem/media/srtp"
)

// Encryption says whether a leg's media are encrypted: SRTP by keys in SDP (RFC 4568) or by
// DTLS.
type Encryption uint8

const (
	// EncryptAsOffered takes what the peer offers; our own offers are plain. The zero value.
	EncryptAsOffered Encryption = iota
	// EncryptNever refuses encrypted offers.
	EncryptNever
	// EncryptOptional also offers keys beside plain RTP, which the peer may ignore.
	EncryptOptional
	// EncryptAlways refuses plain media, in offers and in answers.
	EncryptAlways
)

// EncryptionNamed reads "off", "optional", "required"; all else is EncryptAsOffered.
func EncryptionNamed(name string) Encryption {
	switch name {
	case "off":
		return EncryptNever
	case "optional":
		return EncryptOptional
	case "required":
		return EncryptAlways
	}
	return EncryptAsOffered
}

// String is the word of the configuration.
func (e Encryption) String() string {
	names := [...]string{"as offered", "off", "optional", "required"}
	if int(e) < len(names) {
		return names[e]
	}
	return "unknown"
}

// keying is how a stream gets its keys; the words are those of the records.
type keying string

const (
	keyingOff  keying = "off"
	keyingSDES keying = "sdes"
	keyingDTLS keying = "dtls"
)

// security is what two sides have agreed on for an encrypted stream.
type security struct {
	keying  keying
	tag     int         // of the peer's a=crypto line, or of ours that it chose
	send    srtp.Master // ours
	receive srtp.Master

	// Of DTLS, whose handshake brings the keys.
	fingerprints []sdp.Fingerprint // of the peer's certificate: one of these
	active       bool              // we begin the handshake
}

// keyring is the part of a negotiation that is about encryption.
type keyring struct {
	policy   Encryption
	identity *identity                    // nil: no DTLS
	browser  bool                         // our first offer is to one: it takes nothing but DTLS
	own      map[srtp.Profile]srtp.Master // our keys in offers that have no answer yet, and the one agreed on
}

var errPlain = errors.New("media that are not encrypted")

// take finds out how the peer wants a stream of its description encrypted; nil for not at all.
// Errors say why we cannot have it.
func (k *keyring) take(s *sdp.Session, m *sdp.Media) (*security, error) {
	switch {
	case !supported(m.Proto):
		return nil, errors.New(m.Type + " over " + strconv.QuoteToASCII(m.Proto))
	case k.policy == EncryptNever && m.IsSecure():
		return nil, errors.New("encrypted media")
	}
	if k.policy != EncryptNever && !overDTLS(m) { // keys on a plain profile: take it encrypted, or else plain
		if sec := k.fromKeys(m); sec != nil {
			return sec, nil
		}
	}
	if m.IsSecure() { // RFC 5763 §8: older peers write RTP/SAVP(F) here as well
		if sec := k.fromFingerprints(s, m); sec != nil {
			return sec, nil
		}
	}
	switch {
	case m.IsSecure():
		return nil, errors.New("no key that can be used")
	case k.policy == EncryptAlways:
		return nil, errPlain
	}
	return nil, nil
}

// fromKeys takes the first a=crypto line that we can use (RFC 4568 §5.1.2).
func (k *keyring) fromKeys(m *sdp.Media) *security {
	for _, c := range m.Cryptos() {
		if receive, ok := master(c); ok {
			return &security{keying: keyingSDES, tag: c.Tag, receive: receive}
		}
	}
	return nil
}

// overDTLS tells whether a stream's profile names DTLS (RFC 5764 §8).
func overDTLS(m *sdp.Media) bool { return strings.HasPrefix(strings.ToUpper(m.Proto), "UDP/TLS/") }

// fromFingerprints takes an offer of DTLS. We wait for the peer's hello where it leaves us the
// choice: it finds its way through a NAT to us, ours would not (against RFC 5763 §5, which has
// the answerer begin so that media may come before the answer).
func (k *keyring) fromFingerprints(s *sdp.Session, m *sdp.Media) *security {
	list := strong(s.Fingerprints(m))
	if k.identity == nil || len(list) == 0 {
		return nil
	}
	return &security{keying: keyingDTLS, fingerprints: list, active: s.Setup(m) == "passive"}
}

// master is the key of an a=crypto line.
func master(c sdp.Crypto) (srtp.Master, bool) {
	p := srtp.ProfileNamed(c.Suite)
	if p == 0 || len(c.Secret) < srtp.KeySize {
		return srtp.Master{}, false
	}
	return srtp.MasterOf(p, c.Secret[:srtp.KeySize], c.Secret[srtp.KeySize:], c.MKI)
}

// supported tells whether we speak a stream's protocol. AVPF and SAVPF (RFC 4585, RFC 5124)
// only add feedback, which nobody has to send.
func supported(proto string) bool {
	switch strings.ToUpper(proto) {
	case "RTP/AVP", "RTP/AVPF", "RTP/SAVP", "RTP/SAVPF", "UDP/TLS/RTP/SAVP", "UDP/TLS/RTP/SAVPF":
		return true
	}
	return false
}

// answer completes what take has found by our own key, and writes it into the line of our
// answer. before is what had been agreed on: with the same algorithms our key stays, so that
// the stream goes on (RFC 4568 §7.1.4).
func (k *keyring) answer(sec, before *security, line *sdp.Media) {
	if sec == nil {
		return
	}
	if sec.keying == keyingDTLS {
		if before != nil && before.keying == keyingDTLS && slices.EqualFunc(before.fingerprints, sec.fingerprints, sameFingerprint) {
			sec.active = before.active // RFC 8842 §5.3: as it was
		}
		k.show(line, map[bool]string{true: "active", false: "passive"}[sec.active])
		return
	}
	p := sec.receive.Profile
	if before != nil && before.send.Profile == p {
		sec.send = before.send
	} else {
		sec.send = srtp.NewMaster(p)
	}
	k.own = map[srtp.Profile]srtp.Master{p: sec.send}
	line.Attributes = append(line.Attributes, keyLine(sec.tag, sec.send))
}

// show writes our certificate's fingerprint and who begins.
func (k *keyring) show(line *sdp.Media, setup string) {
	line.Attributes = append(line.Attributes, k.identity.fingerprint.Attribute(), sdp.Attribute{Name: "setup", Value: setup})
}

func sameFingerprint(a, b sdp.Fingerprint) bool {
	return a.Hash == b.Hash && slices.Equal(a.Value, b.Value)
}

// keyLine is the a=crypto line that tells a key of ours.
func keyLine(tag int, m srtp.Master) sdp.Attribute {
	return sdp.Crypto{Tag: tag, Suite: m.Profile.String(), Secret: m.Secret()}.Attribute()
}

// offer writes what we would like into the line of our offer: what has been agreed on, or
// every algorithm that we have.
func (k *keyring) offer(agreed *params, line *sdp.Media) {
	if agreed != nil {
		if sec := agreed.secure; sec != nil && sec.keying == keyingDTLS {
			k.show(line, "actpass") // RFC 8842 §5.5
		} else if sec != nil {
			line.Attributes = append(line.Attributes, keyLine(sec.tag, sec.send))
		}
		return
	}
	switch {
	case k.browser && k.policy != EncryptNever && k.identity != nil:
		line.Proto, line.RTCPMux = "UDP/TLS/RTP/SAVPF", true
		k.show(line, "actpass")
		return
	case k.policy == EncryptAlways:
		line.Proto = "RTP/SAVP"
	case k.policy == EncryptOptional: // RFC 4568 knows no such thing; whoever does not know it ignores the lines
	default:
		return
	}
	if k.own == nil {
		k.own = map[srtp.Profile]srtp.Master{}
	}
	for i, p := range srtp.Profiles() {
		if _, drawn := k.own[p]; !drawn {
			k.own[p] = srtp.NewMaster(p)
		}
		line.Attributes = append(line.Attributes, keyLine(i+1, k.own[p]))
	}
}

// settle reads the peer's answer to ours, a line of our offer.
func (k *keyring) settle(answer *sdp.Session, ours, theirs *sdp.Media) (*security, error) {
	if !supported(theirs.Proto) {
		return nil, fmt.Errorf("answered with %s", strconv.QuoteToASCII(theirs.Proto))
	}
	if _, shown := ours.Get("fingerprint"); shown {
		sec := k.fromFingerprints(answer, theirs)
		if sec == nil {
			return nil, errors.New("answered without a fingerprint of its certificate")
		}
		return sec, nil
	}
	for _, offered := range ours.Cryptos() {
		for _, c := range theirs.Cryptos() {
			receive, ok := master(c)
			if !ok || c.Tag != offered.Tag || c.Suite != offered.Suite {
				continue
			}
			return &security{keying: keyingSDES, tag: c.Tag, receive: receive, send: k.own[receive.Profile]}, nil
		}
	}
	if ours.IsSecure() || theirs.IsSecure() {
		return nil, errors.New("answered without a key that was asked for")
	}
	return nil, nil
}

// CheckEncryption tells whether an offer has an audio stream that is encrypted, or in the
// clear, as e wants it. Errors wrap ErrNotAcceptable or sdp.ErrMalformed.
func CheckEncryption(offer []byte, e Encryption) error {
	s, err := sdp.Parse(offer)
	if err != nil {
		return err
	}
	k := keyring{policy: e, identity: &identity{}}
	var refused error
	for i := range s.Media {
		m := &s.Media[i]
		if m.Type != "audio" || m.Port == 0 {
			continue
		}
		if _, refused = k.take(s, m); refused == nil {
			return nil
		}
	}
	if refused == nil {
		return nil // nothing to be encrypted; whoever answers says what is wrong
	}
	return fmt.Errorf("%w: %w", ErrNotAcceptable, refused)
}
