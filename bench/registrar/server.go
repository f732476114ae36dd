package main

import (
	"bufio"
	"context"
	"fmt"
	"log/slog"
	"net/netip"
	"os"
	"runtime"
	"time"

	"github.com/emiago/sipgo/sip"

	"tandem/b2bua"
	"tandem/b2bua/auth"
	"tandem/b2bua/dialog"
	"tandem/b2bua/registrar"
	"tandem/b2bua/transaction"
	"tandem/b2bua/transport"
	"tandem/media"
	"tandem/store"
)

const (
	realm    = "tandem"
	password = "secret"
)

// directory are the users.
type directory map[string]auth.Credential

func newDirectory(n int) directory {
	d := make(directory, n)
	for i := range n {
		name := userName(i)
		d[name] = auth.NewCredential(name, realm, password)
	}
	return d
}

func userName(i int) string { return fmt.Sprintf("user%06d", i) }

func (d directory) Credential(user string) (auth.Credential, bool) {
	c, ok := d[user]
	return c, ok
}

// serve is a server until its input ends. It prints its address, and for each line of its input
// how many bytes it keeps alive and how many bindings it holds, once it is at rest.
func serve(which string, users int, hasty bool) error {
	listen := []transport.Endpoint{{Proto: transport.UDP, Addr: netip.MustParseAddrPort("127.0.0.1:0")}}
	layer, err := transport.New(transport.Options{Listen: listen, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		return err
	}
	defer layer.Close()
	known := newDirectory(users)
	count := func() (transactions, bindings int) { return 0, 0 }
	if which == "ours" {
		if count, err = serveOurs(layer, known, hasty); err != nil {
			return err
		}
	} else {
		layer.Serve(&bare{auth.NewDigest(auth.DigestOptions{Realm: realm}), known})
	}
	fmt.Println(layer.Endpoints()[0].Addr)
	for in := bufio.NewScanner(os.Stdin); in.Scan(); {
		transactions, bindings := count()
		for transactions > 0 { // RFC 3261 §17.2.2: timer J, 32 s after the last REGISTER
			time.Sleep(100 * time.Millisecond)
			transactions, bindings = count()
		}
		runtime.GC()
		runtime.GC() // what the first has queued for the end
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		fmt.Println(m.HeapAlloc, bindings)
	}
	return nil
}

func serveOurs(layer *transport.Layer, known directory, hasty bool) (count func() (transactions, bindings int), err error) {
	engine, err := media.New(media.Options{Backend: media.NewMemory(), Workers: 1})
	if err != nil {
		return nil, err
	}
	timers := transaction.DefaultTimers()
	if hasty {
		timers.T1 = 20 * time.Millisecond
	}
	r := registrar.New(registrar.Options{KeepAlive: 28 * time.Second, Ping: b2bua.KeepAlive})
	s, err := b2bua.New(b2bua.Options{Transport: layer, Media: engine, Handler: nobody{}, Directory: known, Registrar: r,
		Journal: nobody{}, Timers: timers, ACL: auth.NewACL([]auth.Rule{{Deny: []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24")}}}),
		Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		return nil, err
	}
	return func() (transactions, bindings int) { return s.Counts().ServerTransactions, r.Len() }, nil
}

// nobody calls.
type nobody struct{}

func (nobody) ServeCall(context.Context, *b2bua.Call) error   { return nil }
func (nobody) Open(*store.Call)                               {}
func (nobody) Update(*store.Call)                             {}
func (nobody) Finish(*store.Call, []store.Leg, []store.Event) {}
func (*bare) HandleFlowClosed(transport.Flow, error)          {}

// bare is the reference: it reads a REGISTER, checks its digest, and answers as a registrar
// does, without keeping anything of it but the count of its nonce.
type bare struct {
	digest *auth.Digest
	known  directory
}

func (b *bare) HandleMessage(m *transport.Incoming) {
	req, ok := m.Msg.(*sip.Request)
	if !ok || m.Err != nil {
		return
	}
	var header string
	if h := req.GetHeader("Authorization"); h != nil {
		header = h.Value()
	}
	from := m.Flow.Remote().Addr()
	user, _ := b.digest.Username(header)
	cred, found := b.known.Credential(user)
	res := transaction.NewResponse(req, 200, "OK", dialog.NewTag())
	if b.digest.Verify(from, string(req.Method), header, cred, found) != auth.OK {
		res = transaction.NewResponse(req, 401, "Unauthorized", dialog.NewTag())
		for _, c := range b.digest.Challenge(from, header != "") {
			res.AppendHeader(sip.NewHeader("WWW-Authenticate", c))
		}
	} else if c := req.Contact(); c != nil {
		res.AppendHeader(sip.HeaderClone(c))
	}
	if err := m.Flow.Send(res); err != nil {
		fmt.Fprintln(os.Stderr, "reference:", err)
	}
}
