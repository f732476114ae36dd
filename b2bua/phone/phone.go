// Package phone is a SIP user agent to test with: it registers, calls, answers,
// holds, presses keys, plays and records. `tandem call` is one of its users, the
// tests are the others. It stands on the same transports, transactions, dialogs
// and media as the server, and knows nothing of the server.
package phone

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"strings"
	"sync"
	"time"

	"github.com/emiago/sipgo/sip"

	"tandem/b2bua/auth"
	"tandem/b2bua/transaction"
	"tandem/b2bua/transport"
	"tandem/clock"
	"tandem/media"
)

// ErrClosed says that the phone has been closed.
var ErrClosed = errors.New("phone: closed")

// Options of a Phone. Its zero value makes a phone on free loopback ports that
// calls without credentials.
type Options struct {
	Network  transport.Network    // the system's
	Listen   []transport.Endpoint // UDP and TCP on free ports of 127.0.0.1
	Security *transport.Security  // whom to believe over TLS and WSS, and what to show; the system's authorities, nothing
	Media    *media.Engine        // one of its own, closed with the phone
	Clock    clock.Clock          // the system's
	Timers   transaction.Timers   // those of transaction.DefaultTimers for each that is 0
	Log      *slog.Logger         // discarded

	User, Password string // credentials, and user part of From; "phone" if empty
	Display        string
	Server         string        // URI of a registrar that all requests go by; none: straight to the callee
	Domain         string        // host part of From; the server's, or the callee's
	Expires        time.Duration // asked for when registering: 1 h
	Codecs         []string      // the engine's
	DTMF           media.DTMF    // how Press sends and Digits hears; INFO is the caller's to send
	Pulse          time.Duration // between packets of silence once a call stands; without a pause

	// Trace gets each message sent and received as a line of a ladder. It must not block.
	Trace func(line string)
	// OnRequest sees each request but INVITE, ACK, CANCEL and BYE, with the call
	// it came in or nil. It gives the status to answer, or 0 for the usual. It must not block.
	OnRequest func(c *Call, req *sip.Request) int
}

// maxWaiting is how many incoming calls wait for Accept; more are busy.
const maxWaiting = 16

// Phone is one user agent. It is safe for concurrent use.
type Phone struct {
	o        Options
	log      *slog.Logger
	layer    *transport.Layer
	tx       *transaction.Layer
	media    *media.Engine
	ownMedia bool
	server   *sip.Uri    // nil: none
	known    *auth.Login // what the server asked
	incoming chan *Call

	mu      sync.Mutex
	calls   map[callKey]*Call
	asked   map[callKey]bool // subscriptions
	closed  bool
	reg     registration
	running sync.WaitGroup // calls not yet ended
}

// callKey finds a call by what its dialogs share: our tag is random.
type callKey struct{ callID, localTag string }

// New binds the phone's sockets and starts it.
func New(o Options) (*Phone, error) {
	p := &Phone{o: o, log: o.Log, media: o.Media, incoming: make(chan *Call, maxWaiting), calls: map[callKey]*Call{}}
	p.fill()
	p.known = auth.NewLogin(o.User, o.Password)
	if o.Server != "" {
		server, err := ParseURI(o.Server)
		if err != nil {
			return nil, err
		}
		p.server = &server
	}
	var err error
	if p.layer, err = transport.New(transport.Options{
		Network: o.Network, Listen: p.o.Listen, Security: o.Security, Clock: p.o.Clock, Log: p.log}); err != nil {
		return nil, fmt.Errorf("phone: %w", err)
	}
	if p.media == nil {
		if p.media, err = media.New(media.Options{Clock: p.o.Clock, Workers: 1}); err != nil {
			p.layer.Close()
			return nil, fmt.Errorf("phone: %w", err)
		}
		p.ownMedia = true
	}
	p.tx = transaction.New(transaction.Options{
		Transport: p.layer, Clock: p.o.Clock, Timers: p.o.Timers, Log: p.log, Handler: (*handler)(p)})
	p.reg.init()
	if o.Trace != nil {
		p.layer.OnMessage(ladder(p.o.Clock, o.Trace))
	}
	p.layer.Serve(p.tx)
	return p, nil
}

func (p *Phone) fill() {
	loopback := netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 0, 0, 1}), 0)
	if len(p.o.Listen) == 0 {
		p.o.Listen = []transport.Endpoint{{Proto: transport.UDP, Addr: loopback}, {Proto: transport.TCP, Addr: loopback}}
	}
	if p.o.Clock == nil {
		p.o.Clock = clock.System()
	}
	if p.log == nil {
		p.log = slog.New(slog.DiscardHandler)
	}
	timers := transaction.DefaultTimers()
	if p.o.Timers.T1 == 0 {
		p.o.Timers.T1 = timers.T1
	}
	if p.o.Timers.T2 == 0 {
		p.o.Timers.T2 = timers.T2
	}
	if p.o.Expires <= 0 {
		p.o.Expires = time.Hour
	}
}

// Close hangs up what is up, waits for it at most two seconds, and frees the sockets.
func (p *Phone) Close() error {
	p.mu.Lock()
	if p.closed {
		p.mu.Unlock()
		return nil
	}
	p.closed = true
	calls := make([]*Call, 0, len(p.calls))
	for _, c := range p.calls {
		calls = append(calls, c)
	}
	p.mu.Unlock()
	p.reg.stop()

	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	timer := p.o.Clock.AfterFunc(2*time.Second, cancel)
	defer timer.Stop()
	var hangups sync.WaitGroup
	for _, c := range calls {
		hangups.Go(func() {
			_ = c.Hangup(ctx)
			select {
			case <-c.Done():
			case <-ctx.Done():
				c.finish(End{By: "system", Reason: "phone closed"})
			}
		})
	}
	hangups.Wait()
	p.running.Wait()
	err := p.layer.Close()
	if p.ownMedia {
		err = errors.Join(err, p.media.Close())
	}
	return err
}

// URI is where the phone can be called directly: its user at its first listener.
func (p *Phone) URI() string {
	e := p.layer.Endpoints()[0]
	ip := e.Addr.Addr()
	if ip.IsUnspecified() && ip.Is4() {
		ip = netip.AddrFrom4([4]byte{127, 0, 0, 1})
	} else if ip.IsUnspecified() {
		ip = netip.IPv6Loopback()
	}
	uri := p.uriAt(netip.AddrPortFrom(ip, e.Addr.Port()), e.Proto)
	return uri.String()
}

// contact is where the peer of a flow reaches us.
func (p *Phone) contact(f transport.Flow) *sip.ContactHeader {
	return &sip.ContactHeader{Address: p.uriAt(f.Advertised(), f.Proto())}
}

func (p *Phone) uriAt(addr netip.AddrPort, proto transport.Proto) sip.Uri {
	uri := sip.Uri{Scheme: "sip", User: p.user(), Host: addr.Addr().String(), Port: int(addr.Port())}
	if proto != transport.UDP {
		uri.UriParams.Add("transport", string(proto))
	}
	return uri
}

func (p *Phone) user() string {
	if p.o.User == "" {
		return "phone"
	}
	return p.o.User
}

// address is who we are when we speak to callee: the user at the domain.
func (p *Phone) address(callee sip.Uri) sip.Uri {
	host := p.o.Domain
	switch {
	case host != "":
	case p.server != nil:
		host = p.server.Host
	default:
		host = callee.Host
	}
	return sip.Uri{Scheme: "sip", User: p.user(), Host: host}
}

// connect finds the way to uri: the first of its addresses that takes a connection.
func (p *Phone) connect(ctx context.Context, uri sip.Uri) (transport.Flow, error) {
	targets, err := p.layer.Resolve(ctx, uri)
	if err != nil {
		return transport.Flow{}, fmt.Errorf("phone: %w", err)
	}
	for _, t := range targets {
		var f transport.Flow
		if f, err = p.layer.Connect(ctx, t); err == nil {
			return f, nil
		}
	}
	return transport.Flow{}, fmt.Errorf("phone: %w", err)
}

// newRequest makes a request outside of any dialog; the caller adds CSeq and the rest.
func (p *Phone) newRequest(method sip.RequestMethod, uri, from, to sip.Uri, tag, callID string) *sip.Request {
	req := sip.NewRequest(method, uri)
	hops, id := sip.MaxForwardsHeader(70), sip.CallIDHeader(callID)
	req.AppendHeader(&hops)
	req.AppendHeader(&sip.FromHeader{DisplayName: p.o.Display, Address: from, Params: sip.HeaderParams{{K: "tag", V: tag}}})
	req.AppendHeader(&sip.ToHeader{Address: to})
	req.AppendHeader(&id)
	req.AppendHeader(sip.NewHeader("User-Agent", "tandem-phone"))
	return req
}

// add enters a call; false if the phone has been closed.
func (p *Phone) add(c *Call) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return false
	}
	p.calls[c.key] = c
	p.running.Add(1)
	return true
}

func (p *Phone) drop(c *Call) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.calls, c.key)
}

func (p *Phone) find(key callKey) *Call {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.calls[key]
}

// sleep waits on the phone's clock.
func (p *Phone) sleep(ctx context.Context, d time.Duration) error {
	over := make(chan struct{})
	timer := p.o.Clock.AfterFunc(d, func() { close(over) })
	defer timer.Stop()
	select {
	case <-over:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// ParseURI reads a SIP URI; "sip:" may be left out.
func ParseURI(s string) (sip.Uri, error) {
	if !strings.HasPrefix(s, "sip:") && !strings.HasPrefix(s, "sips:") {
		s = "sip:" + s
	}
	var uri sip.Uri
	if err := sip.ParseUri(s, &uri); err != nil || uri.Host == "" || uri.Wildcard || strings.ContainsAny(s, " \r\n<>\"") {
		return sip.Uri{}, fmt.Errorf("phone: %.80q is not a SIP URI", s)
	}
	return uri, nil
}
