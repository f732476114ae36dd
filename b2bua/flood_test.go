package b2bua

import (
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/netip"
	"runtime"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"tandem/b2bua/auth"
	"tandem/b2bua/registrar"
	"tandem/b2bua/transport"
	"tandem/media"
	"tandem/store"
)

// flood is one message made to cost more than it is worth.
type flood struct {
	name     string
	text     string // {n} makes each sending a new request
	udp, tcp int    // the final response; 0: dropped; -1: does not fit or means nothing there
	closed   bool   // on TCP the connection is closed, for its framing is lost
}

const floodOptions = "OPTIONS sip:x@10.0.0.1 SIP/2.0\r\nVia: SIP/2.0/UDP 10.0.1.1;rport;branch=z9hG4bKf{n}\r\nFrom: <sip:a@b.example>;tag=f{n}\r\n" +
	"To: <sip:x@10.0.0.1>\r\nCall-ID: flood-{n}\r\nCSeq: 1 OPTIONS\r\n"

const floodInvite = "INVITE sip:x@10.0.0.1 SIP/2.0\r\nVia: SIP/2.0/UDP 10.0.1.1;rport;branch=z9hG4bKf{n}\r\nFrom: <sip:a@b.example>;tag=f{n}\r\n" +
	"To: <sip:x@10.0.0.1>\r\nCall-ID: flood-{n}\r\nCSeq: 1 INVITE\r\nContact: <sip:a@10.0.1.1>\r\n"

func floods() []flood {
	many := strings.Repeat
	body := func(head, kind, body string) string {
		return head + "Content-Type: " + kind + "\r\n" + fmt.Sprintf("Content-Length: %d\r\n\r\n", len(body)) + body
	}
	with := func(lines string) string { return floodOptions + lines + "Content-Length: 0\r\n\r\n" }
	multipart := ""
	for i := range 400 {
		multipart += fmt.Sprintf("--b%d\r\nContent-Type: multipart/mixed;boundary=b%d\r\n\r\n", i, i+1)
	}
	for i := 399; i >= 0; i-- {
		multipart += fmt.Sprintf("\r\n--b%d--\r\n", i)
	}
	sdp := "v=0\r\no=- 1 1 IN IP4 10.0.1.1\r\ns=-\r\nc=IN IP4 10.0.1.1\r\nt=0 0\r\n"
	return []flood{
		{name: "10,000 headers", text: with(many("a:\r\n", 10_000)), udp: 400, tcp: 400},
		{name: "10,000 headers of a type we read", text: with(many("m:*\r\n", 10_000)), udp: 400, tcp: 400},
		{name: "250 Vias", text: with(many("v: SIP/2.0/UDP far.example;branch=z9hG4bKx\r\n", 250)), udp: 200, tcp: 200},
		{name: "4,000 Vias", text: with(many("v: SIP/2.0/UDP far\r\n", 3_000)), udp: 400, tcp: 400},
		{name: "4,000 Vias in a line", text: with("v: " + many("SIP/2.0/UDP far,", 4_000) + "SIP/2.0/UDP far\r\n"), udp: 400, tcp: 400},
		{name: "8,000 Contacts in a line", text: with("m: " + many("<sip:a>,", 8_000) + "<sip:b>\r\n"), udp: 400, tcp: 400},
		{name: "10,000 parameters", text: strings.Replace(with(""), ";tag=", many(";a=b", 10_000)+";tag=", 1), udp: 400, tcp: 400},
		{name: "10,000 folds", text: with("X: a\r\n" + many(" b\r\n", 10_000)), udp: 400, tcp: 400},
		{name: "quotes without end", text: with("m: " + many(`"`, 60_001) + "\r\n"), udp: 400, tcp: 400},
		{name: "60,000 escapes", text: with(`m: "` + many(`\"`, 30_000) + "\" <sip:a@b.example>\r\n"), udp: 200, tcp: 200},
		{name: "a URI of 60,000", text: strings.Replace(with(""), "sip:x@10.0.0.1 ", "sip:"+many("x", 60_000)+"@10.0.0.1 ", 1), udp: 414, tcp: 414},
		{name: "a parameter of 60,000 in the URI", text: strings.Replace(with(""), "10.0.0.1 ", "10.0.0.1;p="+many("x", 60_000)+" ", 1), udp: 414, tcp: 414},
		{name: "a tel URI of 60,000", text: strings.Replace(with(""), "sip:x@10.0.0.1 ", "tel:"+many("1", 60_000)+" ", 1), udp: 414, tcp: 414},
		{name: "a From of 60,000", text: strings.Replace(with(""), "a@b", many("a", 60_000)+"@b", 1), udp: 200, tcp: 200},
		{name: "a Call-ID of 60,000", text: strings.Replace(with(""), "Call-ID: ", "Call-ID: "+many("c", 60_000), 1), udp: 200, tcp: 200},
		{name: "a branch of 60,000", text: strings.Replace(with(""), "z9hG4bK", "z9hG4bK"+many("b", 60_000), 1), udp: 200, tcp: 200},
		{name: "64 KiB", text: body(floodOptions, "text/plain", many("x", 64<<10-400)), udp: 200, tcp: 200},
		{name: "64 KiB of session description", text: body(floodInvite, "application/sdp", sdp+many("a=x\r\n", 12_000)), udp: 400, tcp: 400},
		{name: "10,000 streams", text: body(floodInvite, "application/sdp", sdp+many("m=a 9 b 0\r\n", 5_000)), udp: 400, tcp: 400},
		{name: "1 MiB", text: body(floodOptions, "text/plain", many("x", 1<<20)), udp: -1, tcp: 513, closed: true},
		{name: "a header of 1 MiB", text: with("X: " + many("x", 1<<20) + "\r\n"), udp: -1, tcp: 0, closed: true},
		{name: "a line of 1 MiB", text: many("x", 1<<20), udp: -1, tcp: 0, closed: true},
		{name: "a deep multipart body", text: body(floodInvite, "multipart/mixed;boundary=b0", multipart), udp: 415, tcp: 415},
		{name: "negative Content-Length", text: floodOptions + "Content-Length: -5\r\n\r\n", udp: 400, tcp: 400, closed: true},
		{name: "Content-Length of 2 GiB", text: floodOptions + "Content-Length: 2147483647\r\n\r\nx", udp: 400, tcp: 513, closed: true},
		{name: "Content-Length of 20 digits", text: floodOptions + "Content-Length: 99999999999999999999\r\n\r\nx", udp: 400, tcp: 400, closed: true},
		{name: "Content-Length in hex", text: floodOptions + "Content-Length: 0x10\r\n\r\n" + many("x", 16), udp: 400, tcp: 400, closed: true},
		{name: "two Content-Lengths", text: floodOptions + "Content-Length: 3\r\nl: 4\r\n\r\nxxxx", udp: 400, tcp: 400, closed: true},
		{name: "the same Content-Length twice", text: floodOptions + "Content-Length: 3\r\nl: 3\r\n\r\nxxx", udp: 400, tcp: 400},
		{name: "no Content-Length", text: floodOptions + "\r\n", udp: 200, tcp: 400, closed: true},
		{name: "NUL in a header", text: with("X: a\x00b\r\n"), udp: 400, tcp: 400},
		{name: "NUL in the Request-URI", text: strings.Replace(with(""), "sip:x@", "sip:\x00@", 1), udp: 400, tcp: 400},
		{name: "NUL in the body", text: body(floodOptions, "text/plain", many("\x00", 60_000)), udp: 200, tcp: 200},
		{name: "nothing but NUL", text: many("\x00", 60_000), udp: 0, tcp: 0, closed: true},
		{name: "nothing but line ends", text: many("\r\n", 30_000), udp: 0, tcp: -1},
		{name: "bare line feeds", text: strings.ReplaceAll(with(""), "\r\n", "\n"), udp: 0, tcp: -1},
	}
}

// TestFloods sends each flood many times to one server: each gets its answer or none, costs
// about what its size does, and nothing of it stays.
func TestFloods(t *testing.T) {
	const times = 30
	for _, f := range floods() {
		for _, proto := range []string{"udp", "tcp"} {
			want := f.udp
			if proto == "tcp" {
				want = f.tcp
			}
			if want < 0 {
				continue
			}
			t.Run(f.name+"/"+proto, func(t *testing.T) { // one after the other: memory is measured
				inQuietWorld(t, func(w *world) {
					x := w.wire(proto, 1)
					start := heap()
					for i := range times {
						if i == 1 {
							start = heap() // what is made once is there now
						}
						if x.closed {
							x.reopen(w)
						}
						x.send(strings.ReplaceAll(f.text, "{n}", fmt.Sprint(i)))
						f.answered(x, want, i)
					}
					time.Sleep(time.Minute) // virtual: what is kept for a while goes
					cost := heap().since(start, times-1)
					t.Logf("%d bytes: allocates %d a message, %d stay", len(f.text), cost.each, cost.stay)
					if most := 16<<10 + 40*len(f.text); cost.each > most {
						t.Errorf("%d bytes allocated for a message of %d", cost.each, len(f.text))
					}
					if cost.stay > 128<<10 {
						t.Errorf("%d bytes stay of %d messages", cost.stay, times)
					}
					w.wire("udp", 2).ping("after")
				})
			})
		}
	}
}

// answered checks what comes back for one flood.
func (f flood) answered(x *wire, want, i int) {
	x.t.Helper()
	wait := 5 * time.Second
	if x.packet == nil && f.closed {
		wait = 40 * time.Second
	}
	r, ok := x.next(wait)
	if ok && r.code != want || !ok && want != 0 {
		x.t.Fatalf("no. %d answered with %d, want %d\n%.500s", i, r.code, want, r.text)
	}
	if r.code >= 300 && strings.HasPrefix(f.text, "INVITE") && x.packet != nil {
		ack := strings.ReplaceAll(strings.Replace(floodInvite, "1 INVITE", "1 ACK", 1), "{n}", fmt.Sprint(i))
		x.send(strings.Replace(ack, "INVITE", "ACK", 1) + "Content-Length: 0\r\n\r\n")
	}
	if x.packet != nil || !f.closed {
		return
	}
	if ok {
		x.next(wait)
	}
	if !x.closed {
		x.t.Fatal("the connection stays open, but its next message cannot be found")
	}
}

// TestPingsWithoutReading: a peer that asks for pongs and reads none loses its connection
// before they cost more than a little.
func TestPingsWithoutReading(t *testing.T) {
	inQuietWorld(t, func(w *world) {
		x := w.wire("tcp", 1)
		start := heap()
		pings := strings.Repeat("\r\n", 50_000)
		for range 20 {
			x.send(pings)
		}
		if stay := heap().since(start, 1).stay; stay > 2<<20 {
			t.Errorf("%d bytes for unread pongs", stay)
		}
		for {
			if _, ok := x.next(20 * time.Second); !ok {
				break
			}
		}
		if !x.closed {
			t.Error("the connection stays open")
		}
		w.wire("udp", 2).ping("after")
	})
}

// TestNothingGrows sends one server thousands of mangled messages and no answer to any of its
// own. When all has timed out, it is as it was.
func TestNothingGrows(t *testing.T) {
	const rounds, each = 40, 250
	var seeds [][]byte
	for _, o := range ordeals {
		seeds = append(seeds, []byte(torture(t, o.name, nil)))
	}
	for _, f := range floods() {
		seeds = append(seeds, []byte(f.text[:min(len(f.text), 3000)]))
	}
	r := rand.New(rand.NewPCG(1, 2))
	inQuietWorld(t, func(w *world) {
		x := w.wire("udp", 1)
		goroutines := runtime.NumGoroutine()
		var start memory
		most := Counts{}
		for i := range rounds {
			if i == rounds/4 {
				start = heap() // maps have their size by now
			}
			for j := range each {
				n := fmt.Sprintf("%d-%d-", i, j)
				x.send(strings.NewReplacer("{n}", n, "z9hG4bK", "z9hG4bK"+n, "tag=", "tag="+n).Replace(string(mangled(r, seeds))))
				synctest.Wait() // or the socket's buffer overflows and loses the rest
			}
			most.ServerTransactions = max(most.ServerTransactions, w.server.Counts().ServerTransactions)
			most.Calls = max(most.Calls, w.server.Counts().Calls)
			for ok := true; ok; _, ok = x.next(time.Second) {
			}
			time.Sleep(2 * time.Minute) // virtual
			if n := w.server.Counts(); n != (Counts{}) {
				t.Fatalf("after round %d: %+v", i, n)
			}
		}
		cost := heap().since(start, rounds*each*3/4)
		t.Logf("%d messages, at most %d transactions and %d calls at once; %d bytes allocated a message, %d stay",
			rounds*each, most.ServerTransactions, most.Calls, cost.each, cost.stay)
		if cost.stay > 512<<10 {
			t.Errorf("%d bytes stay", cost.stay)
		}
		if n := runtime.NumGoroutine(); n > goroutines {
			t.Errorf("%d goroutines, %d before", n, goroutines)
		}
		if most.Calls == 0 {
			t.Error("not one message made a call: nothing is proved")
		}
	})
}

// mangled is one of seeds with a few bytes changed, lost, doubled or taken from another.
func mangled(r *rand.Rand, seeds [][]byte) []byte {
	b := slices.Clone(seeds[r.IntN(len(seeds))])
	for range r.IntN(4) {
		at := r.IntN(len(b))
		to := min(len(b), at+1+r.IntN(20))
		switch r.IntN(4) {
		case 0:
			b[at] = byte(r.Uint32())
		case 1:
			b = slices.Delete(b, at, min(to, len(b)-1))
		case 2:
			b = slices.Insert(b, at, slices.Clone(b[at:to])...)
		case 3:
			other := seeds[r.IntN(len(seeds))]
			from := r.IntN(len(other))
			b = slices.Insert(b, at, other[from:min(len(other), from+40)]...)
		}
	}
	return b
}

// TestLongWordsStayShort: what one peer writes at length reaches neither the log nor another
// peer at that length.
func TestLongWordsStayShort(t *testing.T) {
	log, long := &safeBuffer{}, strings.Repeat("x", 5000)
	bridging := func(ctx context.Context, c *Call) error {
		_, err := c.BridgeTo(ctx, []string{"sip:b@10.0.1.2"}, DialOptions{})
		return err
	}
	inWorld(t, bridging, func(w *world) {
		w.server.o.Log = slog.New(slog.NewTextHandler(log, &slog.HandlerOptions{Level: slog.LevelDebug}))
		a, b := w.wire("udp", 1), w.wire("udp", 2)
		text := strings.NewReplacer("a@b.example", long+"@b.example", "flood-{n}", "flood-"+long, "{n}", "1").Replace(floodInvite)
		a.send(text + "Content-Length: 0\r\n\r\n")
		invite, _ := b.next(time.Second)
		b.send(strings.Replace(invite.answer(603), "603 ", "603 "+long, 1))
		r := a.final()
		if status, _, _ := strings.Cut(r.text, "\r\n"); r.code != 603 || len(status) > 200 {
			t.Errorf("refused with %.400s…", r.text)
		}
		a.send(strings.Replace(text, "INVITE", "ACK", 2) + "Content-Length: 0\r\n\r\n")
		w.last()
		lines := strings.Split(log.String(), "\n")
		for _, line := range lines {
			if len(line) > 1000 {
				t.Errorf("a log line of %d bytes: %.300s…", len(line), line)
			}
		}
		if len(lines) < 3 {
			t.Errorf("%d lines logged: nothing is proved", len(lines))
		}
	})
}

// inQuietWorld is inWorld for what is measured: alone, without a log, keeping no records.
func inQuietWorld(t *testing.T, test func(w *world)) {
	synctest.Test(t, func(t *testing.T) {
		w := newQuietWorld(t, answering)
		defer w.close()
		test(w)
		w.noPanics()
	})
}

// noPanics fails if one was caught anywhere.
func (w *world) noPanics() {
	w.t.Helper()
	if n := w.server.Panics() + int64(w.server.o.Transport.Counts().Panics); n != 0 {
		w.t.Errorf("%d panics", n)
	}
}

// newQuietWorld is newWorld without a log, records or a folder for recordings, for what is
// done thousands of times.
func newQuietWorld(t *testing.T, h handlerFunc) *world {
	log := slog.New(slog.DiscardHandler)
	w := &world{t: t, net: transport.NewMemory(), addr: serverAddr}
	layer, err := transport.New(transport.Options{Network: w.net, Log: log, Listen: []transport.Endpoint{
		{Proto: transport.UDP, Addr: serverAddr}, {Proto: transport.TCP, Addr: serverAddr}}})
	if err != nil {
		t.Fatal(err)
	}
	if w.engine, err = media.New(media.Options{Backend: media.NewMemory(), Workers: 1, PortMin: 10000, PortMax: 10100}); err != nil {
		t.Fatal(err)
	}
	all := auth.NewACL([]auth.Rule{{Allow: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}}})
	w.server, err = New(Options{Transport: layer, Media: w.engine, Handler: h, Directory: everyone{}, Journal: forgetful{},
		Registrar: registrar.New(registrar.Options{}), ACL: all, Log: log, SessionExpires: 30 * time.Minute})
	if err != nil {
		t.Fatal(err)
	}
	return w
}

type forgetful struct{}

func (forgetful) Open(*store.Call)                               {}
func (forgetful) Update(*store.Call)                             {}
func (forgetful) Finish(*store.Call, []store.Leg, []store.Event) {}

// memory is how much is in use, and how much ever was.
type memory struct{ live, total uint64 }

func heap() memory {
	synctest.Wait()
	runtime.GC()
	runtime.GC() // pools are emptied by the second
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return memory{m.HeapAlloc, m.TotalAlloc}
}

type cost struct{ each, stay int }

func (m memory) since(start memory, messages int) cost {
	return cost{int(m.total-start.total) / messages, int(m.live) - int(start.live)}
}
