package media

import (
	"errors"
	"fmt"
	"net/netip"
	"testing"
)

// TestAddressesRefused: a description must not send us to many, nor to ourselves.
func TestAddressesRefused(t *testing.T) {
	t.Parallel()
	e := newEngine(t, Options{Workers: 1})
	e.Reserve(5060)
	e.ground.broadcast[netip.MustParseAddr("198.51.100.255")] = true // as of an interface with this network
	other := open(t, e, SessionOptions{})
	for _, c := range []struct {
		name, at string
		port     func(s *Session) uint16
		ok       bool
		to       bool // sent to at once
		spiral   bool
	}{
		{name: "a host", at: "192.0.2.1", ok: true, to: true},
		{name: "none yet", at: "0.0.0.0", ok: true},
		{name: "everybody", at: "255.255.255.255"},
		{name: "a network", at: "198.51.100.255"},
		{name: "a host of that network", at: "198.51.100.254", ok: true, to: true},
		{name: "a group", at: "224.2.1.1"},
		{name: "our SIP", at: "127.0.0.1", port: func(*Session) uint16 { return 5060 }},
		{name: "somebody's port 5060", at: "192.0.2.1", port: func(*Session) uint16 { return 5060 }, ok: true, to: true},
		{name: "its own port", at: "127.0.0.1", port: func(s *Session) uint16 { return s.local.Port() }, spiral: true},
		{name: "its own RTCP", at: "127.0.0.1", port: func(s *Session) uint16 { return s.local.Port() + 1 }, spiral: true},
		{name: "another call", at: "127.0.0.1", port: func(*Session) uint16 { return other.local.Port() }},
		{name: "another call's RTCP", at: "127.0.0.1", port: func(*Session) uint16 { return other.local.Port() + 1 }},
		{name: "a call that comes back", at: "127.0.0.1", port: func(*Session) uint16 { return other.local.Port() }, ok: true, to: true, spiral: true},
	} {
		s := open(t, e, SessionOptions{Spiral: c.spiral})
		port := uint16(4000)
		if c.port != nil {
			port = c.port(s)
		}
		body := theirSDP(fmt.Sprintf("c=IN IP4 %s\r\nm=audio %d RTP/AVP 0\r\n", c.at, port))
		if _, err := s.Answer(body); err == nil != c.ok || err != nil && !errors.Is(err, ErrNotAcceptable) {
			t.Errorf("%s: %v", c.name, err)
		}
		if to := s.Stats().Remote; to.IsValid() != c.to {
			t.Errorf("%s: sent to %v", c.name, to)
		}
		mine := open(t, e, SessionOptions{Spiral: c.spiral})
		mine.Offer()
		if c.port != nil {
			port = c.port(mine)
		}
		body = theirSDP(fmt.Sprintf("c=IN IP4 %s\r\nm=audio %d RTP/AVP 0\r\n", c.at, port))
		if err := mine.SetAnswer(body); err == nil != c.ok {
			t.Errorf("%s, as an answer: %v", c.name, err)
		}
	}
	port := other.local.Port()
	other.Close()
	if _, session := e.ground.listens(port); session {
		t.Error("a closed session's port is still ours")
	}
}

// TestLoopbackOfOthers: 127.0.0.1 in the SDP of a peer elsewhere is its own machine: it has
// to send first.
func TestLoopbackOfOthers(t *testing.T) {
	t.Parallel()
	e := newEngine(t, Options{Workers: 1})
	for _, c := range []struct {
		from string
		to   bool
	}{{"203.0.113.5", false}, {"127.0.0.1", true}} {
		s := open(t, e, SessionOptions{Signalling: netip.MustParseAddr(c.from)})
		if _, err := s.Answer(theirSDP("c=IN IP4 127.0.0.1\r\nm=audio 4000 RTP/AVP 0\r\n")); err != nil {
			t.Fatal(err)
		}
		if to := s.Stats().Remote; to.IsValid() != c.to {
			t.Errorf("from %s: sent to %v", c.from, to)
		}
	}
}

// TestRTCPAddressRefused: a=rtcp is an address like any other.
func TestRTCPAddressRefused(t *testing.T) {
	t.Parallel()
	s := open(t, newEngine(t, Options{Workers: 1}), SessionOptions{})
	if _, err := s.Answer(theirSDP("c=IN IP4 192.0.2.1\r\nm=audio 4000 RTP/AVP 0\r\na=rtcp:4001 IN IP4 224.2.1.1\r\n")); err != nil {
		t.Fatal(err)
	}
	s.do(func(m *stream) {
		if at := m.remoteRTCP(); at.IsValid() {
			t.Errorf("reports go to %v", at)
		}
	})
}
