package scripting

import (
	"context"
	"errors"
	"log/slog"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/emiago/sipgo/sip"

	"tandem/b2bua"
	"tandem/b2bua/auth"
	"tandem/b2bua/phone"
	"tandem/b2bua/registrar"
	"tandem/b2bua/transport"
	"tandem/media"
	"tandem/scripts"
	"tandem/store"
)

// world is a server that runs scripts, with phones around it, on a network in memory and
// with time that moves when all wait.
type world struct {
	t          *testing.T
	net        *transport.Memory
	engine     *Engine
	media      *media.Engine
	server     *b2bua.Server
	records    *records
	recordings string
	log        *logBuffer
	closers    []func()
	ctx        context.Context // ends when the test closes the world
	real       bool            // time is the machine's: nothing may wait for it in vain
}

// records keeps what a server writes down, and shows it to the scripts.
type records struct {
	engine   *Engine
	mu       sync.Mutex
	finished []store.Record
}

func (r *records) Open(*store.Call)   {}
func (r *records) Update(*store.Call) {}
func (r *records) Finish(c *store.Call, legs []store.Leg, events []store.Event) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.finished = append(r.finished, store.Record{Call: *c, Legs: legs, Events: events})
	r.engine.Finished(c)
}

type directory struct{}

// Credential knows everybody but those whose names begin with "elsewhere".
func (directory) Credential(user string) (auth.Credential, bool) {
	return auth.NewCredential(user, "tandem", "secret-"+user), !strings.HasPrefix(user, "elsewhere")
}

const serverAddr = "10.0.0.1:5060"

// inWorld runs test in a bubble with a server that trusts everybody and runs one script,
// or the shipped ones when script is "".
func inWorld(t *testing.T, script string, test func(w *world), change ...func(*Options)) {
	t.Helper()
	t.Parallel()
	files := map[string]string{"50-main.lua": script}
	if script == "" {
		files = nil
	}
	inWorldOf(t, files, test, change...)
}

func inWorldOf(t *testing.T, files map[string]string, test func(w *world), change ...func(*Options)) {
	t.Helper()
	o := Options{Shipped: scripts.FS, Recordings: t.TempDir(), Settings: map[string]any{"greeting": "main-menu"}}
	if files != nil {
		o.Dir = scriptDir(t, files)
	}
	for _, f := range change {
		f(&o)
	}
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, o)
		defer w.close()
		test(w)
	})
}

func newWorld(t *testing.T, o Options) *world {
	w := &world{t: t, net: transport.NewMemory(), records: &records{}, recordings: o.Recordings, log: &logBuffer{}}
	ctx, cancel := context.WithCancel(context.Background())
	w.ctx = ctx
	w.closers = append(w.closers, cancel)
	log := slog.New(slog.NewTextHandler(w.log, nil))
	o.Log = log
	var err error
	if w.engine, err = New(o); err != nil {
		t.Fatal(err)
	}
	w.records.engine = w.engine
	addr := netip.MustParseAddrPort(serverAddr)
	tl, err := transport.New(transport.Options{Network: w.net, Log: log, Listen: []transport.Endpoint{{Proto: transport.UDP, Addr: addr}}})
	if err != nil {
		t.Fatal(err)
	}
	if w.media, err = media.New(media.Options{Backend: media.NewMemory(), Workers: 1, PortMin: 10000, PortMax: 30000}); err != nil {
		t.Fatal(err)
	}
	reg := registrar.New(registrar.Options{})
	all := auth.NewACL([]auth.Rule{{Allow: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}}})
	w.server, err = b2bua.New(b2bua.Options{Transport: tl, Media: w.media, Handler: w.engine, Directory: directory{}, Registrar: reg,
		Preferences: func(user string) b2bua.Preferences { return b2bua.Preferences{DTMF: media.DTMFNamed(user)} },
		Journal:     w.records, Hooks: w.engine, ACL: all, Log: log, Recordings: o.Recordings})
	if err != nil {
		t.Fatal(err)
	}
	w.engine.Attach(w.server)
	w.closers = append(w.closers, func() { _ = w.media.Close() }, func() { _ = tl.Close() }, reg.Close)
	return w
}

// close ends everything, and shows the server's log when the test has failed.
func (w *world) close() {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	if err := w.server.Close(ctx); err != nil {
		w.t.Errorf("calls left at the end: %v", err)
	}
	w.closers[0]()
	if !w.real {
		time.Sleep(time.Minute) // virtual: every transaction times out
	}
	for i := len(w.closers) - 1; i >= 0; i-- {
		w.closers[i]()
	}
	w.engine.Close()
	if st := w.engine.Status(); len(st.Generations) != 1 || st.Generations[0].Calls != 0 {
		w.t.Errorf("generations at the end: %+v", st.Generations)
	}
	if w.t.Failed() {
		w.t.Log(w.log.String())
	}
}

// phone is a phone of a user; registered tells whether it can be reached as user:NAME.
func (w *world) phone(user string, registered bool) *phone.Phone {
	w.t.Helper()
	n := len(w.closers)
	at := netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 0, 1, byte(n)}), 5060)
	p, err := phone.New(phone.Options{Network: w.net, Media: w.media, User: user, Password: "secret-" + user,
		Listen: []transport.Endpoint{{Proto: transport.UDP, Addr: at}}, Server: "sip:" + serverAddr})
	if err != nil {
		w.t.Fatal(err)
	}
	w.closers = append(w.closers, func() { _ = p.Close() })
	if registered {
		if err := p.Register(context.Background()); err != nil {
			w.t.Fatal(err)
		}
	}
	return p
}

// incoming does something with each call that comes to a phone.
func (w *world) incoming(p *phone.Phone, do func(c *phone.Call)) {
	go func() {
		for {
			c, err := p.Accept(w.ctx)
			if err != nil {
				return
			}
			go do(c)
		}
	}()
}

// rejects and rings are what phones do with calls.
func rejects(code int, headers ...sip.Header) func(*phone.Call) {
	return func(c *phone.Call) { _ = c.Reject(code, headers...) }
}

func rings(c *phone.Call) { _ = c.Ring() }

// answers lets a phone take each call after a while, and hand it over.
func (w *world) answers(p *phone.Phone, after time.Duration) <-chan *phone.Call {
	calls := make(chan *phone.Call, 4)
	w.incoming(p, func(c *phone.Call) {
		_ = c.Ring()
		time.Sleep(after)
		if c.Answer() == nil {
			calls <- c
		}
	})
	return calls
}

// caller dials and must be answered.
func (w *world) caller(number string) *phone.Call {
	w.t.Helper()
	c, err := w.dial(number)
	if err != nil {
		w.t.Fatalf("dialling %s: %v", number, err)
	}
	return c
}

func (w *world) dial(number string) (*phone.Call, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 3*time.Minute)
	defer cancel()
	return w.phone("alice", false).Dial(ctx, "sip:"+number+"@"+serverAddr, phone.DialOptions{})
}

// refused dials and returns the code of the refusal.
func (w *world) refused(number string) int {
	w.t.Helper()
	_, err := w.dial(number)
	var rejected *phone.Rejected
	if !errors.As(err, &rejected) {
		w.t.Fatalf("dialling %s: %v; want a refusal", number, err)
	}
	return rejected.Code
}

// ended waits until the call is over.
func (w *world) ended(c *phone.Call) {
	w.t.Helper()
	select {
	case <-c.Done():
	case <-time.After(3 * time.Minute): // virtual
		w.t.Fatal("the call goes on")
	}
}

func (w *world) press(c *phone.Call, keys string) {
	w.t.Helper()
	if err := c.Press(context.Background(), keys); err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) hangup(c *phone.Call) {
	w.t.Helper()
	if err := c.Hangup(context.Background()); err != nil {
		w.t.Fatal(err)
	}
}

// record waits for the next finished record.
func (w *world) record() store.Record {
	w.t.Helper()
	for range 3000 {
		synctest.Wait()
		w.records.mu.Lock()
		if n := len(w.records.finished); n > 0 {
			r := w.records.finished[0]
			w.records.finished = w.records.finished[1:]
			w.records.mu.Unlock()
			return r
		}
		w.records.mu.Unlock()
		time.Sleep(100 * time.Millisecond) // virtual
	}
	w.t.Fatal("no record was finished")
	return store.Record{}
}

// events are the timeline's lines of a kind.
func events(r store.Record, kind string) []string {
	var out []string
	for _, e := range r.Events {
		if e.Kind == kind {
			out = append(out, e.Text)
		}
	}
	return out
}

// says is the log lines that a script wrote, which tests read as its results.
func says(r store.Record) string { return strings.Join(events(r, "script"), "\n") }

func recordingFile(t *testing.T, w *world, name string) int64 {
	t.Helper()
	info, err := os.Stat(filepath.Join(w.recordings, name))
	if err != nil {
		t.Fatal(err)
	}
	return info.Size()
}
