package rtp

import (
	"bytes"
	"errors"
	"testing"

	pion "github.com/pion/rtp"
)

func TestParseAgreesWithPion(t *testing.T) {
	t.Parallel()
	payload := []byte("some twenty bytes ..")
	withExt := pion.Header{Version: 2, PayloadType: 96, SequenceNumber: 65535, Timestamp: 1 << 31, SSRC: 7, CSRC: []uint32{1, 2, 3}}
	if err := withExt.SetExtension(1, []byte{1, 2, 3, 4, 5}); err != nil {
		t.Fatal(err)
	}
	for name, h := range map[string]pion.Header{
		"plain":     {Version: 2, PayloadType: 0, SequenceNumber: 1, Timestamp: 2, SSRC: 3},
		"marker":    {Version: 2, Marker: true, PayloadType: 127, SequenceNumber: 0x1234, Timestamp: 0x56789ABC, SSRC: 0xDEF01234},
		"extension": withExt,
	} {
		for _, pad := range []byte{0, 1, 4, 255} {
			p := pion.Packet{Header: h, Payload: payload}
			if pad > 0 {
				p.Header.Padding, p.Header.PaddingSize = true, pad
			}
			raw, err := p.Marshal()
			if err != nil {
				t.Fatal(err)
			}
			got, err := Parse(raw)
			if err != nil {
				t.Fatalf("%s, padding %d: %v", name, pad, err)
			}
			if got.Marker != h.Marker || got.PayloadType != h.PayloadType || got.Sequence != h.SequenceNumber ||
				got.Timestamp != h.Timestamp || got.SSRC != h.SSRC {
				t.Errorf("%s: %+v, want %+v", name, got, h)
			}
			if !bytes.Equal(got.Payload(raw), payload) {
				t.Errorf("%s, padding %d: payload %q", name, pad, got.Payload(raw))
			}
		}
	}
}

func TestParseRefuses(t *testing.T) {
	t.Parallel()
	head := func(first byte, more ...byte) []byte {
		return append([]byte{first, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0, 3}, more...)
	}
	for name, b := range map[string][]byte{
		"empty":                  nil,
		"short":                  head(0x80)[:11],
		"version 1":              head(0x40),
		"version 3":              head(0xC0),
		"CSRCs beyond the end":   head(0x82, 0, 0, 0, 1),
		"no room for extension":  head(0x90, 0, 0),
		"extension beyond end":   head(0x90, 0xBE, 0xDE, 0, 2, 0, 0, 0, 0),
		"padding zero":           head(0xA0, 1, 2, 0),
		"padding beyond payload": head(0xA0, 1, 2, 4),
		"giant":                  append(head(0x80), make([]byte, 70000)...),
	} {
		if _, err := Parse(b); !errors.Is(err, ErrMalformed) {
			t.Errorf("%s: error %v", name, err)
		}
	}
}

func TestRewriteKeepsTheRest(t *testing.T) {
	t.Parallel()
	src := pion.Packet{Header: pion.Header{Version: 2, PayloadType: 8, SequenceNumber: 9, CSRC: []uint32{77}}, Payload: []byte{1, 2, 3}}
	raw, err := src.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	want := Header{Marker: true, PayloadType: 101, Sequence: 65000, Timestamp: 4e9, SSRC: 5}
	want.Rewrite(raw)
	got, err := Parse(raw)
	if err != nil {
		t.Fatal(err)
	}
	want.start, want.end = 16, 19
	if got != want || !bytes.Equal(got.Payload(raw), []byte{1, 2, 3}) {
		t.Errorf("got %+v, payload %v", got, got.Payload(raw))
	}

	fresh := bytes.Repeat([]byte{0xFF}, HeaderSize)
	want.Put(fresh)
	if got, err := Parse(fresh); err != nil || got.Sequence != want.Sequence || len(got.Payload(fresh)) != 0 {
		t.Errorf("fresh header: %+v, %v", got, err)
	}
}

func TestClassify(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		b    []byte
		want Kind
	}{
		{nil, Unknown}, {[]byte{0x80}, Unknown}, {[]byte{0, 1}, STUN}, {[]byte{22, 254}, DTLS},
		{[]byte{0x80, 0}, RTP}, {[]byte{0x80, 0x80 | 101}, RTP}, {[]byte{0x80, 200}, RTCP}, {[]byte{0x81, 201}, RTCP},
		{[]byte{'S', 'I'}, Unknown}, {[]byte{255, 255}, Unknown},
	} {
		if got := Classify(c.b); got != c.want {
			t.Errorf("Classify(% x) = %d, want %d", c.b, got, c.want)
		}
	}
}

func TestRandomStarts(t *testing.T) {
	t.Parallel()
	seen := map[uint32]bool{}
	for range 100 {
		seen[NewSSRC()] = true
		if s := NewSequence(); s > 0x7FFF {
			t.Fatalf("sequence %d", s)
		}
	}
	if len(seen) < 99 {
		t.Errorf("%d different SSRCs of 100", len(seen))
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte{0x80, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0, 3, 9})
	f.Add([]byte{0xB1, 0xE5, 0, 1, 0, 0, 0, 2, 0, 0, 0, 3, 0, 0, 0, 1, 0xBE, 0xDE, 0, 1, 0, 0, 0, 0, 9, 1})
	f.Fuzz(func(t *testing.T, b []byte) {
		h, err := Parse(b)
		Classify(b)
		if err != nil {
			return
		}
		payload := bytes.Clone(h.Payload(b))
		h.Rewrite(b)
		again, err := Parse(b)
		if err != nil || again != h || !bytes.Equal(again.Payload(b), payload) {
			t.Fatalf("rewritten: %+v, %v; was %+v", again, err, h)
		}
	})
}
