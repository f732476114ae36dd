package media

import (
	"bytes"
	"errors"
	"log/slog"
	"net/netip"
	"runtime"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"tandem/media/sdp"
)

func TestStrangersAreNotHeard(t *testing.T) {
	t.Parallel()
	setups(t, func(t *testing.T, o Options) {
		e := newEngine(t, o)
		s, p, stranger := open(t, e, SessionOptions{}), newPeer(t), newPeer(t)
		p.call(s, "0")
		if err := Bridge(s, s); err != nil {
			t.Fatal(err)
		}
		for i := range 30 { // before and while the right source sends
			stranger.sendTo(p.to, sound(200))
			if i >= 10 {
				p.send(sound(i))
				for got := p.next(); !bytes.Equal(got.payload, sound(i)); got = p.next() {
					t.Fatalf("packet %d: heard the stranger", i)
				}
			}
		}
		for { // what the stranger heard before the right source came
			if _, ok := stranger.hear(50 * time.Millisecond); !ok {
				break
			}
		}
		for i := range 10 {
			stranger.sendTo(p.to, sound(201))
			p.send(sound(i))
			p.next()
		}
		if got, ok := stranger.hear(100 * time.Millisecond); ok {
			t.Errorf("a stranger was sent %+v", got.Header)
		}
		if st := s.Stats(); st.Strangers < 10 || !st.Latched || st.Remote != p.addr() || st.Stranger != stranger.addr() {
			t.Errorf("stats %+v", st)
		}
	})
}

func TestSendsToWherePacketsComeFrom(t *testing.T) {
	t.Parallel()
	inBubble(t, SessionOptions{Signalling: netip.MustParseAddr("203.0.113.5"), KeepAlive: true}, func(t *testing.T, b *bubble) {
		nat := memoryPeer(t, b.mem, "203.0.113.5:61000") // the promised address is private
		nat.to = b.peer.to
		for i := range 10 {
			nat.send(sound(i))
			time.Sleep(20 * time.Millisecond)
		}
		if got, ok := nat.hear(100 * time.Millisecond); !ok {
			t.Fatal("nothing came back through the NAT")
		} else if got.Sequence == 0 {
			t.Error("no stream")
		}
		st := b.Stats()
		if st.Remote != nat.addr() || st.Promised != b.peer.addr() {
			t.Errorf("sends to %v, promised %v", st.Remote, st.Promised)
		}
		if k := b.kinds(); len(k) != 1 || k[0] != EventFirstRTP || b.events()[0].Remote != nat.addr() {
			t.Errorf("events %v", b.events())
		}
	})
}

func TestHold(t *testing.T) {
	t.Parallel()
	inBubble(t, SessionOptions{KeepAlive: true, Timeout: 2 * time.Second}, func(t *testing.T, b *bubble) {
		b.peer.send(sound(1))
		if _, err := b.Answer(b.peer.offer("0", "a=sendonly\r\n")); err != nil {
			t.Fatal(err)
		}
		if !b.Held() {
			t.Error("not held")
		}
		synctest.Wait()
		b.peer.collect()
		pb := b.Play([]Source{clipOf(ramp(8000, 1), 8000)}, PlayOptions{})
		if got := b.peer.collect(); len(got) > 0 {
			t.Errorf("%d packets to a peer that holds us", len(got))
		}
		<-pb.Done() // it goes on unheard
		time.Sleep(time.Minute)
		if k := b.kinds(); len(k) != 2 { // first RTP, played; no timeout on hold
			t.Errorf("events %v", k)
		}
		if _, err := b.Answer(b.peer.offer("0", "")); err != nil {
			t.Fatal(err)
		}
		if _, ok := b.peer.hear(time.Second); !ok || b.Held() {
			t.Error("still held")
		}
		b.SetDirection(sdp.SendOnly)
		if !strings.Contains(string(b.Offer()), "a=sendonly") {
			t.Error("our hold is not offered")
		}
		if b.Held() {
			t.Error("that we hold the peer does not mean that it holds us")
		}
	})
}

func TestTimeout(t *testing.T) {
	t.Parallel()
	inBubble(t, SessionOptions{Timeout: 5 * time.Second}, func(t *testing.T, b *bubble) {
		start := time.Now()
		time.Sleep(4 * time.Second)
		b.peer.send(sound(0))
		time.Sleep(20 * time.Second)
		b.peer.send(sound(1))
		time.Sleep(20 * time.Second)
		want := []EventKind{EventFirstRTP, EventTimeout, EventTimeout}
		if got := b.kinds(); len(got) != 3 || got[1] != want[1] || got[2] != want[2] {
			t.Fatalf("events %v, want %v", got, want)
		}
		var at []time.Time
		for _, e := range b.events() {
			if e.Kind == EventTimeout {
				at = append(at, e.At)
			}
		}
		for i, want := range []time.Duration{9 * time.Second, 29 * time.Second} {
			if got := at[i].Sub(start); got < want || got > want+5*time.Second+time.Millisecond {
				t.Errorf("timeout after %v", got)
			}
		}
	})
}

// TestFaultEndsOneSession lets a packet, a frame and a command meet a fault.
func TestFaultEndsOneSession(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		at  EventKind
		set func(s *Session, p *peer)
	}{
		"packet":  {EventDigit, func(s *Session, p *peer) { p.press('1', 1) }},
		"frame":   {EventPlayed, func(s *Session, p *peer) { s.Play([]Source{Silence(30 * time.Millisecond)}, PlayOptions{}) }},
		"command": {EventPlayed, func(s *Session, p *peer) { s.Play(nil, PlayOptions{}) }},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var log bytes.Buffer
			failed := make(chan struct{})
			e := newEngine(t, Options{Workers: 1, Log: slog.New(slog.NewTextHandler(&log, nil))})
			bad, p := open(t, e, SessionOptions{OnEvent: func(e Event) {
				switch e.Kind {
				case c.at:
					panic("injected")
				case EventFailed:
					close(failed)
				}
			}}), newPeer(t)
			p.call(bad, "0")
			good, q := open(t, e, SessionOptions{}), newPeer(t)
			q.call(good, "0")
			if err := Bridge(good, good); err != nil {
				t.Fatal(err)
			}
			c.set(bad, p)
			<-bad.done
			if st := bad.Close(); !st.Recovered {
				t.Errorf("stats %+v", st)
			}
			if c.at == EventDigit { // the others fail again while the end is told
				<-failed
			}
			q.send(sound(1))
			q.next()
			if e.Faults() == 0 || !strings.Contains(log.String(), "injected") {
				t.Errorf("%d faults counted, log: %s", e.Faults(), log.String())
			}
			if _, used := e.Ports(); used != 1 {
				t.Errorf("%d ports in use", used)
			}
		})
	}
}

func TestFaultWhileEndingStillEnds(t *testing.T) {
	t.Parallel()
	e := newEngine(t, Options{Workers: 1})
	s := open(t, e, SessionOptions{OnEvent: func(Event) { panic("always") }})
	s.Play(nil, PlayOptions{})
	pb := s.Play([]Source{Silence(time.Hour)}, PlayOptions{})
	<-pb.Done()
	s.Close()
	if _, used := e.Ports(); used != 0 {
		t.Errorf("%d ports in use", used)
	}
}

func TestCloseIsIdempotentAndGivesAllBack(t *testing.T) {
	t.Parallel()
	setups(t, func(t *testing.T, o Options) {
		e := newEngine(t, o)
		s, p := open(t, e, SessionOptions{}), newPeer(t)
		p.call(s, "0")
		Bridge(s, s)
		p.send(sound(1))
		p.next()
		pb, keys := s.Play([]Source{Silence(time.Hour)}, PlayOptions{}), s.SendDTMF("1,2,3")
		var all [4]Stats
		var closers sync.WaitGroup
		for i := range all {
			closers.Go(func() { all[i] = s.Close() })
		}
		closers.Wait()
		for _, st := range append(all[1:], s.Stats()) {
			if st != all[0] || st.RxPackets != 1 {
				t.Errorf("stats %+v", st)
			}
		}
		<-pb.Done()
		<-keys.Done()
		if !errors.Is(pb.Err(), ErrClosed) || !errors.Is(keys.Err(), ErrClosed) {
			t.Errorf("playback ended by %v, keys by %v", pb.Err(), keys.Err())
		}
		if late := s.Play([]Source{Silence(0)}, PlayOptions{}); !errors.Is(late.Err(), ErrClosed) {
			t.Errorf("play after the end: %v", late.Err())
		}
		if _, err := s.Record(RecordOptions{Path: t.TempDir() + "/x.wav"}); !errors.Is(err, ErrClosed) {
			t.Errorf("record after the end: %v", err)
		}
		if _, used := e.Ports(); used != 0 {
			t.Errorf("%d ports in use", used)
		}
		e.Close()
		e.Close()
		if _, err := e.Open(SessionOptions{}); !errors.Is(err, ErrClosed) {
			t.Errorf("open after the end: %v", err)
		}
	})
}

// TestNothingLeaks opens and closes engines with all that can hang on them. It runs alone:
// it counts goroutines.
func TestNothingLeaks(t *testing.T) {
	before := runtime.NumGoroutine()
	for _, b := range []Backend{Epoll(), Sockets(), NewMemory()} {
		e, err := New(Options{Workers: 3, Backend: b})
		if err != nil {
			t.Fatal(err)
		}
		var all []*Session
		for range 10 {
			s, err := e.Open(SessionOptions{Bind: localhost, KeepAlive: true})
			if err != nil {
				t.Fatal(err)
			}
			if _, err := s.Answer(theirSDP("c=IN IP4 127.0.0.1\r\nm=audio 9 RTP/AVP 0\r\n")); err != nil {
				t.Fatal(err)
			}
			if _, err := s.Record(RecordOptions{Path: t.TempDir() + "/x.wav"}); err != nil {
				t.Fatal(err)
			}
			s.Play([]Source{clipOf(ramp(8000, 1), 8000)}, PlayOptions{Loop: -1})
			all = append(all, s)
		}
		for i := range 9 {
			Bridge(all[i], all[i+1])
		}
		all[3].Close()
		e.Close()
	}
	until := time.Now().Add(5 * time.Second)
	for runtime.NumGoroutine() > before {
		if time.Now().After(until) {
			b := make([]byte, 1<<16)
			t.Fatalf("%d goroutines before, %d after\n%s", before, runtime.NumGoroutine(), b[:runtime.Stack(b, true)])
		}
		runtime.Gosched()
	}
}

func TestGarbageIsCounted(t *testing.T) {
	t.Parallel()
	inBubble(t, SessionOptions{}, func(t *testing.T, b *bubble) {
		for _, garbage := range [][]byte{{}, {0x80}, bytes.Repeat([]byte{0xFF}, 2000), []byte("INVITE sip:x SIP/2.0"),
			append([]byte{0x8F, 0, 0, 1}, make([]byte, 8)...), make([]byte, 1500)} {
			b.peer.write(garbage, b.peer.to)
		}
		b.peer.h.PayloadType = 34 // never agreed on
		b.peer.send(sound(1))
		b.peer.h.PayloadType = 0
		b.peer.send(sound(1))
		synctest.Wait()
		if st := b.Stats(); st.RxPackets != 1 || st.Malformed == 0 {
			t.Errorf("stats %+v", st)
		}
	})
}

func TestRelayDoesNotAllocate(t *testing.T) {
	e := newEngine(t, Options{Workers: 1})
	a, b := open(t, e, SessionOptions{}), open(t, e, SessionOptions{})
	pa, pb := newPeer(t), newPeer(t)
	pa.call(a, "0")
	pb.call(b, "8")
	if err := Bridge(a, b); err != nil {
		t.Fatal(err)
	}
	packet := make([]byte, 172)
	copy(packet[pa.h.Put(packet):], sound(1))
	pa.write(packet, pa.to)
	pb.next()
	h := pa.h
	// On the worker, so that nothing but the path of a packet is measured: the datagram is
	// received from the socket, relayed and sent.
	var allocs float64
	a.do(func(m *stream) {
		w, s := m.worker, m.rtp
		allocs = testing.AllocsPerRun(1000, func() {
			h.Sequence, h.Timestamp = h.Sequence+1, h.Timestamp+160
			h.Put(packet)
			if err := pb.rawWrite(packet, pa); err != nil {
				t.Error(err)
			}
			w.receive(s)
		})
	})
	if allocs != 0 {
		t.Errorf("%v allocations a relayed packet", allocs)
	}
	if st := b.Stats(); st.TxPackets < 1000 {
		t.Errorf("only %d packets were relayed", st.TxPackets)
	}
}

// rawWrite sends as from does, by a call that does not allocate.
func (p *peer) rawWrite(b []byte, from *peer) error {
	_, err := from.wire.(realWire).WriteToUDPAddrPort(b, from.to)
	return err
}
