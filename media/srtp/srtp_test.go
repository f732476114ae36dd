package srtp

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"testing"

	pionrtcp "github.com/pion/rtcp"
	pionrtp "github.com/pion/rtp"
	pion "github.com/pion/srtp/v3"
)

// theirs are the same profiles in an implementation that is not ours.
func theirs(t testing.TB, m Master) *pion.Context {
	t.Helper()
	p := map[Profile]pion.ProtectionProfile{AESCM80: pion.ProtectionProfileAes128CmHmacSha1_80,
		AESCM32: pion.ProtectionProfileAes128CmHmacSha1_32, AESGCM: pion.ProtectionProfileAeadAes128Gcm}[m.Profile]
	secret := m.Secret()
	c, err := pion.CreateContext(secret[:KeySize], secret[KeySize:], p, pion.SRTPReplayProtection(64), pion.SRTCPReplayProtection(64))
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func forEach(t *testing.T, f func(t *testing.T, m Master)) {
	for _, p := range Profiles() {
		t.Run(p.String(), func(t *testing.T) {
			t.Parallel()
			f(t, NewMaster(p))
		})
	}
}

// packet is an RTP packet with n bytes of payload.
func packet(seq uint16, ssrc uint32, n int) []byte {
	p := pionrtp.Packet{Header: pionrtp.Header{Version: 2, SequenceNumber: seq, SSRC: ssrc, Timestamp: uint32(seq) * 160},
		Payload: bytes.Repeat([]byte{byte(seq), 0x55}, n)[:n]}
	if seq%3 == 0 {
		p.Extension, p.ExtensionProfile = true, 0xBEDE
		if err := p.SetExtension(1, []byte{1, 2, 3}); err != nil {
			panic(err)
		}
	}
	if seq%5 == 0 {
		p.CSRC = []uint32{7, 8}
	}
	b, err := p.Marshal()
	if err != nil {
		panic(err)
	}
	return b
}

// room gives b what a Sender needs behind it.
func room(b []byte) []byte { return append(b, make([]byte, Overhead)...) }

// TestKeyDerivation is the vector of RFC 3711 appendix B.3.
func TestKeyDerivation(t *testing.T) {
	t.Parallel()
	hexed := func(s string) []byte {
		b, err := hex.DecodeString(s)
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	m, ok := MasterOf(AESCM80, hexed("E1F97A0D3E018BE0D64FA32C06DE4139"), hexed("0EC675AD498AFEEBB6960B3AABE6"), 0)
	if !ok {
		t.Fatal("master refused")
	}
	for label, want := range []string{"C61E7A93744F39EE10734AFE3FF7A087",
		"CEBE321F6FF7716B6FD4AB49AF256A156D38BAA4", "30CBBC08863D8C85D49DB34A9AE1"} {
		if got := derive(m, byte(label), len(want)/2); !bytes.Equal(got, hexed(want)) {
			t.Errorf("label %d: %X, want %s", label, got, want)
		}
	}
}

// TestRTPWithPeer sends through three roll-overs both ways with another implementation.
func TestRTPWithPeer(t *testing.T) {
	t.Parallel()
	forEach(t, func(t *testing.T, m Master) {
		out, in := NewSender(m), NewReceiver(m)
		peerOut, peerIn := theirs(t, m), theirs(t, m)
		for i := range 3 * 1 << 16 {
			seq := uint16(i + 1000)
			plain := packet(seq, 0xCAFE, 10+i%160)
			b := room(bytes.Clone(plain))
			if i%100 != 0 && i%1000 > 3 && i%(1<<16) < 60000 {
				continue // most are lost, but for those around the roll-over
			}
			n := out.RTP(b, len(plain))
			got, err := peerIn.DecryptRTP(nil, b[:n], nil)
			if err != nil || !bytes.Equal(got, plain) {
				t.Fatalf("packet %d: the peer reads %x, %v; want %x", i, got, err, plain)
			}
			theirs, err := peerOut.EncryptRTP(nil, plain, nil)
			if err != nil {
				t.Fatal(err)
			}
			if n, err = in.RTP(theirs); err != nil || !bytes.Equal(theirs[:n], plain) {
				t.Fatalf("packet %d: we read %x, %v; want %x", i, theirs[:n], err, plain)
			}
		}
	})
}

func TestRTCPWithPeer(t *testing.T) {
	t.Parallel()
	forEach(t, func(t *testing.T, m Master) {
		out, in := NewSender(m), NewReceiver(m)
		peerOut, peerIn := theirs(t, m), theirs(t, m)
		for i := range 200 {
			plain, err := pionrtcp.Marshal([]pionrtcp.Packet{
				&pionrtcp.SenderReport{SSRC: 0xCAFE, PacketCount: uint32(i)},
				&pionrtcp.SourceDescription{Chunks: []pionrtcp.SourceDescriptionChunk{{Source: 0xCAFE,
					Items: []pionrtcp.SourceDescriptionItem{{Type: pionrtcp.SDESCNAME, Text: fmt.Sprint(i)}}}}},
			})
			if err != nil {
				t.Fatal(err)
			}
			b := room(bytes.Clone(plain))
			n := out.RTCP(b, len(plain))
			if got, err := peerIn.DecryptRTCP(nil, b[:n], nil); err != nil || !bytes.Equal(got, plain) {
				t.Fatalf("report %d: the peer reads %x, %v", i, got, err)
			}
			theirs, err := peerOut.EncryptRTCP(nil, plain, nil)
			if err != nil {
				t.Fatal(err)
			}
			again := bytes.Clone(theirs)
			if n, err = in.RTCP(theirs); err != nil || !bytes.Equal(theirs[:n], plain) {
				t.Fatalf("report %d: we read %x, %v", i, theirs[:n], err)
			}
			if _, err := in.RTCP(again); !errors.Is(err, ErrReplayed) {
				t.Fatalf("a report sent twice: %v", err)
			}
		}
	})
}

// TestReplay: each packet is taken once, in whatever order, and not when it is too old.
func TestReplay(t *testing.T) {
	t.Parallel()
	forEach(t, func(t *testing.T, m Master) {
		out, in := NewSender(m), NewReceiver(m)
		var sent [][]byte
		for i := range 300 {
			b := room(packet(uint16(65500+i), 1, 20))
			sent = append(sent, b[:out.RTP(b, len(b)-Overhead)])
		}
		try := func(i int) error {
			_, err := in.RTP(bytes.Clone(sent[i]))
			return err
		}
		for _, i := range []int{0, 2, 1, 50, 49, 3} {
			if err := try(i); err != nil {
				t.Errorf("packet %d: %v", i, err)
			}
			if err := try(i); !errors.Is(err, ErrReplayed) {
				t.Errorf("packet %d again: %v", i, err)
			}
		}
		if err := try(299); err != nil {
			t.Error(err)
		}
		if err := try(299 - window); !errors.Is(err, ErrReplayed) {
			t.Errorf("one beyond the window: %v", err)
		}
		if err := try(300 - window); err != nil {
			t.Errorf("the last of the window: %v", err)
		}
	})
}

// TestForged: a changed bit anywhere, another key, or a cut makes a packet a stranger's, and
// the stream goes on as if it had not come.
func TestForged(t *testing.T) {
	t.Parallel()
	forEach(t, func(t *testing.T, m Master) {
		out, in := NewSender(m), NewReceiver(m)
		plain := packet(7, 1, 20)
		b := room(bytes.Clone(plain))
		b = b[:out.RTP(b, len(plain))]
		for i := range b {
			bad := bytes.Clone(b)
			bad[i] ^= 0x10
			if n, err := in.RTP(bad); err == nil {
				t.Fatalf("byte %d changed: taken as %x", i, bad[:n])
			}
			if _, err := in.RTP(bytes.Clone(b[:i])); err == nil {
				t.Fatalf("cut to %d bytes: taken", i)
			}
		}
		for ssrc := range uint32(10000) {
			bad := bytes.Clone(b)
			binary.BigEndian.PutUint32(bad[8:], ssrc+100)
			if _, err := in.RTP(bad); !errors.Is(err, ErrForged) {
				t.Fatal(err)
			}
		}
		if n, err := in.RTP(b); err != nil || !bytes.Equal(b[:n], plain) {
			t.Errorf("the genuine one: %x, %v", b[:n], err)
		}
		other := NewReceiver(NewMaster(m.Profile))
		c := room(packet(8, 1, 20))
		if _, err := other.RTP(c[:out.RTP(c, len(c)-Overhead)]); !errors.Is(err, ErrForged) {
			t.Errorf("under another key: %v", err)
		}
	})
}

// TestNoIndexTwice: what would encrypt two packets with one key stream is not sent.
func TestNoIndexTwice(t *testing.T) {
	t.Parallel()
	forEach(t, func(t *testing.T, m Master) {
		out := NewSender(m)
		for _, c := range []struct {
			seq  uint16
			sent bool
		}{{1000, true}, {1002, true}, {1001, true}, {1001, false}, {1000, false}, {2000, true}, {1500, false}} {
			b := room(packet(c.seq, 1, 20))
			if n := out.RTP(b, len(b)-Overhead); n > 0 != c.sent {
				t.Errorf("packet %d: sent as %d bytes", c.seq, n)
			}
		}
	})
}

// TestStreams: a peer may change its SSRC, and come back.
func TestStreams(t *testing.T) {
	t.Parallel()
	forEach(t, func(t *testing.T, m Master) {
		in := NewReceiver(m)
		for ssrc := range uint32(20) {
			out := NewSender(m)
			for seq := range uint16(3) {
				b := room(packet(seq, ssrc, 20))
				if _, err := in.RTP(b[:out.RTP(b, len(b)-Overhead)]); err != nil {
					t.Errorf("stream %d: %v", ssrc, err)
				}
			}
		}
	})
}

// TestIdentifier: RFC 3711 §3.1: a master key identifier stands before the tag of AES-CM, and
// behind the one of GCM.
func TestIdentifier(t *testing.T) {
	t.Parallel()
	forEach(t, func(t *testing.T, m Master) {
		secret, mki := m.Secret(), []byte{0, 0, 0, 1}
		with, ok := MasterOf(m.Profile, secret[:KeySize], secret[KeySize:], len(mki))
		if !ok {
			t.Fatal("refused")
		}
		p := map[Profile]pion.ProtectionProfile{AESCM80: pion.ProtectionProfileAes128CmHmacSha1_80,
			AESCM32: pion.ProtectionProfileAes128CmHmacSha1_32, AESGCM: pion.ProtectionProfileAeadAes128Gcm}[m.Profile]
		peer, err := pion.CreateContext(secret[:KeySize], secret[KeySize:], p, pion.MasterKeyIndicator(mki))
		if err != nil {
			t.Fatal(err)
		}
		in, plain := NewReceiver(with), packet(9, 1, 30)
		b, err := peer.EncryptRTP(nil, plain, nil)
		if err != nil {
			t.Fatal(err)
		}
		if n, err := in.RTP(b); err != nil || !bytes.Equal(b[:n], plain) {
			t.Errorf("RTP: %x, %v", b[:n], err)
		}
		report, err := (&pionrtcp.ReceiverReport{SSRC: 5}).Marshal()
		if err != nil {
			t.Fatal(err)
		}
		if b, err = peer.EncryptRTCP(nil, report, nil); err != nil {
			t.Fatal(err)
		}
		if n, err := in.RTCP(b); err != nil || !bytes.Equal(b[:n], report) {
			t.Errorf("RTCP: %x, %v", b[:n], err)
		}
	})
}

func TestSecretsDoNotPrint(t *testing.T) {
	t.Parallel()
	m, ok := MasterOf(AESCM80, []byte("sixteen bytes ok"), []byte("fourteen bytes"), 0)
	if !ok {
		t.Fatal("refused")
	}
	for _, format := range []string{"%v", "%+v", "%#v", "%s"} {
		if s := fmt.Sprintf(format, m); s != "AES_CM_128_HMAC_SHA1_80 (secret)" {
			t.Errorf("%s prints %s", format, s)
		}
	}
}

// TestNoAllocation: a packet costs no memory.
func TestNoAllocation(t *testing.T) {
	for _, p := range Profiles() {
		m := NewMaster(p)
		out, in := NewSender(m), NewReceiver(m)
		plain := packet(1, 1, 160)
		report := append([]byte{0x80, 201, 0, 1}, plain[8:12]...)
		b, seq := make([]byte, 512), uint16(0)
		n := testing.AllocsPerRun(500, func() {
			seq++
			binary.BigEndian.PutUint16(plain[2:], seq)
			if _, err := in.RTP(b[:out.RTP(b, copy(b, plain))]); err != nil {
				t.Fatal(err)
			}
			if _, err := in.RTCP(b[:out.RTCP(b, copy(b, report))]); err != nil {
				t.Fatal(err)
			}
		})
		if n != 0 {
			t.Errorf("%s: %.1f allocations a packet", p, n)
		}
	}
}

// FuzzReceiver: whatever comes, nothing but a genuine packet is taken.
func FuzzReceiver(f *testing.F) {
	f.Add(packet(1, 2, 20), uint8(1))
	f.Add([]byte{0x9F, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xFF}, uint8(2))
	f.Add([]byte{0x81, 201, 0, 1, 0, 0, 0, 1, 0x80, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}, uint8(3))
	f.Fuzz(func(t *testing.T, b []byte, which uint8) {
		in := NewReceiver(NewMaster(Profiles()[int(which)%len(Profiles())]))
		if _, err := in.RTP(bytes.Clone(b)); err == nil {
			t.Error("RTP taken")
		}
		if _, err := in.RTCP(bytes.Clone(b)); err == nil {
			t.Error("RTCP taken")
		}
	})
}

func BenchmarkPacket(b *testing.B) {
	for _, p := range Profiles() {
		m := NewMaster(p)
		for _, direction := range []string{"send", "both"} {
			b.Run(p.String()+"/"+direction, func(b *testing.B) {
				out, in := NewSender(m), NewReceiver(m)
				plain, buf, seq := packet(1, 1, 160), make([]byte, 512), uint16(0)
				b.ReportAllocs()
				for b.Loop() {
					seq++
					binary.BigEndian.PutUint16(plain[2:], seq)
					n := out.RTP(buf, copy(buf, plain))
					if direction == "both" {
						if _, err := in.RTP(buf[:n]); err != nil {
							b.Fatal(err)
						}
					}
				}
			})
		}
	}
}
