package transport

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"sync"
	"time"

	"github.com/miekg/dns"
)

const (
	queryTimeout = 2 * time.Second // one try at one server
	queryRounds  = 2               // tries at each
	ednsSize     = 1232            // bytes that arrive unfragmented everywhere

	maxTTL      = time.Hour       // an answer is trusted no longer
	maxNegative = 5 * time.Minute // nor that there is none (RFC 2308 §5)
	noSOA       = 5 * time.Second // for a negative answer that does not say how long it holds
	staleTTL    = 30 * time.Second
	maxStale    = 24 * time.Hour // RFC 8767: an old answer is better than none
	maxAnswers  = 2048           // kept
	maxRecords  = 64             // of one answer
)

// question is what a name server is asked. The name is in lower case, without its final dot.
type question struct {
	name string
	kind uint16 // dns.TypeA…
}

func (q question) String() string { return q.name + " " + dns.TypeToString[q.kind] }

// answer is what came back; no records when there are none of that kind.
type answer struct {
	records []dns.RR
	ttl     time.Duration
	until   time.Time
}

// inquiry is a question being asked; those with the same one wait for it.
type inquiry struct {
	done   chan struct{}
	answer answer
	err    error
}

// names asks name servers and keeps the answers for as long as they hold.
type names struct {
	l     *Layer
	files systemFiles

	mu     sync.Mutex
	kept   map[question]answer
	asking map[question]*inquiry
	first  int // the server that answered last: asked first next time
}

// lookup gives the records for a question: none and no error when there are none.
func (n *names) lookup(ctx context.Context, name string, kind uint16) ([]dns.RR, error) {
	q := question{strings.ToLower(strings.TrimSuffix(name, ".")), kind}
	now := n.l.o.Clock.Now()
	n.mu.Lock()
	if a, ok := n.kept[q]; ok && now.Before(a.until) {
		n.mu.Unlock()
		return a.records, nil
	}
	i := n.asking[q]
	if i == nil {
		i = &inquiry{done: make(chan struct{})}
		if !n.l.goIfOpen(func() { n.inquire(q, i) }) {
			n.mu.Unlock()
			return nil, ErrClosed
		}
		n.asking[q] = i
	}
	n.mu.Unlock()
	select {
	case <-i.done:
		return i.answer.records, i.err
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// inquire asks for all who wait, and keeps what it learns.
func (n *names) inquire(q question, i *inquiry) {
	i.err = n.l.protect(Flow{}, func() (err error) {
		i.answer, err = n.ask(n.l.dialCtx, q)
		return err
	})
	now := n.l.o.Clock.Now()
	n.mu.Lock()
	defer n.mu.Unlock()
	if old, ok := n.kept[q]; ok && i.err != nil && now.Sub(old.until) < maxStale {
		n.l.o.Log.Debug("sip: name server failed, the last answer stands", "question", q.String(), "err", i.err)
		i.answer, i.err = answer{records: old.records, ttl: staleTTL}, nil
	}
	if i.err == nil && i.answer.ttl > 0 {
		n.keep(q, i.answer, now)
	}
	delete(n.asking, q)
	close(i.done)
}

// keep remembers an answer; the caller holds the lock.
func (n *names) keep(q question, a answer, now time.Time) {
	if len(n.kept) >= maxAnswers {
		for old, b := range n.kept {
			if now.After(b.until) {
				delete(n.kept, old)
			}
		}
	}
	for old := range n.kept {
		if len(n.kept) < maxAnswers {
			break
		}
		delete(n.kept, old)
	}
	a.until = now.Add(a.ttl)
	n.kept[q] = a
}

// ask tries the servers in turn until one knows.
func (n *names) ask(ctx context.Context, q question) (answer, error) {
	servers := n.servers()
	if len(servers) == 0 {
		return answer{}, errors.New("no name server")
	}
	n.mu.Lock()
	first := n.first
	n.mu.Unlock()
	var last error
	for try := range queryRounds * len(servers) {
		at := (first + try) % len(servers)
		a, err := n.exchange(ctx, servers[at], q)
		if err == nil {
			n.mu.Lock()
			n.first = at
			n.mu.Unlock()
			return a, nil
		}
		if last = fmt.Errorf("%s at %s: %w", q, servers[at], err); ctx.Err() != nil {
			break
		}
	}
	return answer{}, last
}

func (n *names) servers() []netip.AddrPort {
	if len(n.l.o.DNS) > 0 || n.l.o.Network != System() {
		return n.l.o.DNS
	}
	return n.files.conf(n.l.o.Clock.Now()).servers
}

// exchange asks one server, once more over TCP when the answer does not fit a datagram.
func (n *names) exchange(ctx context.Context, server netip.AddrPort, q question) (answer, error) {
	ctx, cancel := context.WithTimeout(ctx, queryTimeout)
	defer cancel()
	m := new(dns.Msg).SetQuestion(dns.Fqdn(q.name), q.kind)
	m.SetEdns0(ednsSize, false)
	nc, err := n.l.o.Network.DialPacket(server)
	if err != nil {
		return answer{}, err
	}
	r, err := converse(ctx, m, &dns.Conn{Conn: nc})
	if err == nil && r.Truncated {
		if nc, err = n.l.o.Network.Dial(ctx, netip.Addr{}, server); err != nil {
			return answer{}, err
		}
		r, err = converse(ctx, m, &dns.Conn{Conn: nc})
	}
	if err != nil {
		return answer{}, err
	}
	if r.Rcode != dns.RcodeSuccess && r.Rcode != dns.RcodeNameError {
		return answer{}, errors.New(dns.RcodeToString[r.Rcode])
	}
	return read(r, q), nil
}

// converse sends m and reads what answers it.
func converse(ctx context.Context, m *dns.Msg, c *dns.Conn) (*dns.Msg, error) {
	defer c.Close()
	stop := context.AfterFunc(ctx, func() { c.Close() })
	defer stop()
	r, _, err := new(dns.Client).ExchangeWithConnContext(ctx, m, c)
	if err != nil {
		return nil, err
	}
	if !r.Response || len(r.Question) != 1 || !strings.EqualFold(r.Question[0].Name, m.Question[0].Name) ||
		r.Question[0].Qtype != m.Question[0].Qtype {
		return nil, errors.New("an answer to another question")
	}
	return r, nil
}

// read takes from a response the records that answer q, through aliases.
func read(r *dns.Msg, q question) answer {
	name, ttl := dns.Fqdn(q.name), maxTTL
	for range maxRecords {
		next := ""
		for _, rr := range r.Answer {
			if c, ok := rr.(*dns.CNAME); ok && strings.EqualFold(c.Hdr.Name, name) {
				next, ttl = c.Target, min(ttl, seconds(c.Hdr.Ttl))
			}
		}
		if next == "" || strings.EqualFold(next, name) {
			break
		}
		name = next
	}
	var records []dns.RR
	for _, rr := range r.Answer {
		h := rr.Header()
		if h.Rrtype == q.kind && h.Class == dns.ClassINET && strings.EqualFold(h.Name, name) && len(records) < maxRecords {
			records, ttl = append(records, rr), min(ttl, seconds(h.Ttl))
		}
	}
	if len(records) > 0 {
		return answer{records: records, ttl: ttl}
	}
	// RFC 2308 §5: nothing is a fact too, for the time that the zone says.
	for _, rr := range r.Ns {
		if soa, ok := rr.(*dns.SOA); ok {
			return answer{ttl: min(seconds(soa.Hdr.Ttl), seconds(soa.Minttl), maxNegative)}
		}
	}
	return answer{ttl: noSOA}
}

func seconds(ttl uint32) time.Duration { return time.Duration(ttl) * time.Second }
