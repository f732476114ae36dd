package trunk

import (
	"context"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/emiago/sipgo/sip"

	"tandem/b2bua/transaction"
	"tandem/b2bua/transport"
	"tandem/clock"
)

// Options of a Set. Transport is needed.
type Options struct {
	Transport *transport.Layer
	Clock     clock.Clock  // clock.System()
	Log       *slog.Logger // slog.Default()
}

// Sender sends requests; *transaction.Layer is one.
type Sender interface {
	Send(f transport.Flow, req *sip.Request, h transaction.ClientHandler) (*transaction.Client, error)
}

// Set is all trunks of a server.
type Set struct {
	o      Options
	ctx    context.Context // ends with the set
	cancel context.CancelFunc
	list   atomic.Pointer[[]*Trunk] // in the order of the configuration

	configuring sync.Mutex // one Configure at a time

	mu      sync.Mutex // taken with a line's lock held, never the other way round
	tx      Sender     // nil before Start
	closed  bool
	running sync.WaitGroup
}

// New makes an empty set.
func New(o Options) *Set {
	if o.Clock == nil {
		o.Clock = clock.System()
	}
	if o.Log == nil {
		o.Log = slog.Default()
	}
	s := &Set{o: o}
	s.list.Store(&[]*Trunk{})
	s.ctx, s.cancel = context.WithCancel(context.Background())
	return s
}

// Start begins to probe and to register. It is called once.
func (s *Set) Start(tx Sender) {
	s.configuring.Lock()
	defer s.configuring.Unlock()
	s.mu.Lock()
	s.tx = tx
	s.mu.Unlock()
	for _, t := range s.All() {
		s.run(t.line.Load().look)
	}
}

// Configure adds, changes and removes trunks. Calls in progress stay, and so does what is
// known of a trunk whose hosts and account are the same.
func (s *Set) Configure(configs []Config) {
	s.configuring.Lock()
	defer s.configuring.Unlock()
	before := s.All()
	list := make([]*Trunk, 0, len(configs))
	for i := range configs {
		cfg := &configs[i]
		at := slices.IndexFunc(before, func(t *Trunk) bool { return t.name == cfg.Name })
		if at < 0 {
			t := &Trunk{set: s, name: cfg.Name}
			t.cfg.Store(cfg)
			s.connect(t, cfg)
			list = append(list, t)
			continue
		}
		t := before[at]
		was := t.cfg.Swap(cfg)
		if !sameLine(was, cfg) {
			old := t.line.Load()
			s.connect(t, cfg)
			old.stop(!sameBinding(was, cfg))
		}
		list = append(list, t)
	}
	s.list.Store(&list)
	for _, t := range before {
		if !slices.Contains(list, t) {
			t.line.Load().stop(true)
		}
	}
}

// connect gives a trunk a new line.
func (s *Set) connect(t *Trunk, cfg *Config) {
	l := newLine(s, cfg)
	t.line.Store(l)
	if s.sender() != nil {
		s.run(l.look)
	}
}

func (s *Set) sender() Sender {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.tx
}

// sameLine tells whether two configurations lead to the same hosts in the same way.
func sameLine(a, b *Config) bool {
	return slices.Equal(a.Hosts, b.Hosts) && a.Transport == b.Transport && a.Domain == b.Domain && a.Username == b.Username &&
		a.Password == b.Password && slices.Equal(a.Digest, b.Digest) && a.Register == b.Register && a.Expires == b.Expires && a.Check == b.Check
}

// sameBinding tells whether the registration of b takes the place of a's.
func sameBinding(a, b *Config) bool {
	return b.Register && slices.Equal(a.Hosts, b.Hosts) && a.Transport == b.Transport && a.Domain == b.Domain && a.Username == b.Username
}

// All are the trunks, in the order of the configuration. The slice is not to be changed.
func (s *Set) All() []*Trunk { return *s.list.Load() }

// Trunk finds a trunk by its name.
func (s *Set) Trunk(name string) (*Trunk, bool) {
	for _, t := range s.All() {
		if t.name == name {
			return t, true
		}
	}
	return nil, false
}

// FlowClosed tells of a dead connection: where it was the way to us, we register again.
func (s *Set) FlowClosed(f transport.Flow) {
	for _, t := range s.All() {
		t.line.Load().flowClosed(f)
	}
}

// Close takes the registrations back, waits until that is done or ctx is, and stops. The
// transport must still be open.
func (s *Set) Close(ctx context.Context) {
	for _, t := range s.All() {
		t.line.Load().stop(true)
	}
	done := make(chan struct{})
	s.mu.Lock()
	s.closed = true
	s.mu.Unlock()
	go func() {
		s.running.Wait()
		close(done)
	}()
	select {
	case <-done:
	case <-ctx.Done():
	}
	s.cancel()
	<-done
}

// run runs f on a goroutine of its own, unless the set is closed.
func (s *Set) run(f func()) {
	if s.enter() {
		go s.guarded(f)
	}
}

// after runs f on a goroutine of its own, d from now.
func (s *Set) after(d time.Duration, f func()) clock.Timer {
	return s.o.Clock.AfterFunc(d, func() {
		if s.enter() {
			s.guarded(f)
		}
	})
}

func (s *Set) enter() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return false
	}
	s.running.Add(1)
	return true
}

func (s *Set) guarded(f func()) {
	defer s.running.Done()
	s.o.Transport.Guard(transport.Flow{}, f)
}
