package media

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"sync"
)

// ports hands out pairs of an even port for RTP and the next for RTCP (RFC 3550 §11). The
// order is shuffled once; a closed pair goes to the back, so that the longest-rested is
// taken first and stale RTP does not enter a new call.
type ports struct {
	mu      sync.Mutex
	free    []uint16
	used    int
	chosen  bool // the system chooses
	queueAt int  // start of the queue within free
}

func newPorts(low, high int) (*ports, error) {
	if low == 0 && high == 0 {
		return &ports{chosen: true}, nil
	}
	if low < 1 || high > 65535 || low+low%2+1 > high {
		return nil, fmt.Errorf("media: ports %d-%d hold no pair of an even and the next port", low, high)
	}
	p := &ports{}
	for n := low + low%2; n+1 <= high; n += 2 {
		p.free = append(p.free, uint16(n))
	}
	rand.Shuffle(len(p.free), func(i, j int) { p.free[i], p.free[j] = p.free[j], p.free[i] })
	return p, nil
}

// pair is the two sockets of a session; close gives the port back.
type pair struct {
	rtp, rtcp conn
	ports     *ports
}

func (p *ports) open(b Backend, ip netip.Addr) (*pair, error) {
	if p.chosen {
		return p.openAny(b, ip)
	}
	p.mu.Lock()
	tries := len(p.free) - p.queueAt
	p.mu.Unlock()
	for range tries {
		port, ok := p.take()
		if !ok {
			break
		}
		pr, err := p.bind(b, netip.AddrPortFrom(ip, port))
		if err == nil {
			return pr, nil
		}
		p.give(port)
		if !errors.Is(err, errInUse) {
			return nil, err
		}
	}
	return nil, ErrNoPorts
}

// openAny lets the system choose one port, until its partner is free as well.
func (p *ports) openAny(b Backend, ip netip.Addr) (*pair, error) {
	for range 100 {
		first, err := b.listen(netip.AddrPortFrom(ip, 0))
		if err != nil {
			return nil, err
		}
		port := first.local().Port()
		second, err := b.listen(netip.AddrPortFrom(ip, port^1))
		if err == nil {
			if port%2 != 0 {
				first, second = second, first
			}
			p.mu.Lock()
			defer p.mu.Unlock()
			p.used++
			return &pair{rtp: first, rtcp: second, ports: p}, nil
		}
		first.close()
		if !errors.Is(err, errInUse) {
			return nil, err
		}
	}
	return nil, ErrNoPorts
}

func (p *ports) bind(b Backend, addr netip.AddrPort) (*pair, error) {
	rtp, err := b.listen(addr)
	if err != nil {
		return nil, err
	}
	rtcp, err := b.listen(netip.AddrPortFrom(addr.Addr(), addr.Port()+1))
	if err != nil {
		rtp.close()
		return nil, err
	}
	return &pair{rtp: rtp, rtcp: rtcp, ports: p}, nil
}

func (p *ports) take() (uint16, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.queueAt == len(p.free) {
		return 0, false
	}
	port := p.free[p.queueAt]
	p.queueAt++
	p.used++
	if p.queueAt > 1024 && p.queueAt > len(p.free)/2 {
		p.free = append(p.free[:0], p.free[p.queueAt:]...)
		p.queueAt = 0
	}
	return port, true
}

func (p *ports) give(port uint16) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.used--
	if !p.chosen {
		p.free = append(p.free, port)
	}
}

func (p *ports) count() (free, used int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.chosen {
		return -1, p.used
	}
	return len(p.free) - p.queueAt, p.used
}

func (p *pair) close() {
	port := p.rtp.local().Port()
	p.rtp.close()
	p.rtcp.close()
	p.ports.give(port)
}
