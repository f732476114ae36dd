package transport

import (
	"bufio"
	"net/netip"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/miekg/dns"
)

// checkFiles is how often the system's files are looked at for a change.
const checkFiles = 5 * time.Second

// systemFiles are what the system knows about names, read again when the files change.
type systemFiles struct {
	resolvPath, hostsPath string

	mu     sync.Mutex
	looked time.Time
	stamps [2]stamp
	resolv resolvConf
	hosts  map[string][]netip.Addr
}

type stamp struct {
	at   time.Time
	size int64
}

// resolvConf is what we take from resolv.conf(5).
type resolvConf struct {
	servers []netip.AddrPort
	search  []string
}

func (s *systemFiles) conf(now time.Time) resolvConf {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.refresh(now)
	return s.resolv
}

// addrs are the addresses of a name in the hosts file.
func (s *systemFiles) addrs(now time.Time, name string) []netip.Addr {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.refresh(now)
	return s.hosts[strings.ToLower(name)]
}

// refresh reads what has changed; the caller holds the lock.
func (s *systemFiles) refresh(now time.Time) {
	if !s.looked.IsZero() && now.Sub(s.looked) < checkFiles {
		return
	}
	first := s.looked.IsZero()
	s.looked = now
	if st := stampOf(s.resolvPath); first || st != s.stamps[0] {
		s.stamps[0], s.resolv = st, readResolv(s.resolvPath)
	}
	if st := stampOf(s.hostsPath); first || st != s.stamps[1] {
		s.stamps[1], s.hosts = st, readHosts(s.hostsPath)
	}
}

func stampOf(path string) stamp {
	if info, err := os.Stat(path); err == nil {
		return stamp{info.ModTime(), info.Size()}
	}
	return stamp{}
}

// readResolv falls back to a server on this host, as the system's own resolver does.
func readResolv(path string) resolvConf {
	var out resolvConf
	if conf, err := dns.ClientConfigFromFile(path); err == nil {
		for _, s := range conf.Servers {
			if a, err := netip.ParseAddr(s); err == nil {
				out.servers = append(out.servers, netip.AddrPortFrom(a.Unmap(), 53))
			}
		}
		out.search = conf.Search
	}
	if len(out.servers) == 0 {
		out.servers = []netip.AddrPort{netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 0, 0, 1}), 53)}
	}
	return out
}

func readHosts(path string) map[string][]netip.Addr {
	f, err := os.Open(path)
	if err != nil {
		return nil
	}
	defer f.Close()
	hosts := map[string][]netip.Addr{}
	for lines := bufio.NewScanner(f); lines.Scan(); {
		line, _, _ := strings.Cut(lines.Text(), "#")
		fields := strings.Fields(line)
		if len(fields) < 2 {
			continue
		}
		a, err := netip.ParseAddr(fields[0])
		if err != nil {
			continue
		}
		for _, name := range fields[1:] {
			name = strings.ToLower(strings.TrimSuffix(name, "."))
			hosts[name] = append(hosts[name], a.Unmap())
		}
	}
	return hosts
}
