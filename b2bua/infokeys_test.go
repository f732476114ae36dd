package b2bua

import (
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/netip"
	"os"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/emiago/sipgo/sip"

	"tandem/b2bua/phone"
	"tandem/b2bua/transport"
	"tandem/media"
	"tandem/media/dtmf"
)

// bad is a network that loses 3% of the datagrams, lets 3% be overtaken by later ones and
// their own resendings, and delivers 3% a second time when others have come since.
type bad struct {
	mu                     sync.Mutex
	random                 *rand.Rand
	all, lost, late, again int
}

func (b *bad) judge(transport.Datagram) transport.Verdict {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.all++
	switch n := b.random.IntN(100); {
	case n < 3:
		b.lost++
		return transport.Verdict{Drop: true}
	case n < 6: // RFC 3261 §17.1.2.2: resent after T1, 500 ms
		b.late++
		return transport.Verdict{Delay: time.Duration(b.random.IntN(800)) * time.Millisecond}
	case n < 9:
		b.again++
		return transport.Verdict{Twice: true, Delay: time.Duration(b.random.IntN(2000)) * time.Millisecond}
	}
	return transport.Verdict{}
}

// TestTenThousandKeysByInfo: a phone presses keys by INFO, the server takes them and tells them
// to another one by INFO, and both ways are bad. No key is lost, doubled or out of its turn.
//
// There are 1,000 of them, in two calls, unless KEYS in the environment is 10000.
func TestTenThousandKeysByInfo(t *testing.T) {
	const each = 500
	calls := 2
	if s := os.Getenv("KEYS"); s != "" {
		keys, err := strconv.Atoi(s)
		if err != nil {
			t.Fatal(err)
		}
		calls = max(1, keys/each)
	}
	for n := range calls {
		t.Run(fmt.Sprint(n), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) { keysOnABadNetwork(t, uint64(n), each) })
		})
	}
}

func keysOnABadNetwork(t *testing.T, seed uint64, each int) {
	network := &bad{random: rand.New(rand.NewPCG(seed, 3))}
	var taken []byte // on the call's goroutine, which has ended when it is read
	w := newWorld(t, func(ctx context.Context, c *Call) error {
		c.Watch(func(h Happening) {
			if h.Kind == "dtmf" && h.Leg == c.Leg() {
				taken = append(taken, h.Value...)
			}
		})
		_, err := c.BridgeTo(ctx, []string{"user:bob"}, DialOptions{})
		return err
	}, func(o *Options) {
		o.Log, o.Directory = slog.New(slog.DiscardHandler), everyone{}
		o.Preferences = func(string) Preferences { return Preferences{DTMF: media.DTMFInfo} }
	})
	defer w.close()
	ctx, cancel := context.WithTimeout(context.Background(), time.Hour) // virtual
	defer cancel()
	told := make(chan byte, 2*each)
	alice := w.phoneOf("alice", 1, nil)
	bob := w.phoneOf("bob", 2, func(_ *phone.Call, req *sip.Request) int {
		if key, ok := dtmf.ParseInfo(req.ContentType().Value(), req.Body()); ok && req.Method == sip.INFO {
			told <- key.Digit
		}
		return 0
	})
	if err := bob.Register(ctx); err != nil {
		t.Fatal(err)
	}
	w.net.SetHook(network.judge)
	go func() {
		if c, err := bob.Accept(ctx); err != nil || c.Answer() != nil {
			t.Error("bob does not answer")
		}
	}()
	c, err := alice.Dial(ctx, "sip:bob@"+w.addr.String(), phone.DialOptions{})
	if err != nil {
		t.Fatal(err)
	}
	pressed := make([]byte, each)
	for i := range pressed {
		pressed[i] = "0123456789*#ABCD"[network.pick(16)]
		if err := c.Info(ctx, dtmf.InfoRelay, dtmf.InfoBody(pressed[i], 100*time.Millisecond)); err != nil {
			t.Fatalf("key %d: %v", i, err)
		}
		time.Sleep(100 * time.Millisecond) // virtual: as fast as a hand can
	}
	time.Sleep(time.Minute) // virtual: what is on its way arrives
	if err := c.Hangup(ctx); err != nil {
		t.Error(err)
	}
	w.last()
	close(told)
	var heard []byte
	for key := range told {
		heard = append(heard, key)
	}
	same(t, "the server has taken", pressed, taken)
	same(t, "the callee was told", pressed, heard)
	all, lost, late, again := network.counts()
	t.Logf("of %d datagrams %d were lost, %d late, %d twice", all, lost, late, again)
	if min(lost, late, again)*50 < all {
		t.Error("the network was not bad enough to prove anything")
	}
}

func (b *bad) counts() (all, lost, late, again int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.all, b.lost, b.late, b.again
}

// pick is one of n, by the network's own chance.
func (b *bad) pick(n int) int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.random.IntN(n)
}

// phoneOf is a user's phone at 10.0.2.n.
func (w *world) phoneOf(user string, n byte, onRequest func(*phone.Call, *sip.Request) int) *phone.Phone {
	w.t.Helper()
	at := netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 0, 2, n}), 5060)
	p, err := phone.New(phone.Options{Network: w.net, Media: w.engine, User: user, Password: "secret", OnRequest: onRequest,
		Listen: []transport.Endpoint{{Proto: transport.UDP, Addr: at}}, Server: "sip:" + w.addr.String()})
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() { _ = p.Close() })
	return p
}

func same(t *testing.T, what string, want, got []byte) {
	t.Helper()
	for i := range min(len(want), len(got)) {
		if want[i] != got[i] {
			from := max(i-5, 0)
			t.Errorf("%s, from key %d on, %s, want %s (%d of %d keys)", what, from, got[from:min(i+15, len(got))], want[from:min(i+15, len(want))], len(got), len(want))
			return
		}
	}
	if len(want) != len(got) {
		t.Errorf("%s %d keys, want %d", what, len(got), len(want))
	}
}

// TestKeysBeyondTheQueueAreTold: a far end that answers no INFO leaves room for 512 keys; each
// one after them stands in the timeline.
func TestKeysBeyondTheQueueAreTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, func(ctx context.Context, c *Call) error {
			_, err := c.BridgeTo(ctx, []string{"user:bob"}, DialOptions{})
			return err
		}, func(o *Options) {
			o.Log, o.Directory = slog.New(slog.DiscardHandler), everyone{}
			o.Preferences = func(string) Preferences { return Preferences{DTMF: media.DTMFInfo} }
		})
		defer w.close()
		ctx, cancel := context.WithTimeout(context.Background(), time.Hour) // virtual
		defer cancel()
		alice, bob := w.phoneOf("alice", 1, nil), w.phoneOf("bob", 2, nil)
		if err := bob.Register(ctx); err != nil {
			t.Fatal(err)
		}
		go func() {
			if c, err := bob.Accept(ctx); err != nil || c.Answer() != nil {
				t.Error("bob does not answer")
			}
		}()
		c, err := alice.Dial(ctx, "sip:bob@"+w.addr.String(), phone.DialOptions{})
		if err != nil {
			t.Fatal(err)
		}
		w.net.SetHook(func(d transport.Datagram) transport.Verdict {
			return transport.Verdict{Drop: d.From == w.addr && strings.HasPrefix(string(d.Data), "INFO ")}
		})
		const over = 7
		for range infoCap + 1 + over { // one of them is on its way
			if err := c.Info(ctx, dtmf.InfoRelay, dtmf.InfoBody('5', 100*time.Millisecond)); err != nil {
				t.Fatal(err)
			}
		}
		if err := c.Hangup(ctx); err != nil {
			t.Error(err)
		}
		lost := 0
		for _, e := range w.last().Events {
			if strings.HasPrefix(e.Text, "5 is not passed on") {
				lost++
			}
		}
		if lost != over {
			t.Errorf("the timeline tells of %d lost keys, want %d", lost, over)
		}
	})
}
