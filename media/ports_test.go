package media

import (
	"errors"
	"net/netip"
	"testing"
)

func TestPortsRestLongestFirst(t *testing.T) {
	t.Parallel()
	mem := NewMemory()
	p, err := newPorts(10001, 10008) // even pairs: 10002, 10004, 10006
	if err != nil {
		t.Fatal(err)
	}
	var open []*pair
	for range 3 {
		pr, err := p.open(mem, localhost)
		if err != nil {
			t.Fatal(err)
		}
		if n := pr.rtp.local().Port(); n%2 != 0 || n < 10002 || n > 10006 || pr.rtcp.local().Port() != n+1 {
			t.Errorf("ports %d and %d", n, pr.rtcp.local().Port())
		}
		open = append(open, pr)
	}
	if _, err := p.open(mem, localhost); !errors.Is(err, ErrNoPorts) {
		t.Fatalf("fourth of three: %v", err)
	}
	if free, used := p.count(); free != 0 || used != 3 {
		t.Errorf("%d free, %d used", free, used)
	}
	for _, i := range []int{1, 0, 2} {
		open[i].close()
	}
	for _, i := range []int{1, 0, 2} {
		pr, err := p.open(mem, localhost)
		if err != nil {
			t.Fatal(err)
		}
		if got, want := pr.rtp.local(), open[i].rtp.local(); got != want {
			t.Errorf("took %v, but %v has rested longest", got, want)
		}
	}
}

func TestPortsPassOverTaken(t *testing.T) {
	t.Parallel()
	mem := NewMemory()
	for _, port := range []uint16{20000, 20003} { // one RTP, one RTCP of another process
		if _, err := mem.listen(netip.AddrPortFrom(localhost, port)); err != nil {
			t.Fatal(err)
		}
	}
	p, err := newPorts(20000, 20005)
	if err != nil {
		t.Fatal(err)
	}
	pr, err := p.open(mem, localhost)
	if err != nil || pr.rtp.local().Port() != 20004 {
		t.Fatalf("opened %v, %v; only 20004 is free", pr, err)
	}
	if _, err := p.open(mem, localhost); !errors.Is(err, ErrNoPorts) {
		t.Errorf("with the rest taken: %v", err)
	}
	if free, used := p.count(); free != 2 || used != 1 {
		t.Errorf("%d free, %d used", free, used)
	}
}

func TestPortsKeepTheirOrderOverManyCalls(t *testing.T) {
	t.Parallel()
	mem := NewMemory()
	p, err := newPorts(10000, 14095)
	if err != nil {
		t.Fatal(err)
	}
	var order []uint16
	for i := range 3 * 2048 {
		pr, err := p.open(mem, localhost)
		if err != nil {
			t.Fatal(err)
		}
		order = append(order, pr.rtp.local().Port())
		if i >= 2048 && order[i] != order[i-2048] {
			t.Fatalf("call %d took %d, not the longest-rested %d", i, order[i], order[i-2048])
		}
		pr.close()
	}
}

func TestPortRangesThatCannotBe(t *testing.T) {
	t.Parallel()
	for _, r := range [][2]int{{0, 100}, {10, 10}, {11, 12}, {20000, 10000}, {65534, 65536}, {-2, 5}} {
		if _, err := newPorts(r[0], r[1]); err == nil {
			t.Errorf("ports %d-%d were accepted", r[0], r[1])
		}
	}
}
