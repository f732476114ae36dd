// Package sim runs scripts on simulated calls: a real server on networks in memory, phones
// as its peers, and a clock that moves when everybody waits. `tandem test` is made of it.
package sim

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net/netip"
	"sync"
	"time"

	"tandem/b2bua"
	"tandem/b2bua/auth"
	"tandem/b2bua/phone"
	"tandem/b2bua/registrar"
	"tandem/b2bua/transport"
	"tandem/b2bua/trunk"
	"tandem/media"
	"tandem/scripting"
	"tandem/store"
)

// Addresses of the simulated network: 10.0.0.1 is the server, users' phones are in 10.0.1.0,
// trunks in 10.0.2.0, and callers who are trusted without being users in 10.0.3.0.
const serverAddr = "10.0.0.1:5060"

// pulse is how seldom simulated phones send silence: often enough for every time limit of media.
const pulse = time.Second

// mediaTimeout is that of a server without a configuration.
const mediaTimeout = time.Minute

// password is that of every simulated user.
const password = "simulated"

// options are what a world is made of.
type options struct {
	interrupt context.Context // after its end nothing is waited for
	stage     *stage
	scripts   scripting.Options // Dir, Shipped, Settings, CallCPU, Memory
	at        time.Time
	folder    string // for recordings
	http      *fakes

	beside    string // for databases and speech
	mail      *mailbox
	databases []string // that the spec has named, besides the scripts' own
}

// world is one server with whoever calls and is called.
type world struct {
	clock     *Clock
	still     *stillness
	net       *transport.Memory
	media     *media.Engine
	rtp       *media.Memory
	layer     *transport.Layer
	engine    *scripting.Engine
	reg       *registrar.Registrar
	trunks    *trunk.Set
	server    *b2bua.Server
	records   *records
	ears      ears
	began     time.Time
	interrupt context.Context
	restless  bool // something in it runs without end
	stage     *stage

	dir, folder string // of the scripts, and of what they write
	shipped     fs.FS
	gone        map[netip.Addr]bool // addresses that are off the network

	ctx     context.Context
	cancel  context.CancelFunc
	users   *users
	phones  map[string]*party // by target: "user:1001", "trunk:carrier", "sip:…"
	configs []trunk.Config
	callers int
	calls   []*call // of the spec's callers
}

// newWorld starts a server. Its error tells what is wrong with the scripts.
func newWorld(o options) (*world, error) {
	w := &world{clock: NewClock(o.at), still: newStillness(), net: transport.NewMemory(), rtp: media.NewMemory(), records: &records{},
		users: &users{known: map[string]auth.Credential{}}, phones: map[string]*party{},
		began: o.at, interrupt: o.interrupt, stage: o.stage, dir: o.scripts.Dir, folder: o.folder, shipped: o.scripts.Shipped}
	w.ctx, w.cancel = context.WithCancel(context.Background())
	log := slog.New(slog.NewTextHandler(io.Discard, nil))
	so := o.scripts
	so.Clock, so.Log, so.HTTP, so.Recordings, so.Watch = w.clock, log, o.http, o.folder, false
	withDatabases(&so, o.beside, o.databases)
	so.Records, so.Mail, so.Voice = w.records, o.mail, speech{o.beside}
	compiled, err := o.stage.compile(so)
	if err != nil {
		return nil, err
	}
	if w.engine, err = compiled.New(so); err != nil {
		return nil, err
	}
	w.records.engine = w.engine
	w.rtp.Tap(w.ears.packet)
	if w.media, err = media.New(media.Options{Backend: w.rtp, Workers: 1, PortMin: 10000, PortMax: 30000, NoDTLS: true, Clock: w.clock}); err != nil {
		return nil, err
	}
	w.layer, err = transport.New(transport.Options{Network: w.net, Clock: w.clock, Log: log,
		Listen: []transport.Endpoint{{Proto: transport.UDP, Addr: netip.MustParseAddrPort(serverAddr)}}})
	if err != nil {
		return nil, err
	}
	w.reg = registrar.New(registrar.Options{Clock: w.clock})
	w.trunks = trunk.New(trunk.Options{Transport: w.layer, Clock: w.clock, Log: log})
	trusted := auth.NewACL([]auth.Rule{{Allow: []netip.Prefix{netip.MustParsePrefix("10.0.3.0/24")}}})
	w.server, err = b2bua.New(b2bua.Options{Transport: w.layer, Media: w.media, Handler: w.engine, Hooks: w.engine, Directory: w.users,
		Registrar: w.reg, Trunks: w.trunks, Journal: w.records, ACL: trusted, Emergency: so.Emergency, Log: log, Clock: w.clock, Recordings: o.folder, MediaTimeout: mediaTimeout})
	if err != nil {
		return nil, err
	}
	w.engine.Attach(w.server)
	return w, w.still.wait()
}

// mostAtOnce is how often timers may run out within one moment: a script that sleeps for no
// time at all in an endless loop would keep the clock where it is.
const mostAtOnce = 100_000

// until moves the clock until done, for at most limit; false when that was not enough.
func (w *world) until(limit time.Duration, done func() bool) (bool, error) {
	end := w.clock.Now().Add(limit)
	at, turns := w.clock.Now(), 0
	for {
		if err := w.still.wait(); err != nil {
			w.restless = true
			return false, err
		}
		if now := w.clock.Now(); now.Equal(at) {
			if turns++; turns > mostAtOnce {
				w.restless = true
				return false, errRestless
			}
		} else {
			at, turns = now, 0
		}
		if done() {
			return true, nil
		}
		if w.interrupt.Err() != nil {
			w.restless = true // what is left is not waited for
			return false, errInterrupted
		}
		if !w.clock.step(end) {
			err := w.still.wait()
			return done(), err
		}
	}
}

// pass lets time go by.
func (w *world) pass(d time.Duration) error {
	_, err := w.until(d, func() bool { return false })
	return err
}

// errSlow says that something took longer than any limit.
var errSlow = errors.New("it took too long")

// run runs something that waits for others, moving the clock until it returns.
func (w *world) run(limit time.Duration, f func() error) error {
	result := make(chan error, 1)
	go func() { result <- f() }()
	var err error
	ok, broken := w.until(limit, func() bool {
		select {
		case err = <-result:
			return true
		default:
			return false
		}
	})
	switch {
	case broken != nil:
		return broken
	case !ok:
		return errSlow
	}
	return err
}

// close ends all calls and everything else.
func (w *world) close() error {
	if w.restless {
		return w.abandon()
	}
	err := w.run(time.Minute, func() error { return w.server.Close(w.ctx) })
	w.cancel()
	for _, p := range w.phones {
		err = errors.Join(err, w.run(time.Minute, p.phone.Close))
	}
	return errors.Join(err, w.run(time.Hour, func() error {
		w.engine.Close()
		w.trunks.Close(w.ctx)
		w.reg.Close()
		return errors.Join(w.layer.Close(), w.media.Close())
	}))
}

// abandon ends a world in which something runs without end: time goes by however busy it is,
// so that the server cuts off its scripts.
func (w *world) abandon() error {
	w.cancel()
	closed := make(chan struct{})
	go func() {
		defer close(closed)
		w.server.Close(w.ctx)
		w.engine.Close()
		w.media.Close()
		w.layer.Close()
	}()
	for began := time.Now(); time.Since(began) < restLimit; {
		select {
		case <-closed:
			return nil
		case <-time.After(time.Millisecond):
			w.clock.step(w.clock.Now().Add(time.Second))
		}
	}
	return errRestless
}

// users are those that a spec has named; each has the same password.
type users struct {
	mu    sync.Mutex
	known map[string]auth.Credential
}

func (u *users) Credential(user string) (auth.Credential, bool) {
	u.mu.Lock()
	defer u.mu.Unlock()
	c, ok := u.known[user]
	return c, ok
}

func (u *users) add(user string) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.known[user] = auth.NewCredential(user, "tandem", password)
}

// records keeps what the server writes down, and shows it to the scripts.
type records struct {
	engine   *scripting.Engine
	mu       sync.Mutex
	open     []string // ids, in the order the calls came
	finished map[string]store.Record
}

func (r *records) Open(c *store.Call) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.open = append(r.open, c.ID)
}

func (r *records) Update(*store.Call) {}

func (r *records) Finish(c *store.Call, legs []store.Leg, events []store.Event) {
	r.mu.Lock()
	if r.finished == nil {
		r.finished = map[string]store.Record{}
	}
	r.finished[c.ID] = store.Record{Call: *c, Legs: legs, Events: events}
	r.mu.Unlock()
	r.engine.Finished(c)
}

// bySIP finds the finished record of a call by the Call-ID that its caller gave it.
func (r *records) bySIP(callID string) (store.Record, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, rec := range r.finished {
		if len(rec.Legs) > 0 && rec.Legs[0].SIPCallID == callID {
			return rec, true
		}
	}
	return store.Record{}, false
}

// party is somebody whom scripts can dial, and who may call.
type party struct {
	phone   *phone.Phone
	at      netip.AddrPort
	waiting []*phone.Call // that nobody has asked about
	reports reports
}

// take moves what has come in to the list and finds a call that fits.
func (p *party) take(fits func(*phone.Call) bool) *phone.Call {
	for {
		select {
		case c := <-p.phone.Incoming():
			p.waiting = append(p.waiting, c)
			continue
		default:
		}
		break
	}
	for i, c := range p.waiting {
		if fits(c) {
			p.waiting = append(p.waiting[:i], p.waiting[i+1:]...)
			return c
		}
	}
	return nil
}

// newPhone makes a phone at an address.
func (w *world) newPhone(user, display string, at netip.AddrPort) (*party, error) {
	p := &party{at: at}
	var err error
	p.phone, err = phone.New(phone.Options{OnRequest: p.reports.notified, Network: w.net, Media: w.media, Clock: w.clock, User: user, Display: display, Password: password, Codecs: []string{"pcmu"}, Pulse: pulse,
		Listen: []transport.Endpoint{{Proto: transport.UDP, Addr: at}}, Server: "sip:" + serverAddr})
	if err != nil {
		return nil, fmt.Errorf("simulated phone: %w", err)
	}
	return p, nil
}

func address(net, n int) netip.AddrPort {
	return netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 0, byte(net), byte(n + 1)}), 5060)
}
