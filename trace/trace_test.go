package trace

import (
	"bytes"
	"encoding/binary"
	"net/netip"
	"strings"
	"testing"
	"time"
)

func TestMask(t *testing.T) {
	t.Parallel()
	const text = "REGISTER sip:a SIP/2.0\r\nAuthorization: Digest username=\"1001\",\r\n response=\"abc\"\r\nCall-ID: x@y\r\nproxy-authorization : Digest q\r\nTo: Authorization: a\r\n\r\n" +
		"v=0\r\na=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:c2VjcmV0\r\nAuthorization: body\r\n"
	got := string(Mask([]byte(text)))
	for _, secret := range []string{"1001", "abc", "Digest q", "c2VjcmV0"} {
		if strings.Contains(got, secret) {
			t.Errorf("%q shows:\n%s", secret, got)
		}
	}
	for _, kept := range []string{"REGISTER sip:a", "Call-ID: x@y\r\n", "To: Authorization: a", "Authorization: body", "AES_CM_128_HMAC_SHA1_80"} {
		if !strings.Contains(got, kept) {
			t.Errorf("%q is gone:\n%s", kept, got)
		}
	}
	if len(got) != len(text) {
		t.Errorf("%d bytes, %d before", len(got), len(text))
	}
}

func FuzzMask(f *testing.F) {
	f.Add([]byte("INVITE sip:a SIP/2.0\r\nAuthorization: x\r\n y\r\ni: c\r\n\r\nv=0\r\na=crypto:1 A inline:k"))
	f.Add([]byte("\r\n\r\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		if got := Mask(b); len(got) != len(b) {
			t.Errorf("%d bytes of %d", len(got), len(b))
		}
		CallID(b)
	})
}

func TestCallID(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"BYE sip:a SIP/2.0\r\ni : abc@d \r\n\r\n":             "abc@d",
		"BYE sip:a SIP/2.0\r\nCALL-ID:z\r\n\r\n":              "z",
		"BYE sip:a SIP/2.0\r\nTo: x\r\n\r\nCall-ID: body\r\n": "",
	} {
		if got := CallID([]byte(text)); got != want {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
	}
}

// TestHub: the source runs while somebody looks, and who does not keep up loses and blocks nobody.
func TestHub(t *testing.T) {
	t.Parallel()
	var taps []bool
	h := New(func(on bool) { taps = append(taps, on) })
	h.Put(Message{Text: []byte("x")})
	a, b := h.Watch(), h.Watch()
	h.Put(Message{Text: []byte("one")})
	h.Put(Message{Text: []byte("\r\n\r\n")})
	a.Stop()
	a.Stop()
	for range room {
		h.Put(Message{Text: []byte("more")})
	}
	if m := <-a.C; string(m.Text) != "one" || len(a.C) != 0 {
		t.Errorf("the one that left has %q and %d more", m.Text, len(a.C))
	}
	if len(b.C) != room || b.Lost() != 1 {
		t.Errorf("the other has %d and lost %d", len(b.C), b.Lost())
	}
	b.Stop()
	if len(taps) != 2 || !taps[0] || taps[1] {
		t.Errorf("the source went %v", taps)
	}
}

func TestPcap(t *testing.T) {
	t.Parallel()
	var file bytes.Buffer
	p, err := NewPcap(&file)
	if err != nil {
		t.Fatal(err)
	}
	at := time.Unix(1_800_000_000, 123_456_789)
	text := []byte("OPTIONS sip:a SIP/2.0\r\n\r\n")
	four, six := netip.MustParseAddrPort("192.0.2.1:5060"), netip.MustParseAddrPort("[2001:db8::1]:5061")
	for _, m := range []Message{
		{At: at, Sent: true, Local: four, Remote: netip.MustParseAddrPort("[::ffff:192.0.2.2]:4000"), Text: text},
		{At: at, Local: six, Remote: six, Text: text},
		{At: at, Local: four, Remote: six, Text: bytes.Repeat(text, 10_000)},
	} {
		if err := p.Write(m); err != nil {
			t.Fatal(err)
		}
	}
	b := file.Bytes()[24:]
	if s, n := binary.LittleEndian.Uint32(b), binary.LittleEndian.Uint32(b[4:]); s != 1_800_000_000 || n != 123_456_789 {
		t.Errorf("at %d.%d", s, n)
	}
	first := b[16 : 16+28+len(text)]
	if checksum(first[:20]) != 0 || string(first[12:20]) != "\xc0\x00\x02\x01\xc0\x00\x02\x02" ||
		binary.BigEndian.Uint16(first[20:]) != 5060 || binary.BigEndian.Uint16(first[22:]) != 4000 || string(first[28:]) != string(text) {
		t.Errorf("the packet is % x", first)
	}
	second := b[16+len(first)+16:]
	if second[0] != 0x60 || string(second[48:48+len(text)]) != string(text) {
		t.Errorf("of IPv6: % x", second[:60])
	}
	if rest := second[48+len(text):]; len(rest) > 16+maxPacket {
		t.Errorf("a long message takes %d bytes", len(rest))
	}
}
