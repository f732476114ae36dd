package auth

import (
	"hash/maphash"
	"net/netip"
	"sync"
	"time"
)

// Kind is what a rate is counted for.
type Kind int

// Kinds of requests, each counted by itself.
const (
	Asking      Kind = iota // without credentials: it will be challenged, or refused
	Calling                 // with credentials, to call or to send something
	Registering             // with credentials
	Guessing                // with credentials, from a banned source that may be heard all the same
	Telling                 // a line in the log about the source
	Exceeding               // what another rate has refused
	kinds
)

// rate lets burst requests through at once and then one every interval; 0 is no limit.
type rate struct {
	interval time.Duration
	burst    int
}

func perSecond(n int) rate {
	if n <= 0 {
		return rate{}
	}
	return rate{time.Second / time.Duration(n), n}
}

func perMinute(n int) rate {
	if n <= 0 {
		return rate{}
	}
	return rate{time.Minute / time.Duration(n), n}
}

// take counts a request at now (ns) against the backlog *until, the moment when all that was
// let through would be paid off; false when the burst is used up, and then nothing is counted.
func (r rate) take(until *int64, now int64) bool {
	at := max(*until, now)
	if r.interval > 0 && at+int64(r.interval)-now > int64(r.interval)*int64(r.burst) {
		return false
	}
	*until = at + int64(r.interval)
	return true
}

const (
	meterWays = 8
	meterSets = 4096
)

// meters counts requests by source in memory of a fixed size, 1.3 MB, whoever sends. A
// source is a slot of one set. A slot whose backlog is paid off says nothing, so it is given
// to the next source; where none is, the least backlog gives way. Addresses that send one
// packet each, as spoofed ones do, thus make room for one another, and those that send much stay.
type meters struct {
	seed maphash.Seed

	mu   sync.Mutex
	sets [][meterWays]meter // made at the first use
}

type meter struct {
	source uint64 // its hash; an attacker does not know the seed
	until  [kinds]int64
}

func (m *meter) last() int64 {
	last := m.until[0]
	for _, u := range m.until[1:] {
		last = max(last, u)
	}
	return last
}

// take counts a request of a source.
func (m *meters) take(source netip.Addr, k Kind, r rate, now int64) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.sets == nil {
		m.seed, m.sets = maphash.MakeSeed(), make([][meterWays]meter, meterSets)
	}
	h := maphash.Comparable(m.seed, source) | 1 // 0 is an empty slot
	set := &m.sets[h>>32%meterSets]
	slot := &set[0]
	for i := range set {
		if set[i].source == h {
			slot = &set[i]
			break
		}
		if set[i].last() < slot.last() {
			slot = &set[i]
		}
	}
	if slot.source != h {
		*slot = meter{source: h}
	}
	return r.take(&slot.until[k], now)
}

// sourceOf is what counts as one source: an IPv4 address, or the /64 that a host of IPv6 has
// to itself.
func sourceOf(ip netip.Addr) netip.Addr {
	ip = ip.Unmap().WithZone("")
	if ip.Is4() {
		return ip
	}
	p, err := ip.Prefix(64)
	if err != nil {
		return ip
	}
	return p.Addr()
}

// prefixOf is a source as people write it.
func prefixOf(source netip.Addr) netip.Prefix {
	if source.Is4() {
		return netip.PrefixFrom(source, 32)
	}
	return netip.PrefixFrom(source, 64)
}
