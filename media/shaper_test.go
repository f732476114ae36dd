package media

import (
	"bytes"
	"math"
	"math/rand/v2"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"tandem/media/codec"
	"tandem/media/dtmf"
	"tandem/media/hear"
)

// network is what a shaper does to datagrams, each way.
type network struct {
	loss, doubled float64 // shares
	delay, jitter time.Duration
	seed          uint64
}

// bad is a network that users complain about: with 30 ms of jitter at 20 ms a packet, every
// third or so overtakes the one before it.
func bad(seed uint64) network {
	return network{loss: 0.05, doubled: 0.02, delay: 20 * time.Millisecond, jitter: 30 * time.Millisecond, seed: seed}
}

// shaper is a wire of bad quality between a phone and the server, in virtual time. What it
// does follows from the seed alone.
type shaper struct {
	wire
	n    network
	mu   sync.Mutex
	out  *rand.Rand
	in   *rand.Rand
	come []datagram
	bell chan struct{}
}

// shape puts a bad network before a peer.
func shape(p *peer, n network) {
	s := &shaper{wire: p.wire, n: n, out: rand.New(rand.NewPCG(n.seed, 1)), in: rand.New(rand.NewPCG(n.seed, 2)), bell: make(chan struct{}, 1)}
	stop := make(chan struct{})
	var reading sync.WaitGroup
	reading.Go(func() {
		for {
			select {
			case <-stop:
				return
			default:
			}
			if b, from, ok := s.wire.read(50 * time.Millisecond); ok {
				s.pass(s.in, func() { s.arrived(bytes.Clone(b), from) })
			}
		}
	})
	p.t.Cleanup(func() { close(stop); reading.Wait() })
	p.wire = s
}

// pass loses a datagram, or lets it through late, perhaps twice.
func (s *shaper) pass(r *rand.Rand, deliver func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	copies := 1
	switch x := r.Float64(); {
	case x < s.n.loss:
		copies = 0
	case x < s.n.loss+s.n.doubled:
		copies = 2
	}
	for range copies {
		time.AfterFunc(s.n.delay+time.Duration(r.Int64N(int64(s.n.jitter)+1)), deliver)
	}
}

func (s *shaper) write(b []byte, to netip.AddrPort) error {
	b = bytes.Clone(b)
	s.pass(s.out, func() { s.wire.write(b, to) })
	return nil
}

func (s *shaper) arrived(b []byte, from netip.AddrPort) {
	s.mu.Lock()
	s.come = append(s.come, datagram{b, from})
	s.mu.Unlock()
	select {
	case s.bell <- struct{}{}:
	default:
	}
}

func (s *shaper) read(d time.Duration) ([]byte, netip.AddrPort, bool) {
	end := time.NewTimer(d)
	defer end.Stop()
	for {
		s.mu.Lock()
		if len(s.come) > 0 {
			got := s.come[0]
			s.come = s.come[1:]
			s.mu.Unlock()
			return got.data, got.from, true
		}
		s.mu.Unlock()
		select {
		case <-s.bell:
		case <-end.C:
			return nil, netip.AddrPort{}, false
		}
	}
}

// played lays packets where their timestamps say, as a phone's jitter buffer does.
func played(list []packet) []int16 {
	var pcm []int16
	for _, p := range list {
		at := int(int32(p.Timestamp - list[0].Timestamp))
		if p.PayloadType != 0 || at < 0 {
			continue
		}
		for len(pcm) < at+len(p.payload) {
			pcm = append(pcm, 0)
		}
		codec.DecodeMuLaw(pcm[at:], p.payload)
	}
	return pcm
}

// bite is what is left of the likeness of two sounds on a bad network: 5% of it is lost.
const bite = 0.85

func TestPromptsThroughABadNetwork(t *testing.T) {
	t.Parallel()
	for seed := range uint64(3) {
		inBubble(t, SessionOptions{KeepAlive: true}, func(t *testing.T, b *bubble) {
			shape(b.peer, bad(seed))
			voice := spoken(8000, 5*8000)
			pb := b.Play([]Source{clipOf(voice, 8000)}, PlayOptions{})
			var list []packet
			for over := false; !over; {
				if got, ok := b.peer.hear(100 * time.Millisecond); ok {
					list = append(list, got)
				}
				select {
				case <-pb.Done():
					over = true
				default:
				}
			}
			if m := hear.Correlate(played(list), voice); m.Score < bite {
				t.Errorf("seed %d: the prompt comes through with a correlation of %.2f", seed, m.Score)
			}
			if st := b.Stats(); st.TxPackets < 250 || st.SendErrors > 0 {
				t.Errorf("stats %+v", st)
			}
		})
	}
}

func TestKeysThroughABadNetwork(t *testing.T) {
	t.Parallel()
	for seed := range uint64(3) {
		inBubble(t, SessionOptions{KeepAlive: true}, func(t *testing.T, b *bubble) {
			for i := range 20 { // before the network gets bad, so that the latch is not the question
				b.peer.send(sound(i))
				time.Sleep(20 * time.Millisecond)
			}
			shape(b.peer, bad(seed))
			r := rand.New(rand.NewPCG(seed, 7))
			var want strings.Builder
			for i := range 200 {
				key := "0123456789*#"[r.IntN(12)]
				want.WriteByte(key)
				b.peer.press(key, 4+r.IntN(4))
				for range 3 + r.IntN(3) {
					time.Sleep(20 * time.Millisecond)
					b.peer.send(sound(i))
				}
			}
			time.Sleep(5 * time.Second)
			var got strings.Builder
			for _, e := range b.events() {
				if e.Kind == EventDigit {
					got.WriteByte(e.Digit)
				}
			}
			if got.String() != want.String() {
				t.Errorf("seed %d: heard\n%s of\n%s", seed, got.String(), want.String())
			}
		})
	}
}

// TestOurKeysThroughABadNetwork presses keys towards the phone.
func TestOurKeysThroughABadNetwork(t *testing.T) {
	t.Parallel()
	inBubble(t, SessionOptions{KeepAlive: true}, func(t *testing.T, b *bubble) {
		shape(b.peer, bad(11))
		want := strings.Repeat("0123456789*#", 5)
		sent := b.SendDTMF(want)
		var r dtmf.Receiver
		var keys []dtmf.Key
		start := time.Now()
		for over := 0; over < 20; {
			got, ok := b.peer.hear(50 * time.Millisecond)
			if ok && got.PayloadType == 96 {
				keys = r.Receive(keys, dtmf.Packet{Payload: got.payload, Sequence: got.Sequence, Timestamp: got.Timestamp, SSRC: got.SSRC, Marker: got.Marker, ClockRate: 8000, At: time.Since(start)})
			}
			select {
			case <-sent.Done():
				over++
			default:
			}
		}
		keys = r.Expire(keys, time.Hour)
		var got strings.Builder
		for _, k := range keys {
			if !k.Released {
				got.WriteByte(k.Digit)
			}
		}
		if got.String() != want {
			t.Errorf("heard\n%s of\n%s", got.String(), want)
		}
	})
}

func TestRecordingThroughABadNetwork(t *testing.T) {
	t.Parallel()
	inBubble(t, SessionOptions{}, func(t *testing.T, b *bubble) {
		shape(b.peer, bad(5))
		r, path := record(t, b.Session, RecordOptions{})
		voice := spoken(8000, 5*8000)
		b.peer.say(voice)
		time.Sleep(time.Second)
		r.Stop()
		<-r.Done()
		if m := hear.Correlate(readWAV(t, path).PCM, voice); m.Score < bite {
			t.Errorf("recorded with a correlation of %.2f", m.Score)
		}
	})
}

func TestConferenceThroughABadNetwork(t *testing.T) {
	t.Parallel()
	for _, codecs := range [][]string{{"PCMU", "PCMA", "PCMU"}, {"G722", "PCMU", "opus"}} {
		t.Run(strings.Join(codecs, " "), func(t *testing.T) {
			t.Parallel()
			inRoom(t, 1, 16000, codecs, func(t *testing.T, r *room) {
				r.joinAll()
				for i, p := range r.parties {
					shape(p.peer, bad(uint64(20+i)))
				}
				r.talk(250)
				for i, p := range r.parties {
					pcm := p.end(2)
					for k, q := range r.parties {
						got := levelOf(pcm, q.hz, p.format.SampleRate)
						switch {
						case i == k && got > -45:
							t.Errorf("party %d hears itself at %.1f dB", i, got)
						case i != k && math.Abs(got-q.level) > 4:
							t.Errorf("party %d hears party %d at %.1f dB, said at %.1f", i, k, got, q.level)
						}
					}
				}
				if n := r.bubble.engine.Faults(); n > 0 {
					t.Errorf("%d faults", n)
				}
			})
		})
	}
}

// TestHostilePeer changes all that it can in the middle of a call that is bridged, recorded
// and listened to; it is heard again each time.
func TestHostilePeer(t *testing.T) {
	t.Parallel()
	garbage := func(p *peer, r *rand.Rand) {
		control := controlOf(p.to)
		b := make([]byte, r.IntN(3000))
		for i := range b {
			b[i] = byte(r.Uint32())
		}
		p.write(b, p.to)
		p.write(b, control)
		if len(b) > 8 { // that looks like RTP, or RTCP with lengths that lie
			b[0], b[1] = 0x80|b[0]&0x3F, b[1]&0x7F
			p.write(b, p.to)
			b[0], b[1] = 0x80|b[0]&0x1F, []byte{rtcpSR, rtcpRR, rtcpSDES, rtcpBYE, 204, 205, 206, rtcpXR}[r.IntN(8)]
			p.write(b, p.to)
			p.write(b, control)
		}
	}
	for name, upset := range map[string]func(p *peer, r *rand.Rand){
		"a new SSRC":             func(p *peer, _ *rand.Rand) { p.h.SSRC++ },
		"a new SSRC each packet": func(p *peer, _ *rand.Rand) { p.h.SSRC++; p.send(sound(1)); p.h.SSRC++; p.send(sound(2)); p.h.SSRC++ },
		"another payload type": func(p *peer, _ *rand.Rand) {
			p.h.PayloadType = 8
			p.send(sound(1))
			p.send(sound(2))
			p.h.PayloadType = 0
		},
		"one nobody agreed on": func(p *peer, _ *rand.Rand) {
			at := p.h.PayloadType
			p.h.PayloadType = 77
			p.send(sound(1))
			p.h.PayloadType = at
		},
		"the sequence's end":     func(p *peer, _ *rand.Rand) { p.h.SSRC++; p.h.Sequence = 0xFFE0 },
		"a jump of the sequence": func(p *peer, r *rand.Rand) { p.h.Sequence += uint16(r.Uint32()) },
		"the timestamp's end":    func(p *peer, _ *rand.Rand) { p.h.SSRC++; p.h.Timestamp = 0xFFFFE000 },
		"a timestamp far ahead":  func(p *peer, _ *rand.Rand) { p.h.Timestamp += 8000 * 3600 },
		"a timestamp far back":   func(p *peer, _ *rand.Rand) { p.h.Timestamp -= 8000 * 3600 },
		"the same timestamp again": func(p *peer, _ *rand.Rand) {
			p.send(sound(1))
			p.h.Timestamp -= 160
			p.send(sound(1))
			p.h.Timestamp -= 160
		},
		"garbage": func(p *peer, r *rand.Rand) {
			for range 5 {
				garbage(p, r)
			}
		},
		"an empty payload": func(p *peer, _ *rand.Rand) { p.send(nil) },
		"a giant": func(p *peer, _ *rand.Rand) {
			at := p.h.Timestamp
			p.send(make([]byte, 1500))
			p.h.Timestamp = at
			p.send(make([]byte, 60_000))
			p.h.Timestamp = at
		},
		"a header cut off": func(p *peer, _ *rand.Rand) {
			b := make([]byte, 12)
			p.h.Put(b)
			for n := range 12 {
				p.write(b[:n], p.to)
			}
		},
		"a lying extension": func(p *peer, _ *rand.Rand) {
			b := make([]byte, 20)
			p.h.Put(b)
			b[0] |= 0x1F
			b[18] = 0xFF
			p.write(b, p.to)
		},
		"a lying padding": func(p *peer, _ *rand.Rand) {
			b := make([]byte, 172)
			p.h.Put(b)
			b[0] |= 0x20
			b[171] = 0xFF
			p.write(b, p.to)
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			inBubble(t, SessionOptions{KeepAlive: true}, func(t *testing.T, b *bubble) {
				b.peer.call(b.Session, "0 8")
				_, far := b.twoLegs(t)
				rec, _ := record(t, b.Session, RecordOptions{})
				l := new(earwitness)
				b.do(func(m *stream) { m.listen(l, rate16) })
				r := rand.New(rand.NewPCG(1, 2))
				voice := spoken(8000, 160*60)
				law := muLawOf(voice)
				var relayed []packet
				for round := range 6 {
					if round > 0 {
						upset(b.peer, r)
					}
					for i := range 60 {
						b.peer.send(law[i*160:][:160])
						time.Sleep(20 * time.Millisecond)
						for {
							got, ok := far.hear(0)
							if !ok {
								break
							}
							relayed = append(relayed, got)
						}
					}
				}
				time.Sleep(time.Second)
				if relayed = relayed[len(relayed)-50:]; relayed[49].PayloadType != 0 {
					t.Errorf("the far end is sent payload type %d", relayed[49].PayloadType)
				}
				kinds := l.all().kinds // the last second of them is silence
				kinds = kinds[len(kinds)-160 : len(kinds)-60]
				if n := len(slices.DeleteFunc(kinds, func(k frameKind) bool { return k != frameVoice })); n < 70 {
					t.Errorf("afterwards %d frames of 100 are heard", n)
				}
				if m := hear.Correlate(played(relayed), voice[160*20:]); m.Score < 0.9 {
					t.Errorf("afterwards it is relayed with a correlation of %.2f", m.Score)
				}
				rec.Stop()
				<-rec.Done()
				if res := rec.Result(); res.Err != nil {
					t.Error(res.Err)
				}
				synctest.Wait()
				if n := b.engine.Faults(); n > 0 || slices.Contains(b.kinds(), EventFailed) {
					t.Errorf("%d faults", n)
				}
			})
		})
	}
}
