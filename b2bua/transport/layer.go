// Package transport is RFC 3261 §18: sockets, connections, and where a message goes. It hands
// every message of a socket or connection to one Handler in the order it came over the wire.
package transport

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"github.com/emiago/sipgo/sip"

	"tandem/clock"
)

// Options of a Layer. The zero value of each field means its default.
type Options struct {
	Network   Network          // System()
	Listen    []Endpoint       // what to bind
	Security  *Security        // of TLS and WSS; default: no certificate of ours, the system's authorities
	Domain    string           // host of our addresses, or ""
	Origins   []string         // of web pages that may open a WebSocket, such as "https://*.example.com"; see checkOrigin
	Advertise []netip.Addr     // one an address family, for peers outside Local
	Local     []netip.Prefix   // private networks and loopback
	DNS       []netip.AddrPort // name servers; default: the system's (/etc/resolv.conf), none on a network that is not System
	Clock     clock.Clock      // clock.System()
	Log       *slog.Logger     // slog.Default()

	MaxConns          int           // accepted connections at once: 10,000
	MaxConnsPerSource int           // of these, from one IP address: 200
	MaxMessage        int           // bytes of one message on a stream: 128 KiB
	MaxQueue          int           // bytes waiting to be written to one connection: 1 MiB
	IdleTimeout       time.Duration // a connection without traffic: 1 h
	MessageTimeout    time.Duration // from a message's first byte to its last, and from a connection's opening to its first message: 10 s
	WriteTimeout      time.Duration // for a peer that does not read: 10 s
	ConnectTimeout    time.Duration // 5 s
}

func (o *Options) fill() {
	def(&o.Network, System())
	def(&o.Clock, clock.System())
	if o.Log == nil {
		o.Log = slog.Default()
	}
	def(&o.MaxConns, 10_000)
	def(&o.MaxConnsPerSource, 200)
	def(&o.MaxMessage, 128<<10)
	def(&o.MaxQueue, 1<<20)
	def(&o.IdleTimeout, time.Hour)
	def(&o.MessageTimeout, 10*time.Second)
	def(&o.WriteTimeout, 10*time.Second)
	def(&o.ConnectTimeout, 5*time.Second)
	if o.Security == nil {
		o.Security, _ = NewSecurity(nil, nil, nil) // only a certificate can be wrong
	}
	if o.Local == nil {
		o.Local = privateNetworks()
	}
}

func def[T comparable](field *T, value T) {
	var zero T
	if *field == zero {
		*field = value
	}
}

// Handler takes what the layer reads. Calls for one connection or socket come one after the
// other, in wire order, on the goroutine that reads it; they must not block.
type Handler interface {
	// HandleMessage gets each message. A request's top Via already has received and rport set
	// (RFC 3261 §18.2.1, RFC 3581 §4).
	HandleMessage(m *Incoming)
	// HandleFlowClosed tells, once and after its last message, that a connection has died.
	HandleFlowClosed(f Flow, err error)
}

// Incoming is a message from the network.
type Incoming struct {
	Msg  sip.Message // never nil; with Err set it may lack mandatory headers
	Flow Flow
	Size int   // bytes on the wire
	Err  error // why the message is not valid: a request may be answered 400, a response is to be dropped
}

// Direction of a message as a tap sees it.
type Direction int

// Directions.
const (
	In Direction = iota
	Out
)

// Layer owns the sockets and connections of one server.
type Layer struct {
	o         Options
	parser    *sip.Parser
	endpoints []Endpoint
	sockets   []*socket
	listeners []*listener
	looped    *loop
	handler   Handler
	names     names
	dead      memo // targets that failed
	narrow    memo // peers that take no TCP
	routes    routes
	hostAddrs hostAddrs
	counts    counters
	quiet     limiter
	tap       atomic.Pointer[func(Direction, Flow, []byte)]
	dialCtx   context.Context // ends with the layer
	stopDials context.CancelFunc
	security  atomic.Pointer[Security]
	allowed   atomic.Pointer[[]string] // Options.Origins

	mu      sync.Mutex
	started bool
	closed  bool
	conns   map[peer]*conn // by the far end
	aliases map[peer]*conn // RFC 5923: by the address that the far end listens on
	dialled map[peer]*dialling
	open    map[*conn]struct{}
	sources map[netip.Addr]int // accepted connections by IP
	running sync.WaitGroup
}

// New binds every listener. The error names the one that could not be bound.
func New(o Options) (*Layer, error) {
	o.fill()
	l := &Layer{
		o:       o,
		parser:  newParser(o.MaxMessage),
		conns:   map[peer]*conn{},
		aliases: map[peer]*conn{},
		dialled: map[peer]*dialling{},
		open:    map[*conn]struct{}{},
		sources: map[netip.Addr]int{},
	}
	l.quiet.clock = o.Clock
	l.names = names{
		l: l, kept: map[question]answer{}, asking: map[question]*inquiry{},
		files: systemFiles{resolvPath: "/etc/resolv.conf", hostsPath: "/etc/hosts"},
	}
	l.security.Store(o.Security)
	l.SetOrigins(o.Origins)
	l.dialCtx, l.stopDials = context.WithCancel(context.Background())
	l.looped = &loop{l: l}
	for _, e := range o.Listen {
		if err := l.bind(e); err != nil {
			l.closeSockets()
			return nil, fmt.Errorf("listen %s: %w", e, cause(err))
		}
	}
	l.warnBuffers()
	return l, nil
}

func (l *Layer) bind(e Endpoint) error {
	switch e.Proto {
	case UDP:
		return l.bindUDP(e)
	case TCP, WS:
		return l.bindStream(e)
	case TLS, WSS:
		if l.o.Security.leaf == nil {
			return errors.New("no certificate to show")
		}
		return l.bindStream(e)
	}
	return fmt.Errorf("unknown transport %q", e.Proto)
}

// cause strips the net package's own "listen udp 127.0.0.1:5060: bind:" from an error.
func cause(err error) error {
	var op *net.OpError
	if errors.As(err, &op) {
		err = op.Err
	}
	var sys interface{ Unwrap() error }
	if errors.As(err, &sys) && sys.Unwrap() != nil {
		return sys.Unwrap()
	}
	return err
}

// Endpoints are the bound addresses, port 0 resolved, in the order of Options.Listen.
func (l *Layer) Endpoints() []Endpoint { return l.endpoints }

// Serve starts reading. It returns at once and may be called once.
func (l *Layer) Serve(h Handler) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.started || l.closed {
		return
	}
	l.started = true
	l.handler = h
	for _, s := range l.sockets {
		l.running.Go(s.serve)
	}
	for _, s := range l.listeners {
		l.running.Go(s.serve)
	}
}

// OnMessage sets a tap that sees every message in wire form, or removes it with nil.
// The tap must neither block nor keep the bytes.
func (l *Layer) OnMessage(tap func(dir Direction, f Flow, msg []byte)) {
	if tap == nil {
		l.tap.Store(nil)
		return
	}
	l.tap.Store(&tap)
}

// Close stops listening, lets queued messages leave for at most a second, closes every
// connection and waits until nothing runs any more. It must not be called by the Handler.
func (l *Layer) Close() error {
	l.mu.Lock()
	if l.closed {
		l.mu.Unlock()
		return nil
	}
	l.closed = true
	open := make([]*conn, 0, len(l.open))
	for c := range l.open {
		open = append(open, c)
	}
	l.mu.Unlock()
	l.stopDials()
	l.closeSockets()
	for _, c := range open {
		c.finish(ErrClosed, time.Second)
	}
	l.running.Wait()
	return nil
}

func (l *Layer) closeSockets() {
	for _, s := range l.sockets {
		s.close()
	}
	for _, s := range l.listeners {
		s.ln.Close()
	}
}
