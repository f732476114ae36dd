package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"tandem/b2bua"
	"tandem/b2bua/auth"
	"tandem/b2bua/registrar"
	"tandem/b2bua/transport"
	"tandem/b2bua/trunk"
	"tandem/config"
	"tandem/media"
	"tandem/metrics"
	"tandem/scripting"
	"tandem/store"
	"tandem/trace"
	"tandem/web"
)

// closeWait bounds how long calls take to be hung up, and clients of the API to leave.
const closeWait = 5 * time.Second

// server is a running Tandem: its parts in the order in which they were opened.
type server struct {
	store       store.Store
	media       *media.Engine
	transport   *transport.Layer
	registrar   *registrar.Registrar
	scripts     *scripting.Engine
	directory   *directory
	preferences atomic.Pointer[map[string]b2bua.Preferences]
	trunks      *trunk.Set
	sip         *b2bua.Server
	keeper      *keeper
	api         *web.API
	feed        *web.Feed // what happens, for who listens to the API
	metrics     *metrics.Metrics
	history     *web.History
	traces      *trace.Hub
	listener    net.Listener

	log        *slog.Logger
	started    time.Time
	booted     settings                 // what the server was started with
	read       func() (settings, error) // reads the configuration again
	current    atomic.Pointer[settings] // as read last
	reloading  sync.Mutex
	newcomers  []newcomer // users made at the first start
	httpFailed chan error
	closers    []func() error
}

// open opens every part and begins to take calls. On an error nothing stays open.
func open(ctx context.Context, cfg settings, read func() (settings, error), log *slog.Logger) (*server, error) {
	s := &server{log: log, started: time.Now(), booted: cfg, read: read, feed: web.NewFeed(), httpFailed: make(chan error, 1)}
	s.metrics = metrics.New(s.gauges)
	s.history = web.NewHistory(func() (int, int) { return s.sip.Counts().Calls, s.registrar.Len() })
	s.current.Store(&cfg)
	for _, part := range []func(context.Context, settings) error{
		s.openStore, s.openMedia, s.openTransport, s.openHTTP, s.openScripts, s.openUsers, s.openTrunks, s.openSIP, s.serveHTTP, s.firstStart,
	} {
		if err := part(ctx, cfg); err != nil {
			return nil, errors.Join(err, s.closeParts())
		}
	}
	return s, nil
}

func (s *server) settings() settings { return *s.current.Load() }

func (s *server) onClose(f func() error) { s.closers = append(s.closers, f) }

// close ends the calls that are left and then every part, the last opened first.
func (s *server) close() error {
	ctx, cancel := context.WithTimeout(context.Background(), closeWait)
	defer cancel()
	if err := s.sip.Close(ctx); err != nil {
		s.log.Warn("some calls did not end in time", "calls", s.sip.Counts().Calls)
	}
	err := s.closeParts()
	s.log.Info("ended")
	return err
}

func (s *server) closeParts() error {
	var errs []error
	for i := len(s.closers) - 1; i >= 0; i-- {
		errs = append(errs, s.closers[i]())
	}
	s.closers = nil
	return errors.Join(errs...)
}

func (s *server) openStore(ctx context.Context, cfg settings) error {
	if err := os.MkdirAll(recordingsDir(cfg.Config), 0o750); err != nil {
		return fmt.Errorf("data folder: %w", err)
	}
	st, err := openStore(ctx, cfg.Config, true, s.log)
	if err != nil {
		return err
	}
	s.store = st
	s.onClose(st.Close)
	s.keepTidy()
	s.keep()
	return nil
}

func (s *server) keep() {
	s.keeper = newKeeper(s.store, s.log)
	s.onClose(s.keeper.close)
}

func (s *server) openMedia(_ context.Context, cfg settings) error {
	m, err := media.New(media.Options{
		PortMin: cfg.Media.Ports.Min, PortMax: cfg.Media.Ports.Max, Codecs: cfg.Media.Codecs, PreferOurs: cfg.Media.Prefer == "ours",
		Log: s.log,
	})
	if err != nil {
		return err
	}
	s.media = m
	s.onClose(m.Close)
	return nil
}

func (s *server) openTransport(_ context.Context, cfg settings) error {
	security, err := s.loadSecurity(cfg.SIP)
	if err != nil {
		return err
	}
	o := transport.Options{Security: security, Domain: cfg.SIP.Domain, Origins: cfg.SIP.WSOrigins, Log: s.log}
	for _, e := range cfg.SIP.Listen {
		o.Listen = append(o.Listen, transport.Endpoint{Proto: transport.Proto(e.Proto), Addr: e.Addr})
	}
	for _, a := range cfg.SIP.Advertise {
		o.Advertise = append(o.Advertise, a.Addr)
	}
	o.Local = prefixes(cfg.SIP.Local)
	for _, d := range cfg.SIP.DNS {
		o.DNS = append(o.DNS, d.AddrPort)
	}
	t, err := transport.New(o)
	if err != nil {
		return err
	}
	s.transport = t
	s.onClose(t.Close)
	s.traces = trace.New(func(on bool) {
		if on {
			t.OnMessage(s.traced)
		} else {
			t.OnMessage(nil)
		}
	})
	s.registrar = registrar.New(registrar.Options{OnChange: s.registrationChanged, KeepAlive: natKeepAlive, Ping: b2bua.KeepAlive})
	s.onClose(func() error { s.registrar.Close(); return nil })
	return nil
}

// natKeepAlive is how often a phone behind a NAT is made to send something: home routers
// forget UDP after 30 s.
const natKeepAlive = 25 * time.Second

// renewalDue is how long before its end a certificate is worth a warning.
const renewalDue = 7 * 24 * time.Hour

func (s *server) loadSecurity(cfg config.SIP) (*transport.Security, error) {
	security, err := transport.LoadSecurity(string(cfg.TLSCert), string(cfg.TLSKey), string(cfg.TLSCA))
	if err != nil {
		return nil, err
	}
	if end := security.Expires(); !end.IsZero() && time.Until(end) < renewalDue {
		s.log.Warn("the certificate of sip.tls_cert ends soon or has ended", "file", cfg.TLSCert, "end", end)
	}
	return security, nil
}

// openHTTP takes the port, so that a taken one shows before any call is.
func (s *server) openHTTP(_ context.Context, cfg settings) error {
	l, err := net.Listen("tcp", cfg.HTTP.Listen.String())
	if err != nil {
		return fmt.Errorf("http: %w", err)
	}
	s.listener = l
	s.onClose(func() error {
		if err := l.Close(); !errors.Is(err, net.ErrClosed) {
			return err
		}
		return nil
	})
	return nil
}

func (s *server) openScripts(ctx context.Context, cfg settings) error {
	o := scriptOptions(cfg.Config, cfg.scriptsDir)
	kept, err := s.keptShared(ctx)
	if err != nil {
		return err
	}
	o.Shared, o.OnShared, o.Records = kept, s.keeper.share, s.store
	o.Voice, o.Language = speaker(cfg.Config), cfg.Say.Language
	if o.Mail, err = mailServer(cfg.Mail); err != nil {
		return err
	}
	o.Log = s.log
	o.OnReload = s.reloadTried
	o.OnRan = func(d time.Duration) { s.metrics.Ran(d.Seconds()) }
	e, err := scripting.New(o)
	if err != nil {
		return err
	}
	s.scripts = e
	s.onClose(func() error { e.Close(); return nil })
	return nil
}

func (s *server) openUsers(ctx context.Context, cfg settings) error {
	s.directory = &directory{realm: cfg.SIP.Realm(), log: s.log}
	users, err := s.directory.read(ctx, cfg.Users, s.store)
	if err != nil {
		return err
	}
	s.directory.users.Store(&users)
	return s.restoreBindings(ctx)
}

func (s *server) openTrunks(_ context.Context, cfg settings) error {
	configs, err := trunkConfigs(cfg.Trunks)
	if err != nil {
		return err
	}
	s.trunks = trunk.New(trunk.Options{Transport: s.transport, Log: s.log})
	s.onClose(func() error {
		ctx, cancel := context.WithTimeout(context.Background(), closeWait)
		defer cancel()
		s.trunks.Close(ctx)
		return nil
	})
	s.trunks.Configure(configs)
	return nil
}

func (s *server) openSIP(ctx context.Context, cfg settings) error {
	offered, err := algorithms(cfg.SIP.Digest)
	if err != nil {
		return err
	}
	bans, err := s.keptBans(ctx)
	if err != nil {
		return err
	}
	var journal b2bua.Journal = s.store
	if !cfg.Store.Events {
		journal = withoutEvents{s.store}
	}
	journal = announced{shown{journal, s.scripts}, s.feed, s.metrics, s.history}
	s.setPreferences(cfg.Users)
	sip, err := b2bua.New(b2bua.Options{
		Transport: s.transport, Media: s.media, Handler: s.scripts, Directory: s.directory, Registrar: s.registrar,
		Trunks: s.trunks, Journal: journal, Hooks: s.scripts,
		Realm: cfg.SIP.Realm(), Domain: cfg.SIP.Domain, Algorithms: offered, ACL: accessList(cfg.ACL),
		Codecs: cfg.Media.Codecs, Recordings: recordingsDir(cfg.Config), MaxCalls: cfg.Limits.Calls, Log: s.log,
		Guard: guard(cfg.Config), Emergency: cfg.Limits.Emergency, Bans: bans, OnBan: s.keeper.banned,
		ServiceRoute: cfg.SIP.ServiceRoute, SessionExpires: cfg.SIP.SessionExpires.Std(), MediaTimeout: cfg.Media.Timeout.Std(),
		Preferences: s.preferencesOf, Trace: cfg.Store.Trace,
	})
	if err != nil {
		return err
	}
	s.sip = sip
	s.scripts.Attach(sip)
	s.setUsers(*s.directory.users.Load())
	s.watchUsers()
	return nil
}

func (s *server) serveHTTP(_ context.Context, cfg settings) error {
	v := &view{s}
	version, _ := buildVersion()
	recordings, err := os.OpenRoot(recordingsDir(cfg.Config)) // links do not lead out of it
	if err != nil {
		return fmt.Errorf("recordings: %w", err)
	}
	s.onClose(recordings.Close)
	s.api = web.New(web.Options{
		Access: access(cfg.Config), Calls: v, Scripts: v, Registrations: v, Trunks: v, Bans: v, Conferences: v, Queues: v, Server: v, Records: s.store, Feed: s.feed, Tracer: v, Recordings: recordings.FS(), History: s.history, Metrics: s.metrics.Handler(), Version: version, Log: s.log,
	})
	s.keepHistory()
	h := web.NewServer(s.api, s.log)
	go func() {
		if err := h.Serve(s.listener); !errors.Is(err, http.ErrServerClosed) {
			s.httpFailed <- err
		}
	}()
	s.onClose(func() error {
		ctx, cancel := context.WithTimeout(context.Background(), closeWait)
		defer cancel()
		s.feed.Close() // or its listeners would stay
		if err := h.Shutdown(ctx); err != nil {
			return h.Close()
		}
		return nil
	})
	return nil
}

// ready is the line that tells where the server can be reached.
func (s *server) ready() string {
	return fmt.Sprintf("ready sip=%s http=%s", strings.Join(s.endpoints(), ","), s.listener.Addr())
}

func (s *server) endpoints() []string {
	var list []string
	for _, e := range s.transport.Endpoints() {
		list = append(list, e.String())
	}
	return list
}

func access(cfg *config.Config) web.Access {
	return web.Access{Token: string(cfg.HTTP.Token), ReadToken: string(cfg.HTTP.ReadToken), Hosts: cfg.HTTP.Hosts}
}

// accessList is nil without entries, which trusts loopback alone.
func accessList(entries []config.ACL) *auth.ACL {
	if len(entries) == 0 {
		return nil
	}
	rules := make([]auth.Rule, len(entries))
	for i, e := range entries {
		rules[i] = auth.Rule{Allow: prefixes(e.Allow), Deny: prefixes(e.Deny)}
	}
	return auth.NewACL(rules)
}

func prefixes(list []config.Prefix) []netip.Prefix {
	out := make([]netip.Prefix, len(list))
	for i, p := range list {
		out[i] = p.Prefix
	}
	return out
}

// withoutEvents keeps records and leaves out their timelines.
type withoutEvents struct{ b2bua.Journal }

func (w withoutEvents) Finish(c *store.Call, legs []store.Leg, _ []store.Event) {
	w.Journal.Finish(c, legs, nil)
}

// shown lets scripts look at each record that is finished.
type shown struct {
	b2bua.Journal
	scripts *scripting.Engine
}

func (s shown) Finish(c *store.Call, legs []store.Leg, events []store.Event) {
	s.Journal.Finish(c, legs, events)
	s.scripts.Finished(c)
}
