package media

import (
	"bytes"
	"testing"
)

func TestEcho(t *testing.T) {
	t.Parallel()
	setups(t, func(t *testing.T, o Options) {
		s, p := open(t, newEngine(t, o), SessionOptions{}), newPeer(t)
		p.call(s, "0 8")
		if err := Bridge(s, s); err != nil {
			t.Fatal(err)
		}
		for i := range 20 {
			p.send(sound(i))
			got := p.next()
			if !bytes.Equal(got.payload, sound(i)) || got.PayloadType != 0 {
				t.Fatalf("packet %d came back as %d %x", i, got.PayloadType, got.payload)
			}
			if got.Marker != (i == 0) {
				t.Errorf("packet %d: marker %v", i, got.Marker)
			}
		}
	})
}

func TestBridgeRelays(t *testing.T) {
	t.Parallel()
	setups(t, func(t *testing.T, o Options) {
		e := newEngine(t, o)
		a, b := open(t, e, SessionOptions{}), open(t, e, SessionOptions{})
		pa, pb := newPeer(t), newPeer(t)
		pa.call(a, "0")
		pb.call(b, "0")
		if err := Bridge(a, b); err != nil {
			t.Fatal(err)
		}
		for i := range 50 {
			pa.send(sound(i))
			if got := pb.next(); !bytes.Equal(got.payload, sound(i)) {
				t.Fatalf("a to b, packet %d: %x", i, got.payload)
			}
			pb.send(sound(i + 99))
			if got := pa.next(); !bytes.Equal(got.payload, sound(i+99)) {
				t.Fatalf("b to a, packet %d: %x", i, got.payload)
			}
		}
		if s := a.Stats(); s.RxPackets != 50 || s.TxPackets != 50 || s.Remote != pa.addr() {
			t.Errorf("stats of a: %+v", s)
		}
	})
}
