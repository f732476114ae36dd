package sdp

import (
	"encoding/hex"
	"net/netip"
	"strconv"
	"strings"
)

// Fingerprint is the hash of the certificate that a peer will show in DTLS (RFC 8122 §5).
type Fingerprint struct {
	Hash  string // "sha-256", in small letters
	Value []byte
}

// maxFingerprints bounds how many are looked at.
const maxFingerprints = 8

// Fingerprints are those of a stream, or else of the session.
func (s *Session) Fingerprints(m *Media) []Fingerprint {
	if list := fingerprints(m.Attributes); len(list) > 0 {
		return list
	}
	return fingerprints(s.Attributes)
}

func fingerprints(attributes []Attribute) []Fingerprint {
	var list []Fingerprint
	for _, a := range attributes {
		hash, value, _ := strings.Cut(a.Value, " ")
		if a.Name != "fingerprint" || len(list) == maxFingerprints {
			continue
		}
		b, err := hex.DecodeString(strings.ReplaceAll(strings.TrimSpace(value), ":", ""))
		if err == nil && len(b) >= 20 {
			list = append(list, Fingerprint{Hash: strings.ToLower(hash), Value: b})
		}
	}
	return list
}

// Attribute writes the line.
func (f Fingerprint) Attribute() Attribute {
	var b strings.Builder
	b.WriteString(f.Hash + " ")
	for i, c := range f.Value {
		if i > 0 {
			b.WriteByte(':')
		}
		b.WriteString(strings.ToUpper(hex.EncodeToString([]byte{c})))
	}
	return Attribute{Name: "fingerprint", Value: b.String()}
}

// Setup is who begins the DTLS handshake: "active", "passive", "actpass", "holdconn"; "" if
// not said (RFC 4145 §4).
func (s *Session) Setup(m *Media) string { return strings.ToLower(s.either(m, "setup")) }

// ICE is the name and the password of the connectivity checks (RFC 8839 §5.4); empty if the
// peer does not do ICE.
func (s *Session) ICE(m *Media) (ufrag, pwd string) {
	return s.either(m, "ice-ufrag"), s.either(m, "ice-pwd")
}

// IsLite tells whether the peer only answers checks (RFC 8839 §5.3).
func (s *Session) IsLite() bool {
	_, lite := s.Get("ice-lite")
	return lite
}

// either is an attribute of the stream, or else of the session.
func (s *Session) either(m *Media, name string) string {
	if v, ok := m.Get(name); ok {
		return v
	}
	v, _ := s.Get(name)
	return v
}

// HostCandidate is an a=candidate line for an address of ours (RFC 8839 §5.1); component is 1
// for RTP and 2 for RTCP.
func HostCandidate(component int, at netip.AddrPort) Attribute {
	// Host candidates have a type preference of 126; we have one address.
	priority := 126<<24 | 65535<<8 | (256 - component)
	return Attribute{Name: "candidate", Value: "1 " + strconv.Itoa(component) + " udp " +
		strconv.Itoa(priority) + " " + at.Addr().WithZone("").String() + " " + strconv.Itoa(int(at.Port())) + " typ host"}
}
