package media

import (
	"bytes"
	"fmt"
	"math"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"tandem/media/codec"
	"tandem/media/sdp"
)

// party is a phone in a conference: it says a tone of its own, and keeps what it hears.
type party struct {
	*peer
	session *Session
	format  *format
	enc     codec.Encoder
	dec     codec.Decoder
	hz      float64 // of what it says; 0: nothing
	level   float64 // of that, dBov
	at      int     // samples said
	heard   []packet
	pcm     []int16 // of them, at the codec's rate
}

// room is a conference in virtual time.
type room struct {
	*Mix
	t       *testing.T
	bubble  *bubble
	parties []*party
	mu      sync.Mutex
	events  []MixEvent
}

// inRoom makes a conference of parties that say 300, 500, 700 Hz and so on.
func inRoom(t *testing.T, workers, rate int, codecs []string, f func(t *testing.T, r *room)) {
	t.Helper()
	inBubbleOf(t, workers, SessionOptions{}, func(t *testing.T, b *bubble) {
		r := &room{t: t, bubble: b}
		var err error
		if r.Mix, err = b.engine.NewMix(MixOptions{Rate: rate, OnEvent: func(e MixEvent) {
			r.mu.Lock()
			defer r.mu.Unlock()
			r.events = append(r.events, e)
		}}); err != nil {
			t.Fatal(err)
		}
		for i, name := range codecs {
			r.parties = append(r.parties, r.party(i, name))
		}
		f(t, r)
	})
}

// party makes the i-th one and calls, with one codec.
func (r *room) party(i int, name string) *party {
	f := formatNamed(name)
	p := &party{peer: memoryPeer(r.t, r.bubble.mem, fmt.Sprintf("127.0.0.1:%d", 6000+2*i)), format: f, hz: 300 + 200*float64(i), level: -20}
	p.session = open(r.t, r.bubble.engine, SessionOptions{KeepAlive: true, Codecs: []string{name}})
	answer, err := p.session.Answer(p.offer(fmt.Sprintf("%d 101", f.PayloadType),
		fmt.Sprintf("a=rtpmap:%d %s/%d/%d\r\na=rtpmap:101 telephone-event/8000\r\n", f.PayloadType, f.Name, f.ClockRate, f.Channels)))
	if err != nil {
		r.t.Fatal(err)
	}
	d, err := sdp.Parse(answer)
	if err != nil {
		r.t.Fatal(err)
	}
	_, m := d.Audio()
	p.to = d.AddrOf(m)
	p.enc, _ = f.NewEncoder()
	p.dec, _ = f.NewDecoder()
	return p
}

func (r *room) joinAll() {
	r.t.Helper()
	for _, p := range r.parties {
		if err := r.Join(p.session, JoinOptions{}); err != nil {
			r.t.Fatal(err)
		}
	}
}

// talk lets everybody talk for so many frames of 20 ms.
func (r *room) talk(frames int) {
	for range frames {
		for _, p := range r.parties {
			p.say()
		}
		time.Sleep(20 * time.Millisecond)
		synctest.Wait()
		for _, p := range r.parties {
			p.listen()
		}
	}
}

func (p *party) say() {
	pcm := make([]int16, p.format.SampleRate/50)
	for i := range pcm {
		amp := math.Pow(10, p.level/20) * 32768 * math.Sqrt2
		pcm[i] = int16(amp * math.Sin(2*math.Pi*p.hz*float64(p.at+i)/float64(p.format.SampleRate)))
	}
	p.at += len(pcm)
	b := make([]byte, 20*p.format.perMs)
	p.send(b[:p.enc.Encode(b, pcm)])
}

// send is the peer's, with the codec's own clock.
func (p *party) send(payload []byte) {
	p.h.PayloadType = p.format.PayloadType
	at := p.h.Timestamp
	p.peer.send(payload)
	p.h.Timestamp = at + p.format.FrameTicks(20)
}

func (p *party) listen() {
	for {
		got, ok := p.hear(0)
		if !ok {
			return
		}
		p.heard = append(p.heard, got)
		pcm := make([]int16, p.format.SampleRate*60/1000)
		p.pcm = append(p.pcm, pcm[:p.dec.Decode(pcm, got.payload)]...)
	}
}

// level of hz in pcm, in dB below full scale (Goertzel).
func levelOf(pcm []int16, hz float64, rate int) float64 {
	var re, im float64
	for i, v := range pcm {
		w := 2 * math.Pi * hz * float64(i) / float64(rate)
		re += float64(v) * math.Cos(w)
		im += float64(v) * math.Sin(w)
	}
	rms := math.Hypot(re, im) / float64(len(pcm)) * math.Sqrt2 / 32768
	return 20 * math.Log10(rms+1e-9)
}

// end is what the party has heard in the last so many seconds.
func (p *party) end(seconds float64) []int16 {
	return p.pcm[max(0, len(p.pcm)-int(seconds*float64(p.format.SampleRate))):]
}

func (r *room) kinds() (kinds []MixEventKind, who []*Session) {
	synctest.Wait()
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, e := range r.events {
		kinds, who = append(kinds, e.Kind), append(who, e.Session)
	}
	return kinds, who
}

func TestMixEverybodyHearsTheOthers(t *testing.T) {
	t.Parallel()
	for rate, workers := range map[int]int{8000: 1, 16000: 3, 48000: 1} {
		t.Run(fmt.Sprint(rate, "/", workers), func(t *testing.T) {
			t.Parallel()
			inRoom(t, workers, rate, []string{"PCMU", "PCMA", "PCMU", "PCMA", "PCMU"}, func(t *testing.T, r *room) {
				r.joinAll()
				r.parties[4].hz = 0 // only listens
				r.talk(100)
				for i, p := range r.parties {
					if n := len(p.heard); n < 96 || n > 101 {
						t.Errorf("party %d hears %d packets in 100 frames", i, n)
					}
					checkStream(t, p.heard[5:])
					pcm := p.end(1)
					for k, q := range r.parties[:4] {
						got := levelOf(pcm, q.hz, 8000)
						switch {
						case i == k && got > -50:
							t.Errorf("party %d hears itself at %.1f dB", i, got)
						case i != k && math.Abs(got-q.level) > 1:
							t.Errorf("party %d hears party %d at %.1f dB, said at %.1f", i, k, got, q.level)
						}
					}
				}
			})
		})
	}
}

// TestMixListenersShareOneEncoding has one speaker: all others hear the same bytes.
func TestMixListenersShareOneEncoding(t *testing.T) {
	t.Parallel()
	inRoom(t, 1, 16000, []string{"PCMU", "PCMU", "PCMU", "PCMA"}, func(t *testing.T, r *room) {
		r.joinAll()
		for _, p := range r.parties[1:] {
			p.hz = 0
		}
		r.talk(100)
		a, b, other := r.parties[1].heard, r.parties[2].heard, r.parties[3].heard
		for i := 1; i <= 50; i++ {
			if !bytes.Equal(a[len(a)-i].payload, b[len(b)-i].payload) {
				t.Fatal("two listeners hear different bytes")
			}
		}
		if bytes.Equal(a[len(a)-1].payload, other[len(other)-1].payload) || other[len(other)-1].PayloadType != 8 {
			t.Error("the listener with another codec hears the same bytes")
		}
		if got := levelOf(r.parties[3].end(0.5), 300, 8000); math.Abs(got+20) > 1 {
			t.Errorf("it hears the speaker at %.1f dB", got)
		}
		r.do(t, func(x *mixer) {
			if n := len(slices.DeleteFunc(slices.Clone(x.mouths), func(o *mouth) bool { return o == nil })); n != 2 {
				t.Errorf("%d encoders for listeners with two codecs", n)
			}
		})
	})
}

// do runs f on the conference's worker.
func (r *room) do(t *testing.T, f func(x *mixer)) {
	t.Helper()
	ran := make(chan struct{})
	if !r.worker.post(func(x *Mix) { defer close(ran); f(x.mixer) }, r.Mix) {
		t.Fatal("the worker has ended")
	}
	<-ran
}

func TestMixMuteAndGate(t *testing.T) {
	t.Parallel()
	inRoom(t, 1, 8000, []string{"PCMU", "PCMU", "PCMU"}, func(t *testing.T, r *room) {
		a, b, c := r.parties[0], r.parties[1], r.parties[2]
		c.level = -58 // a line's hum
		if err := r.Join(a.session, JoinOptions{Muted: true}); err != nil {
			t.Fatal(err)
		}
		r.joinAll() // joining again changes a: it is not muted any more
		r.Mute(a.session, true)
		r.talk(100)
		if got := levelOf(b.end(1), a.hz, 8000); got > -70 {
			t.Errorf("who is muted is heard at %.1f dB", got)
		}
		if got := levelOf(b.end(1), c.hz, 8000); got > -75 {
			t.Errorf("a hum of -58 dB passes the gate at %.1f dB", got)
		}
		if got := levelOf(a.end(1), b.hz, 8000); math.Abs(got+20) > 1 {
			t.Errorf("who is muted hears the others at %.1f dB", got)
		}
		if kinds, who := r.kinds(); len(kinds) != 1 || kinds[0] != MixSpeaks || who[0] != b.session {
			t.Errorf("events %v", kinds)
		}
		r.Mute(a.session, false)
		r.talk(50)
		b.hz = 0
		r.talk(50)
		if got := levelOf(b.end(0.5), a.hz, 8000); math.Abs(got+20) > 1 {
			t.Errorf("after its mute it is heard at %.1f dB", got)
		}
		kinds, who := r.kinds()
		if !slices.Equal(kinds, []MixEventKind{MixSpeaks, MixSpeaks, MixQuiet}) || who[1] != a.session || who[2] != b.session {
			t.Errorf("events %v", kinds)
		}
	})
}

func TestMixAnnounces(t *testing.T) {
	t.Parallel()
	inRoom(t, 1, 16000, []string{"PCMU", "PCMU"}, func(t *testing.T, r *room) {
		tone := func(hz float64) Source {
			s, err := ParseTone(fmt.Sprintf("tone:%v/1000", hz))
			if err != nil {
				t.Fatal(err)
			}
			return s
		}
		if nobody := r.Play([]Source{tone(900)}, 1); true {
			<-nobody.Done()
			if nobody.Err() == nil {
				t.Error("played to an empty room")
			}
		}
		r.joinAll()
		r.parties[1].hz = 0
		r.talk(50)
		first := r.Play([]Source{tone(1500), Silence(200 * time.Millisecond)}, 1)
		second := r.Play([]Source{tone(2100)}, 1)
		loop := r.Play([]Source{tone(900)}, -1)
		r.talk(40)
		for i, p := range r.parties {
			if got := levelOf(p.end(0.5), 1500, 8000); got < -30 {
				t.Errorf("party %d hears the announcement at %.1f dB", i, got)
			}
		}
		if got := levelOf(r.parties[1].end(0.5), 300, 8000); math.Abs(got+20) > 1 {
			t.Errorf("meanwhile the speaker is heard at %.1f dB", got)
		}
		r.talk(60)
		select {
		case <-first.Done():
		default:
			t.Error("the first has not ended")
		}
		if got := levelOf(r.parties[0].end(0.4), 2100, 8000); got < -30 || first.Err() != nil {
			t.Errorf("the second is heard at %.1f dB; the first ended by %v", got, first.Err())
		}
		r.talk(100)
		if <-second.Done(); second.Err() != nil {
			t.Error(second.Err())
		}
		loop.Stop()
		if <-loop.Done(); loop.Err() != ErrStopped {
			t.Error(loop.Err())
		}
		last := r.Play([]Source{tone(900)}, 1)
		r.Close()
		<-last.Done()
	})
}

// TestMixIsOneStream joins after a prompt, hears a whisper, leaves for a bridge and comes
// back: the peer hears one stream.
func TestMixIsOneStream(t *testing.T) {
	t.Parallel()
	inRoom(t, 3, 16000, []string{"PCMU", "PCMU", "PCMU"}, func(t *testing.T, r *room) {
		a, b, c := r.parties[0], r.parties[1], r.parties[2]
		<-a.session.Play([]Source{clipOf(ramp(1600, 1), 8000)}, PlayOptions{}).Done()
		a.listen()
		r.joinAll()
		r.talk(20)
		whisper := a.session.Play([]Source{clipOf(ramp(1600, 2), 8000)}, PlayOptions{})
		r.talk(20)
		<-whisper.Done()
		key := a.session.SendDTMF("5")
		r.talk(20)
		<-key.Done()
		if err := Bridge(a.session, b.session); err != nil {
			t.Fatal(err)
		}
		r.talk(20)
		if got := levelOf(c.end(0.2), a.hz, 8000); got > -60 {
			t.Errorf("after they left for a bridge one is heard at %.1f dB", got)
		}
		if got := levelOf(a.end(0.2), c.hz, 8000); got > -60 {
			t.Errorf("and hears the conference at %.1f dB", got)
		}
		if err := r.Join(a.session, JoinOptions{}); err != nil {
			t.Fatal(err)
		}
		r.talk(40)
		if got := levelOf(a.end(0.4), c.hz, 8000); math.Abs(got+20) > 1.5 {
			t.Errorf("back in, it hears the other at %.1f dB", got)
		}
		r.Leave(a.session)
		r.Leave(a.session)
		r.talk(20)
		ssrc, seq := a.heard[0].SSRC, a.heard[0].Sequence
		for i, p := range a.heard {
			if p.SSRC != ssrc || p.Sequence != seq+uint16(i) {
				t.Fatalf("packet %d is %+v", i, p.Header)
			}
			if i > 0 && int32(p.Timestamp-a.heard[i-1].Timestamp) < 0 {
				t.Fatalf("packet %d goes back in time: %+v after %+v", i, p.Header, a.heard[i-1].Header)
			}
		}
		a.session.Close()
		r.talk(10)
		if err := r.Join(a.session, JoinOptions{}); err != ErrClosed {
			t.Errorf("joining with a closed session: %v", err)
		}
		r.Close()
		if err := r.Join(c.session, JoinOptions{}); err != ErrClosed {
			t.Errorf("joining a closed conference: %v", err)
		}
		if r.Close(); r.Play(nil, 1).Err() != ErrClosed {
			synctest.Wait()
		}
	})
}

// TestMixLosesNoBeginning says a word after a pause: the gate takes no more than its onset.
func TestMixLosesNoBeginning(t *testing.T) {
	t.Parallel()
	inRoom(t, 1, 8000, []string{"PCMU", "PCMU"}, func(t *testing.T, r *room) {
		r.joinAll()
		r.parties[0].hz, r.parties[1].hz = 0, 0
		r.talk(50)
		r.parties[0].hz = 600
		r.talk(30) // 600 ms
		r.parties[0].hz = 0
		r.talk(50)
		loud := 0
		for _, v := range r.parties[1].pcm {
			if max(v, -v) > 200 {
				loud++
			}
		}
		if ms := loud * 10 / 8 / 10; ms < 500 {
			t.Errorf("of 600 ms only %d ms are heard", ms)
		}
	})
}

func TestMixFaults(t *testing.T) {
	t.Parallel()
	inBubbleOf(t, 1, SessionOptions{}, func(t *testing.T, b *bubble) {
		var failed sync.Once
		ended := make(chan struct{})
		x, err := b.engine.NewMix(MixOptions{OnEvent: func(e MixEvent) {
			if e.Kind == MixFailed {
				failed.Do(func() { close(ended) })
				return
			}
			panic("a fault of ours")
		}})
		if err != nil {
			t.Fatal(err)
		}
		if err := x.Join(b.Session, JoinOptions{}); err != nil {
			t.Fatal(err)
		}
		loud := make([]int16, 160)
		for i := range loud {
			loud[i] = int16(8000 * (i%8 - 4) / 4)
		}
		for range 20 {
			b.peer.send(muLawOf(loud))
			time.Sleep(20 * time.Millisecond)
		}
		<-ended
		if err := Bridge(b.Session, b.Session); err != nil {
			t.Fatalf("the session has ended with the conference: %v", err)
		}
		if b.engine.Faults() == 0 {
			t.Error("no fault counted")
		}
		if err := x.Join(b.Session, JoinOptions{}); err != ErrClosed {
			t.Error(err)
		}
	})
}

func TestMixOptions(t *testing.T) {
	t.Parallel()
	e := newEngine(t, Options{Workers: 1, Backend: NewMemory()})
	if _, err := e.NewMix(MixOptions{Rate: 44100}); err == nil {
		t.Error("a conference at 44100 Hz")
	}
	x, err := e.NewMix(MixOptions{})
	if err != nil {
		t.Fatal(err)
	}
	p := x.Play([]Source{Silence(time.Hour)}, 1)
	e.Close()
	<-p.Done()
	if _, err := e.NewMix(MixOptions{}); err != ErrClosed {
		t.Errorf("a conference of a closed engine: %v", err)
	}
	<-x.Play(nil, 1).Done()
}

// TestMixAllocatesNothing counts what a frame of five parties allocates, while it is recorded.
func TestMixAllocatesNothing(t *testing.T) {
	inRoom(t, 1, 16000, []string{"PCMU", "PCMU", "PCMU", "PCMA", "PCMA"}, func(t *testing.T, r *room) {
		r.joinAll()
		rec, err := r.Record(RecordOptions{Path: filepath.Join(t.TempDir(), "room.wav")})
		if err != nil {
			t.Fatal(err)
		}
		defer func() { rec.Stop(); <-rec.Done() }()
		r.talk(50)
		var n float64
		r.do(t, func(x *mixer) {
			for _, p := range x.members {
				conn := p.stream.rtp.conn
				p.stream.rtp.conn = &idleConn{}
				defer func() { p.stream.rtp.conn = conn }()
			}
			n = testing.AllocsPerRun(50, func() {
				for _, p := range x.members {
					p.hear(p.stream, &pcmFrame{pcm: p.frames[0], kind: frameVoice})
				}
				x.frame()
			})
		})
		if n != 0 {
			t.Errorf("%v allocations a frame", n)
		}
	})
}
