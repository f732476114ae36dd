package media

import (
	"bytes"
	"errors"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"tandem/media/codec"
	"tandem/media/dtmf"
	"tandem/media/rtp"
)

func TestEcho(t *testing.T) {
	t.Parallel()
	setups(t, func(t *testing.T, o Options) {
		s, p := open(t, newEngine(t, o), SessionOptions{}), newPeer(t)
		p.call(s, "0 8")
		if err := Bridge(s, s); err != nil {
			t.Fatal(err)
		}
		for i := range 20 {
			p.send(sound(i))
			got := p.next()
			if !bytes.Equal(got.payload, sound(i)) || got.PayloadType != 0 {
				t.Fatalf("packet %d came back as %d %x", i, got.PayloadType, got.payload)
			}
			if got.Marker != (i == 0) {
				t.Errorf("packet %d: marker %v", i, got.Marker)
			}
		}
	})
}

func TestBridgeRelays(t *testing.T) {
	t.Parallel()
	setups(t, func(t *testing.T, o Options) {
		e := newEngine(t, o)
		a, b := open(t, e, SessionOptions{}), open(t, e, SessionOptions{})
		pa, pb := newPeer(t), newPeer(t)
		pa.call(a, "0")
		pb.call(b, "0")
		if err := Bridge(a, b); err != nil {
			t.Fatal(err)
		}
		for i := range 50 {
			pa.send(sound(i))
			if got := pb.next(); !bytes.Equal(got.payload, sound(i)) {
				t.Fatalf("a to b, packet %d: %x", i, got.payload)
			}
			pb.send(sound(i + 99))
			if got := pa.next(); !bytes.Equal(got.payload, sound(i+99)) {
				t.Fatalf("b to a, packet %d: %x", i, got.payload)
			}
		}
		if s := a.Stats(); s.RxPackets != 50 || s.TxPackets != 50 || s.Remote != pa.addr() {
			t.Errorf("stats of a: %+v", s)
		}
	})
}

func TestBridgeTranscodes(t *testing.T) {
	t.Parallel()
	setups(t, func(t *testing.T, o Options) {
		e := newEngine(t, o)
		a, b := open(t, e, SessionOptions{}), open(t, e, SessionOptions{})
		pa, pb := newPeer(t), newPeer(t)
		pa.call(a, "0")
		pb.call(b, "8")
		if err := Bridge(a, b); err != nil {
			t.Fatal(err)
		}
		want := sound(1)
		codec.MuLawToALaw(want)
		pa.send(sound(1))
		if got := pb.next(); got.PayloadType != 8 || !bytes.Equal(got.payload, want) {
			t.Errorf("PCMA leg heard %d %x", got.PayloadType, got.payload)
		}
		want = sound(2)
		codec.ALawToMuLaw(want)
		pb.h.PayloadType = 8
		pb.send(sound(2))
		if got := pa.next(); got.PayloadType != 0 || !bytes.Equal(got.payload, want) {
			t.Errorf("PCMU leg heard %d %x", got.PayloadType, got.payload)
		}
		if a.Stats().Transcoded != 1 || b.Stats().Transcoded != 1 {
			t.Errorf("stats %+v and %+v", a.Stats(), b.Stats())
		}
	})
}

// twoLegs are two bridged sessions in a bubble, the second one's peer at port 5000.
func (b *bubble) twoLegs(t *testing.T) (*Session, *peer) {
	t.Helper()
	other, p := open(t, b.engine, SessionOptions{}), memoryPeer(t, b.mem, "127.0.0.1:5000")
	p.call(other, "0")
	if err := Bridge(b.Session, other); err != nil {
		t.Fatal(err)
	}
	return other, p
}

// checkStream fails unless the packets are one stream: one SSRC, each sequence number one
// up, timestamps that advance with the clock.
func checkStream(t *testing.T, list []packet) {
	t.Helper()
	for i := 1; i < len(list); i++ {
		prev, p := list[i-1], list[i]
		passed := uint32(p.at.Sub(prev.at).Milliseconds() * 8)
		if p.SSRC != list[0].SSRC || p.Sequence != prev.Sequence+1 {
			t.Errorf("packet %d: %+v after %+v", i, p.Header, prev.Header)
		}
		if grown := p.Timestamp - prev.Timestamp; grown != max(passed, 160) && prev.PayloadType == 0 && p.PayloadType == 0 {
			t.Errorf("packet %d: timestamp grew by %d in %d", i, grown, passed)
		}
	}
}

func TestOneStreamALeg(t *testing.T) {
	t.Parallel()
	inBubble(t, SessionOptions{}, func(t *testing.T, b *bubble) {
		other, p := b.twoLegs(t)
		talk := func(p *peer, from int) {
			for i := range 10 {
				p.send(sound(from + i))
				time.Sleep(20 * time.Millisecond)
			}
		}
		prompt := func(s *Session, seed int) {
			<-s.Play([]Source{clipOf(ramp(800, seed), 8000)}, PlayOptions{}).Done()
		}
		prompt(other, 1)
		talk(b.peer, 0)
		prompt(other, 2) // a whisper: the relay waits
		talk(b.peer, 10)
		<-other.SendDTMF("5").Done()
		b.peer.h = rtp.Header{SSRC: 7, Sequence: 60000, Timestamp: 9} // the far end changes its stream
		talk(b.peer, 20)
		third, pc := open(t, b.engine, SessionOptions{}), memoryPeer(t, b.mem, "127.0.0.1:6000")
		pc.call(third, "0")
		if err := Bridge(third, other); err != nil { // a transfer
			t.Fatal(err)
		}
		talk(pc, 30)
		got := p.collect()
		checkStream(t, got)
		var switches []int
		for i, k := range got {
			if k.Marker {
				switches = append(switches, i)
			}
		}
		// prompt 5, talk 10, prompt 5, talk 10, digit, talk 10, talk 10
		digit := 0
		for _, k := range got {
			if k.PayloadType != 0 {
				digit++
			}
		}
		want := []int{0, 5, 15, 20, 30, 30 + digit, 40 + digit}
		if len(got) != 50+digit || digit != 10 {
			t.Errorf("%d packets, %d of the digit", len(got), digit)
		}
		if len(switches) != len(want) {
			t.Fatalf("markers at %v, want %v", switches, want)
		}
		for i := range want {
			if switches[i] != want[i] {
				t.Errorf("markers at %v, want %v", switches, want)
			}
		}
		for i := range 10 {
			if !bytes.Equal(got[5+i].payload, sound(i)) || !bytes.Equal(got[40+digit+i].payload, sound(30+i)) {
				t.Errorf("relayed packet %d is not what was sent", i)
			}
		}
	})
}

func TestRelayKeepsLossAndOrder(t *testing.T) {
	t.Parallel()
	inBubble(t, SessionOptions{}, func(t *testing.T, b *bubble) {
		_, p := b.twoLegs(t)
		b.peer.h.Sequence = 65530 // wraps
		first := b.peer.h
		at := func(i int) {
			b.peer.h.Sequence, b.peer.h.Timestamp = first.Sequence+uint16(i), first.Timestamp+uint32(160*i)
			b.peer.send(sound(i))
		}
		sent := []int{0, 1, 2, 5, 4, 6, 6, 7, 9, 12, 11}
		for _, i := range sent {
			at(i)
		}
		got := p.collect()
		want := []int{0, 1, 2, 5, 4, 6, 7, 9, 12, 11} // the duplicate is dropped
		if len(got) != len(want) {
			t.Fatalf("%d packets, want %d", len(got), len(want))
		}
		for k, i := range want {
			if got[k].Sequence-got[0].Sequence != uint16(i) || got[k].Timestamp-got[0].Timestamp != uint32(160*i) ||
				!bytes.Equal(got[k].payload, sound(i)) {
				t.Errorf("packet %d should be number %d: %+v", k, i, got[k].Header)
			}
		}
		if s := b.Stats(); s.Duplicates != 1 || s.OutOfOrder != 2 || s.Lost != 3 {
			t.Errorf("stats %+v", s)
		}
	})
}

func TestRelayMapsDigits(t *testing.T) {
	t.Parallel()
	inBubble(t, SessionOptions{}, func(t *testing.T, b *bubble) {
		other, p := open(t, b.engine, SessionOptions{}), memoryPeer(t, b.mem, "127.0.0.1:5000")
		if _, err := other.Answer(p.offer("0 110", "a=rtpmap:110 telephone-event/8000\r\n")); err != nil {
			t.Fatal(err)
		}
		if err := Bridge(b.Session, other); err != nil {
			t.Fatal(err)
		}
		b.peer.send(sound(0))
		b.peer.press('7', 5)
		got := p.collect()
		if len(got) != 1+5+2 {
			t.Fatalf("%d packets", len(got))
		}
		for _, k := range got[1:] {
			e, ok := dtmf.ParseEvent(k.payload)
			if !ok || e.Code != 7 || k.PayloadType != 110 || k.Timestamp != got[1].Timestamp {
				t.Errorf("%+v %x", k.Header, k.payload)
			}
		}
		if list := b.kinds(); len(list) != 3 || list[1] != EventDigit || list[2] != EventDigitEnd {
			t.Fatalf("events %v", list)
		}
		if e := b.events()[2]; e.Digit != '7' || e.Duration != 100*time.Millisecond {
			t.Errorf("digit %q for %v", e.Digit, e.Duration)
		}
	})
}

// press sends one digit as a telephone-event of payload type 96, so many frames long.
func (p *peer) press(digit byte, frames int) {
	p.t.Helper()
	p.pressAt(digit, frames, 8000)
}

// pressAt is press by another clock, in Hz, of the telephone-event.
func (p *peer) pressAt(digit byte, frames, clock int) {
	p.t.Helper()
	code, _ := dtmf.Code(digit)
	h := p.h
	for i := range frames + 2 {
		n := min(i+1, frames)
		e := dtmf.Event{Code: code, Volume: 10, Duration: uint16(clock / 50 * n), End: n == frames}.Payload()
		p.h.PayloadType, p.h.Timestamp, p.h.Marker = 96, h.Timestamp, i == 0
		p.send(e[:])
		if n < frames {
			time.Sleep(20 * time.Millisecond)
		}
	}
	p.h.PayloadType, p.h.Timestamp = 0, h.Timestamp+uint32(160*frames)
}

func TestBridgeMovesSessionsUnderTraffic(t *testing.T) {
	t.Parallel()
	for name, o := range map[string]Options{"epoll": {Workers: 3, Backend: Epoll()}, "sockets": {Workers: 3, Backend: Sockets()}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e := newEngine(t, o)
			var all []*Session
			var peers []*peer
			for range 6 {
				s, p := open(t, e, SessionOptions{KeepAlive: true}), newPeer(t)
				p.call(s, "0")
				all, peers = append(all, s), append(peers, p)
			}
			stop := make(chan struct{})
			var senders, bridges sync.WaitGroup
			for _, p := range peers {
				senders.Go(func() {
					for i := 0; ; i++ {
						select {
						case <-stop:
							return
						case <-time.After(time.Millisecond):
							p.send(sound(i))
						}
					}
				})
			}
			for i := range all {
				bridges.Go(func() {
					for k := range 40 {
						if err := Bridge(all[i], all[(i+1+k%5)%6]); err != nil && !errors.Is(err, errMoving) {
							t.Error(err)
						}
					}
				})
			}
			bridges.Wait()
			for i := 0; i < 6; i += 2 { // and after all of it each pair works
				if err := Bridge(all[i], all[i+1]); err != nil {
					t.Fatal(err)
				}
			}
			close(stop)
			senders.Wait()
			for i := 0; i < 6; i += 2 {
				mark := bytes.Repeat([]byte{byte(i + 1)}, 160)
				peers[i].send(mark)
				for !bytes.Equal(peers[i+1].next().payload, mark) {
				}
			}
		})
	}
}

// TestMoveKeepsWhatRuns pulls a session from worker to worker while it plays, records and
// hears keys: nothing of it may suffer.
func TestMoveKeepsWhatRuns(t *testing.T) {
	t.Parallel()
	inBubbleOf(t, 3, SessionOptions{}, func(t *testing.T, b *bubble) {
		others := []*Session{open(t, b.engine, SessionOptions{}), open(t, b.engine, SessionOptions{})}
		prompt, speech := ramp(50*160, 1), ramp(60*160, 2)
		r, path := record(t, b.Session, RecordOptions{})
		pb := b.Play([]Source{clipOf(prompt, 8000)}, PlayOptions{})
		seen := map[*worker]bool{}
		for i := range 60 {
			b.peer.say(speech[160*i:][:160])
			// The second moves to where the first is.
			if err := Bridge(others[i%2], b.Session); err != nil {
				t.Fatal(err)
			}
			b.do(func(m *stream) { seen[m.worker] = true })
		}
		b.peer.press('4', 3)
		r.Stop()
		<-r.Done()
		<-pb.Done()
		if len(seen) < 2 {
			t.Error("the session has not moved")
		}
		var heard []packet
		for _, p := range b.peer.collect() {
			if p.PayloadType == 0 {
				heard = append(heard, p)
			}
		}
		if got := payloads(heard); !bytes.Equal(got, muLawOf(prompt)) {
			t.Errorf("%d bytes heard of a prompt of %d", len(got), len(prompt))
		}
		checkStream(t, heard)
		a := readWAV(t, path).PCM
		if want := decoded(speech); len(a) < len(want) || !slices.Equal(a[:len(want)], want) {
			t.Errorf("%d samples recorded of %d", len(a), len(want))
		}
		k := b.kinds()
		if n := len(k); n < 3 || !slices.Contains(k, EventDigit) || !slices.Contains(k, EventDigitEnd) {
			t.Errorf("events %v", k)
		}
	})
}

func TestUnbridgePartsOnlyThePair(t *testing.T) {
	t.Parallel()
	inBubble(t, SessionOptions{}, func(t *testing.T, b *bubble) {
		other, p := b.twoLegs(t)
		Unbridge(b.Session, b.Session)
		b.peer.send(sound(1))
		p.next()
		Unbridge(other, b.Session)
		b.peer.send(sound(2))
		if got, ok := p.hear(time.Second); ok {
			t.Errorf("still bridged: %+v", got.Header)
		}
		Bridge(b.Session, other)
		other.Close()
		b.peer.send(sound(3))
		synctest.Wait()
		if err := Bridge(b.Session, other); !errors.Is(err, ErrClosed) {
			t.Errorf("bridge with a closed session: %v", err)
		}
	})
}
