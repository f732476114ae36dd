package b2bua

import (
	"context"
	"fmt"
	"log/slog"
	"net/netip"
	"net/url"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/emiago/sipgo/sip"

	"tandem/b2bua/dialog"
	"tandem/b2bua/phone"
	"tandem/b2bua/registrar"
	"tandem/b2bua/transaction"
	"tandem/b2bua/transport"
	"tandem/media"
	"tandem/media/hear"
	"tandem/media/wav"
	"tandem/store"
)

// office is a server and phones on real sockets; a number rings the phone of that name.
type office struct {
	t      *testing.T
	server *Server
	addr   netip.AddrPort
	engine *media.Engine
	phones map[string]*desk
	script map[string]handler // of numbers that ring no phone
}

// desk is a phone that plays its own tone in every call it has.
type desk struct {
	*phone.Phone
	hz   int
	mu   sync.Mutex
	news []string // what NOTIFY told
}

func newOffice(t *testing.T, tones map[string]int, scripts map[string]handler) *office {
	t.Helper()
	o := &office{t: t, phones: map[string]*desk{}, script: scripts}
	for name, hz := range tones {
		d := &desk{hz: hz}
		p, err := phone.New(phone.Options{User: name, OnRequest: d.request, Listen: []transport.Endpoint{
			{Proto: transport.UDP, Addr: netip.MustParseAddrPort("127.0.0.1:0")}}})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = p.Close() })
		d.Phone = p
		o.phones[name] = d
	}
	log := slog.New(slog.DiscardHandler)
	tl, err := transport.New(transport.Options{Log: log, Listen: []transport.Endpoint{{Proto: transport.UDP, Addr: netip.MustParseAddrPort("127.0.0.1:0")}}})
	if err != nil {
		t.Fatal(err)
	}
	o.addr = tl.Endpoints()[0].Addr
	if o.engine, err = media.New(media.Options{PortMin: 30000, PortMax: 39999}); err != nil {
		t.Fatal(err)
	}
	timers := transaction.DefaultTimers()
	timers.T1 /= 10 // a call is remembered for 64*T1 after its answer
	o.server, err = New(Options{Timers: timers, Transport: tl, Media: o.engine, Handler: handler(o.serve), Directory: noUsers{}, Registrar: registrar.New(registrar.Options{}),
		Journal: &records{open: map[string]*store.Call{}}, Log: log, Recordings: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(o.close)
	return o
}

func (o *office) close() {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	if err := o.server.Close(ctx); err != nil {
		o.t.Error(err)
	}
	for { // a phone has two seconds to say BYE when its transfer is done
		n := o.server.Counts()
		if n.Running == 0 && n.Dialogs == 0 {
			break
		}
		if ctx.Err() != nil {
			o.t.Errorf("left at the end: %+v", n)
			break
		}
		time.Sleep(20 * time.Millisecond)
	}
	if _, used := o.engine.Ports(); used != 0 {
		o.t.Errorf("%d ports in use at the end", used)
	}
	o.server.o.Registrar.Close()
	_ = o.server.o.Transport.Close()
	_ = o.engine.Close()
}

func (o *office) serve(ctx context.Context, c *Call) error {
	if h := o.script[c.Number()]; h != nil {
		return h(ctx, c)
	}
	_, err := c.BridgeTo(ctx, []string{o.phones[c.Number()].URI()}, DialOptions{})
	return err
}

func (d *desk) request(_ *phone.Call, req *sip.Request) int {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.news = append(d.news, string(req.Body()))
	return 200
}

// calls connects two phones; both play their tones from then on.
func (o *office) calls(ctx context.Context, from, to string) (caller, callee *phone.Call) {
	o.t.Helper()
	answered := make(chan *phone.Call, 1)
	go func() { answered <- o.picksUp(ctx, to) }()
	caller, err := o.phones[from].Dial(ctx, fmt.Sprintf("sip:%s@%s", to, o.addr), phone.DialOptions{})
	if err != nil {
		o.t.Fatal(err)
	}
	o.sing(caller, from)
	return caller, <-answered
}

func (o *office) picksUp(ctx context.Context, name string) *phone.Call {
	c, err := o.phones[name].Accept(ctx)
	if err == nil {
		err = c.Answer()
	}
	if err != nil {
		o.t.Errorf("%s: %v", name, err)
		return nil
	}
	o.sing(c, name)
	return c
}

func (o *office) sing(c *phone.Call, name string) {
	tone, err := media.ParseTone(fmt.Sprintf("tone:%d", o.phones[name].hz))
	if err != nil {
		o.t.Error(err)
		return
	}
	c.Session().Play([]media.Source{tone}, media.PlayOptions{Loop: -1})
}

// hears records a call and fails unless the sound is that of the named phone.
func (o *office) hears(c *phone.Call, name string) { o.t.Helper(); o.hearsTone(c, o.phones[name].hz) }

func (o *office) hearsTone(c *phone.Call, hz int) {
	o.t.Helper()
	path := filepath.Join(o.t.TempDir(), "heard.wav")
	rec, err := c.Record(path)
	if err != nil {
		o.t.Fatal(err)
	}
	time.Sleep(700 * time.Millisecond) // the sound itself takes that long
	rec.Stop()
	<-rec.Done()
	o.sounds(path, hz)
}

// sounds fails unless what is in a file is one tone.
func (o *office) sounds(path string, hz int) {
	o.t.Helper()
	f, err := os.Open(path)
	if err != nil {
		o.t.Fatal(err)
	}
	defer f.Close()
	audio, err := wav.Decode(path, f, time.Minute)
	if err != nil {
		o.t.Fatal(err)
	}
	if got := hear.Tone(audio.PCM, audio.Rate); got.Hz < float64(hz)-5 || got.Hz > float64(hz)+5 || got.Share < 0.9 {
		o.t.Errorf("heard %+v, want %v Hz", got, hz)
	}
}

// told waits until a phone has been notified of the end of its transfer.
func (o *office) told(name string) {
	o.t.Helper()
	d := o.phones[name]
	for range 200 {
		d.mu.Lock()
		n := len(d.news)
		last := ""
		if n > 0 {
			last = d.news[n-1]
		}
		d.mu.Unlock()
		if last == "SIP/2.0 200 OK\r\n" {
			return
		}
		time.Sleep(20 * time.Millisecond)
	}
	o.t.Fatalf("%s was told %q", name, d.news)
}

func TestTransferredHearEachOther(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	o := newOffice(t, map[string]int{"alice": 440, "bob": 620, "carol": 880}, nil)
	a, b := o.calls(ctx, "alice", "bob")
	o.hears(a, "bob")
	o.hears(b, "alice")

	answered := make(chan *phone.Call, 1)
	go func() { answered <- o.picksUp(ctx, "carol") }()
	if _, err := b.Request(ctx, sip.REFER, "", nil, sip.NewHeader("Refer-To", fmt.Sprintf("<sip:carol@%s>", o.addr))); err != nil {
		t.Fatal(err)
	}
	c := <-answered
	o.told("bob")
	o.hears(a, "carol")
	o.hears(c, "alice")
	o.unbroken(a)
	if err := b.Hangup(ctx); err != nil {
		t.Error(err)
	}

	// Now the caller transfers: the others go on in a call of their own.
	again := make(chan *phone.Call, 1)
	go func() { again <- o.picksUp(ctx, "bob") }()
	if _, err := a.Request(ctx, sip.REFER, "", nil, sip.NewHeader("Refer-To", fmt.Sprintf("<sip:bob@%s>", o.addr))); err != nil {
		t.Fatal(err)
	}
	b2 := <-again
	o.told("alice")
	o.hears(c, "bob")
	o.hears(b2, "carol")
	o.unbroken(c)
	<-a.Done() // our BYE, after a while
}

// unbroken fails unless what a phone received is one stream without a gap.
func (o *office) unbroken(c *phone.Call) {
	o.t.Helper()
	if s := c.Stats(); s.Lost > 0 || s.OutOfOrder > 0 || s.Strangers > 0 || s.Duplicates > 0 {
		o.t.Errorf("the stream is broken: %+v", s)
	}
}

// joins brings together those that a phone has on two lines (RFC 5589 §7).
func (o *office) joins(ctx context.Context, line, consultation *phone.Call) {
	o.t.Helper()
	r := dialog.Replaces{ID: dialog.ID{CallID: consultation.CallID(), LocalTag: consultation.RemoteTag(), RemoteTag: dialog.FromTag(consultation.Invite())}}
	to := sip.NewHeader("Refer-To", fmt.Sprintf("<sip:%s?Replaces=%s>", o.addr, url.QueryEscape(r.String())))
	if _, err := line.Request(ctx, sip.REFER, "", nil, to); err != nil {
		o.t.Fatal(err)
	}
}

func TestAttendedTransferredHearEachOther(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	o := newOffice(t, map[string]int{"alice": 440, "bob": 620, "carol": 880}, nil)
	a, b := o.calls(ctx, "alice", "bob")
	if err := b.Hold(ctx); err != nil {
		t.Fatal(err)
	}
	consultation, c := o.calls(ctx, "bob", "carol")
	o.hears(consultation, "carol")
	o.joins(ctx, b, consultation)
	o.told("bob")
	<-consultation.Done()
	o.hears(a, "carol")
	o.hears(c, "alice")
	o.unbroken(a)
	o.unbroken(c)
	<-b.Done()
	if e := b.End(); e.By != "remote" || e.Err != nil {
		t.Errorf("bob's call ended by %+v", e)
	}
}
