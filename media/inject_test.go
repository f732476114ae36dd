package media

import (
	"bytes"
	"net/netip"
	"testing"
	"testing/synctest"
	"time"
)

// soundOf is what the peer of the second leg of an injection test says in frame i.
func soundOf(i int) []byte { return bytes.Repeat([]byte{byte(i), 0x55, byte(i >> 8), 0xAA}, 40) }

// injected is what a stranger says: no frame of the right sources is like it.
func injected() []byte { return bytes.Repeat([]byte{0xEE}, 160) }

// TestInjectionBetweenTwoLegs has a third address send to a relayed leg: alone, with the right
// source that comes within the second, after that has been locked on, and after it has fallen
// silent. Both sides are heard byte for byte, and each packet of the stranger's is counted.
func TestInjectionBetweenTwoLegs(t *testing.T) {
	t.Parallel()
	const promised, stranger = "127.0.0.1:4000", "203.0.113.9:6000"
	for _, c := range []struct {
		name, from string
		signalling string
		lost       int // frames until a source that SDP does not name is believed
		early      int // frames of bob's that have no place to go: SDP names an address of this machine
		guesses    bool
	}{
		{name: "from where SDP says", from: promised},
		{name: "from where SDP says, its numbers guessed", from: promised, guesses: true},
		{name: "from another port of that host", from: "127.0.0.1:61000", lost: latchRun - 1},
		{name: "from another port of that host, its numbers guessed", from: "127.0.0.1:61000", lost: latchRun - 1, guesses: true},
		{name: "from the host of the signalling", from: "198.51.100.5:61000", signalling: "198.51.100.5", lost: latchRun - 1,
			early: 40 + latchRun - 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			o := SessionOptions{}
			if c.signalling != "" {
				o.Signalling = netip.MustParseAddr(c.signalling)
			}
			inBubble(t, o, func(t *testing.T, b *bubble) {
				_, bob := b.twoLegs(t)
				right := b.peer
				if c.from != promised {
					right = memoryPeer(t, b.mem, c.from)
					right.to = b.peer.to
				}
				bad := memoryPeer(t, b.mem, stranger)
				bad.to = b.peer.to
				if c.guesses {
					bad.h = right.h
				}
				x := injection{t: t, b: b, right: right, bob: bob, bad: bad}
				x.run(c.lost, c.early)
			})
		})
	}
}

// injection is a call of two legs to one of which a stranger sends, too.
type injection struct {
	t               *testing.T
	b               *bubble
	right, bob, bad *peer
	sent            int    // frames of the stranger's
	said, answered  []byte // by the right source and by bob
	atBob, atRight  []byte
}

// frames lets 20 ms pass for each: bob talks all the time, the right source if talks, the
// stranger always, now before and now after the right source.
func (x *injection) frames(n int, talks bool) {
	for i := range n {
		talk := func() {
			if talks {
				frame := sound(len(x.said) / 160)
				x.right.send(frame)
				x.said = append(x.said, frame...)
			}
		}
		if i%2 == 0 {
			talk()
		}
		x.bad.send(injected())
		x.sent++
		synctest.Wait()
		if i%2 == 1 {
			talk()
		}
		frame := soundOf(len(x.answered) / 160)
		x.bob.send(frame)
		x.answered = append(x.answered, frame...)
		time.Sleep(20 * time.Millisecond)
		x.read()
	}
}

// read takes what has come, before a socket has more than it holds. What goes to the right
// source goes where SDP said until it is known better.
func (x *injection) read() {
	synctest.Wait()
	for _, side := range []struct {
		p  *peer
		to *[]byte
	}{{x.bob, &x.atBob}, {x.b.peer, &x.atRight}, {x.right, &x.atRight}} {
		for {
			got, ok := side.p.hear(0)
			if !ok {
				break
			}
			*side.to = append(*side.to, got.payload...)
		}
	}
}

func (x *injection) run(lost, early int) {
	t := x.t
	x.frames(40, false) // 0.8 s: nobody else sends yet
	if len(x.atBob) != 0 {
		t.Fatalf("bob hears %d bytes before the right source has come", len(x.atBob))
	}
	x.frames(40, true)  // the window ends in the midst of these
	x.frames(100, true) // locked
	x.frames(95, false) // 1.9 s of silence are less than unlock
	x.frames(50, true)
	time.Sleep(time.Second)
	x.read()
	if want := x.said[lost*160:]; !bytes.Equal(x.atBob, want) {
		t.Errorf("bob hears %d bytes, the right source said %d, or they differ", len(x.atBob), len(want))
	}
	if want := x.answered[early*160:]; !bytes.Equal(x.atRight, want) {
		t.Errorf("the right source hears %d bytes, bob said %d, or they differ", len(x.atRight), len(want))
	}
	if got := payloads(x.bad.collect()); len(got) != 0 {
		t.Errorf("the stranger was sent %d bytes", len(got))
	}
	st := x.b.Stats()
	if st.Strangers != uint64(x.sent+lost) || st.Remote != x.right.addr() || st.RxPackets != uint64(len(x.said)/160-lost) {
		t.Errorf("%d packets were strange and %d right, want %d and %d; sends to %v", st.Strangers, st.RxPackets,
			x.sent+lost, len(x.said)/160-lost, st.Remote)
	}
	if st.Lost > 0 || st.OutOfOrder > 0 || st.Duplicates > 0 {
		t.Errorf("the stranger moved the figures: %+v", st)
	}
}

// TestInjectionOverTheWire is the same over the sockets of each backend, as far as that can be
// told without a clock.
func TestInjectionOverTheWire(t *testing.T) {
	t.Parallel()
	setups(t, func(t *testing.T, o Options) {
		e := newEngine(t, o)
		first, second := open(t, e, SessionOptions{}), open(t, e, SessionOptions{})
		alice, bob, bad := newPeer(t), newPeer(t), newPeer(t)
		alice.call(first, "0")
		bob.call(second, "0")
		if err := Bridge(first, second); err != nil {
			t.Fatal(err)
		}
		sent := 0
		inject := func(n int) {
			for range n {
				bad.sendTo(alice.to, injected())
				sent++
			}
		}
		inject(latchRun - 1) // one more may be believed on a machine that stands still for a second
		for i := range 50 {
			alice.send(sound(i))
			inject(1)
			if got := bob.next(); !bytes.Equal(got.payload, sound(i)) {
				t.Fatalf("packet %d: bob hears %x", i, got.payload[:4])
			}
			bob.send(soundOf(i))
			if got := alice.next(); !bytes.Equal(got.payload, soundOf(i)) {
				t.Fatalf("packet %d: alice hears %x", i, got.payload[:4])
			}
		}
		inject(20) // after
		waitFor(t, func() bool { return first.Stats().Strangers == uint64(sent) })
		if got, ok := bob.hear(20 * time.Millisecond); ok {
			t.Errorf("bob hears %x after the last packet of alice", got.payload[:4])
		}
		if _, ok := bad.hear(0); ok {
			t.Error("the stranger was sent something")
		}
		if st := first.Stats(); st.Remote != alice.addr() || st.RxPackets != 50 || st.Stranger != bad.addr() {
			t.Errorf("stats %+v", st)
		}
	})
}
