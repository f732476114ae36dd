package transport

import (
	"net/netip"
	"testing"
)

func TestFlowOf(t *testing.T) {
	t.Parallel()
	b := newInbox()
	l := serve(t, Options{}, b, "udp://127.0.0.2:0", "udp://0.0.0.0:0", "udp://[::1]:0")
	bound, wild := l.Endpoints()[0].Addr, l.Endpoints()[1].Addr
	c := openUDP(t, "127.0.0.9:0")
	peer := c.LocalAddr().(interface{ AddrPort() netip.AddrPort }).AddrPort()
	for _, tt := range []struct {
		name        string
		local, from netip.AddrPort // from: where the peer sees us
	}{
		{"bound to the address", bound, bound},
		{"bound to all", netip.AddrPortFrom(netip.MustParseAddr("127.0.0.5"), wild.Port()), netip.AddrPortFrom(netip.MustParseAddr("127.0.0.5"), wild.Port())},
		{"gone", netip.MustParseAddrPort("127.0.0.7:9"), netip.AddrPort{}},
	} {
		f := l.FlowOf(tt.local, peer)
		if f.IsZero() || f.Remote() != peer || !f.Alive() || f.Proto() != UDP {
			t.Fatalf("%s: %v", tt.name, f)
		}
		if err := f.Write([]byte("x")); err != nil {
			t.Fatal(err)
		}
		if got := readFrom(t, c); tt.from.IsValid() && got != tt.from {
			t.Errorf("%s: sent from %v, want %v", tt.name, got, tt.from)
		}
	}
	if _, err := c.WriteToUDPAddrPort([]byte(options("z9hG4bK1")), bound); err != nil {
		t.Fatal(err)
	}
	if m := b.next(t); m.Flow != l.FlowOf(bound, peer) {
		t.Errorf("the flow made again is %v, the peer's is %v", l.FlowOf(bound, peer), m.Flow)
	}
	tcp := serve(t, Options{}, newInbox(), "tcp://127.0.0.1:0")
	if f := tcp.FlowOf(bound, peer); !f.IsZero() {
		t.Errorf("without a UDP listener: %v", f)
	}
}
