package media

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"tandem/media/codec"
	"tandem/media/dtmf"
	"tandem/media/hear"
	"tandem/media/rtp"
	"tandem/media/sdp"
)

// every codec, as the peers of these tests offer it: Opus by a number that is not ours.
var everyCodec = []struct{ name, formats, lines string }{
	{"PCMU", "0", ""}, {"PCMA", "8", ""}, {"G722", "9", ""},
	{"opus", "98", "a=rtpmap:98 opus/48000/2\r\n"},
}

var everyCodecNamed = []string{"PCMU", "PCMA", "G722", "opus"}

// decodePackets is the sound of payloads in f, one after the other.
func decodePackets(t *testing.T, f *format, list [][]byte) []int16 {
	t.Helper()
	dec, err := f.NewDecoder()
	if err != nil {
		t.Fatal(err)
	}
	var all []int16
	pcm := make([]int16, 5760)
	for _, p := range list {
		all = append(all, pcm[:dec.Decode(pcm, p)]...)
	}
	return all
}

// encodePackets is sound at 16 kHz in packets of 20 ms.
func encodePackets(t *testing.T, f *format, pcm []int16) [][]byte {
	t.Helper()
	enc, err := f.NewEncoder()
	if err != nil {
		t.Fatal(err)
	}
	pcm = resampled(t, pcm, 16000, f.SampleRate)
	var list [][]byte
	for n := f.pcm.frame(); len(pcm) >= n; pcm = pcm[n:] {
		b := make([]byte, 20*f.perMs)
		list = append(list, b[:enc.Encode(b, pcm[:n])])
	}
	return list
}

func bodies(list []packet) [][]byte {
	var all [][]byte
	for _, p := range list {
		all = append(all, p.payload)
	}
	return all
}

// TestPromptsInEveryCodec plays two sources in a row at every packet length.
func TestPromptsInEveryCodec(t *testing.T) {
	t.Parallel()
	for _, c := range everyCodec {
		for _, ms := range []int{10, 20, 30, 40, 50, 60} {
			t.Run(fmt.Sprintf("%s/%d", c.name, ms), func(t *testing.T) {
				t.Parallel()
				inBubble(t, SessionOptions{Codecs: everyCodecNamed}, func(t *testing.T, b *bubble) {
					if _, err := b.Answer(b.peer.offer(c.formats, fmt.Sprintf("%sa=ptime:%d\r\n", c.lines, ms))); err != nil {
						t.Fatal(err)
					}
					want := spoken(16000, 32000)
					b.Play([]Source{clipOf(want[:16000], 16000), clipOf(want[16000:], 16000)}, PlayOptions{})
					got := b.peer.collect()
					f := formatNamed(c.name)
					step := f.FrameTicks(f.frameMs(ms, 0))
					for i, p := range got {
						if p.Timestamp != got[0].Timestamp+uint32(i)*step || p.Sequence != got[0].Sequence+uint16(i) || p.Marker != (i == 0) {
							t.Fatalf("packet %d: %+v after %+v", i, p.Header, got[0].Header)
						}
					}
					heard := decodePackets(t, f, bodies(got))
					sent := resampled(t, want, 16000, f.SampleRate)
					if len(heard) < len(sent) || len(heard) > len(sent)+f.FrameSamples(60) {
						t.Fatalf("%d packets hold %d samples of %d", len(got), len(heard), len(sent))
					}
					// Where the second source begins, a coder with a state needs a tenth of a second.
					for _, piece := range [][]int16{sent[:len(sent)*2/5], sent[len(sent)*3/5:]} {
						if m := hear.Correlate(heard, piece); m.Score < 0.97 {
							t.Errorf("correlation %.3f", m.Score)
						}
					}
				})
			})
		}
	}
}

func TestSilenceIsSilentInEveryCodec(t *testing.T) {
	t.Parallel()
	for i := range formats {
		f := &formats[i]
		var list [][]byte
		for range 20 {
			b := make([]byte, 20*f.perMs)
			f.hush(b)
			list = append(list, b)
		}
		if level := codec.Level(decodePackets(t, f, list)); level > -70 {
			t.Errorf("silence in %s has %.0f dB", f.Name, level)
		}
	}
}

// pair is two calls in one engine, each peer with a codec of its own.
func pairIn(t *testing.T, b *bubble, one, other int) (second *Session, p *peer) {
	t.Helper()
	second = open(t, b.engine, SessionOptions{Codecs: everyCodecNamed})
	p = memoryPeer(t, b.mem, "127.0.0.1:4100")
	for _, x := range []struct {
		s *Session
		p *peer
		c int
	}{{b.Session, b.peer, one}, {second, p, other}} {
		c := everyCodec[x.c]
		answer, err := x.s.Answer(x.p.offer(c.formats+" 96 97", c.lines+"a=rtpmap:96 telephone-event/8000\r\na=rtpmap:97 telephone-event/48000\r\n"))
		if err != nil {
			t.Fatal(err)
		}
		if x.s.Codec() != c.name {
			t.Fatalf("agreed on %s", x.s.Codec())
		}
		d, err := sdp.Parse(answer)
		if err != nil {
			t.Fatal(err)
		}
		x.p.to = d.AddrOf(&d.Media[0])
		x.p.h.PayloadType = d.Media[0].Codecs[0].PayloadType
	}
	if err := Bridge(b.Session, second); err != nil {
		t.Fatal(err)
	}
	return second, p
}

// TestTranscodesAnyToAny bridges each codec with each: what is common is relayed as it is,
// the two laws are translated, all else is decoded and encoded.
func TestTranscodesAnyToAny(t *testing.T) {
	t.Parallel()
	for one, from := range everyCodec {
		for other, to := range everyCodec {
			t.Run(from.name+" to "+to.name, func(t *testing.T) {
				t.Parallel()
				inBubble(t, SessionOptions{Codecs: everyCodecNamed}, func(t *testing.T, b *bubble) {
					second, far := pairIn(t, b, one, other)
					a, z := formatNamed(from.name), formatNamed(to.name)
					want := spoken(16000, 48000)
					sent := encodePackets(t, a, want)
					for i, p := range sent {
						b.peer.h.Timestamp = uint32(i) * a.FrameTicks(20)
						b.peer.send(p)
						time.Sleep(20 * time.Millisecond)
					}
					got := far.collect()
					for i, p := range got {
						if p.Timestamp != got[0].Timestamp+uint32(i)*z.FrameTicks(20) || p.Sequence != got[0].Sequence+uint16(i) || p.Marker != (i == 0) {
							t.Fatalf("packet %d: %+v after %+v", i, p.Header, got[0].Header)
						}
					}
					if a == z && !slices.EqualFunc(bodies(got), sent, slices.Equal) {
						t.Fatal("a codec that both have was not relayed as it is")
					}
					if st := second.Stats(); (st.Transcoded > 0) != (a != z) {
						t.Errorf("%d packets transcoded", st.Transcoded)
					}
					m := hear.Correlate(resampled(t, decodePackets(t, z, bodies(got)), z.SampleRate, 8000),
						resampled(t, want[:40000], 16000, 8000))
					if t.Logf("correlation %.3f at %d", m.Score, m.Offset); m.Score < 0.93 {
						t.Errorf("correlation %.3f", m.Score)
					}
				})
			})
		}
	}
}

// TestEventsCrossClocks presses keys on a leg whose events are clocked at 48000 and hears
// them at 8000, and back, while the voice between is transcoded.
func TestEventsCrossClocks(t *testing.T) {
	t.Parallel()
	const pcmu, opus = 0, 3
	for _, c := range []struct {
		name             string
		one, other       int
		event            uint8
		clock, wantClock int
	}{{"opus to PCMU", opus, pcmu, 97, 48000, 8000}, {"PCMU to opus", pcmu, opus, 96, 8000, 48000}} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			inBubble(t, SessionOptions{Codecs: everyCodecNamed}, func(t *testing.T, b *bubble) {
				_, far := pairIn(t, b, c.one, c.other)
				f := formatNamed(everyCodec[c.one].name)
				voice := b.peer.h.PayloadType
				for i, p := range encodePackets(t, f, spoken(16000, 16000)) {
					b.peer.h.Timestamp, b.peer.h.PayloadType = uint32(i)*f.FrameTicks(20), voice
					b.peer.send(p)
					time.Sleep(20 * time.Millisecond)
				}
				keys, err := dtmf.NewSender("19", dtmf.SendOptions{ClockRate: c.clock})
				if err != nil {
					t.Fatal(err)
				}
				for stamp := uint32(60) * f.FrameTicks(20); ; stamp += f.FrameTicks(20) {
					out, send, done := keys.Next(stamp)
					if done {
						break
					}
					if send {
						b.peer.h.Timestamp, b.peer.h.PayloadType, b.peer.h.Marker = out.Timestamp, c.event, out.Marker
						b.peer.send(out.Payload[:])
					}
					time.Sleep(20 * time.Millisecond)
				}
				var r dtmf.Receiver
				var digits strings.Builder
				for _, p := range far.collect() {
					if p.PayloadType != 96 && p.PayloadType != 97 {
						continue
					}
					for _, k := range r.Receive(nil, dtmf.Packet{Sequence: p.Sequence, Timestamp: p.Timestamp, SSRC: p.SSRC,
						Marker: p.Marker, Payload: p.payload, ClockRate: c.wantClock, At: time.Duration(p.at.UnixNano())}) {
						if !k.Released {
							digits.WriteByte(k.Digit)
						} else if k.Duration < 150*time.Millisecond || k.Duration > 170*time.Millisecond {
							t.Errorf("%c was held for %v", k.Digit, k.Duration)
						}
					}
				}
				if digits.String() != "19" {
					t.Errorf("heard %q", digits.String())
				}
				time.Sleep(time.Second)
				var got []byte
				for _, e := range b.events() {
					if e.Kind == EventDigit {
						got = append(got, e.Digit)
					}
				}
				if string(got) != "19" {
					t.Errorf("we heard %q", got)
				}
			})
		})
	}
}

// TestCodecChangesInMidStream lets the peer change between two codecs that were agreed on.
func TestCodecChangesInMidStream(t *testing.T) {
	t.Parallel()
	inBubble(t, SessionOptions{Codecs: everyCodecNamed}, func(t *testing.T, b *bubble) {
		second, far := pairIn(t, b, 0, 0)
		if _, err := b.Answer(b.peer.offer("0 9", "")); err != nil {
			t.Fatal(err)
		}
		want := spoken(16000, 16000)
		send := func(f *format) (sent [][]byte, got []packet) {
			sent = encodePackets(t, f, want)
			for _, p := range sent {
				b.peer.h.PayloadType = f.PayloadType
				b.peer.send(p)
				time.Sleep(20 * time.Millisecond)
			}
			return sent, far.collect()
		}
		sent, first := send(formatNamed("PCMU"))
		if !slices.EqualFunc(bodies(first), sent, slices.Equal) {
			t.Error("not relayed as it is")
		}
		if _, err := b.Answer(b.peer.offer("9 0", "")); err != nil {
			t.Fatal(err)
		}
		_, wide := send(formatNamed("G722"))
		heard := decodePackets(t, formatNamed("PCMU"), bodies(wide))
		if m := hear.Correlate(heard, resampled(t, want[:14000], 16000, 8000)); m.Score < 0.95 {
			t.Errorf("G.722 heard as PCMU with a correlation of %.3f", m.Score)
		}
		if _, err := b.Answer(b.peer.offer("0 9", "")); err != nil {
			t.Fatal(err)
		}
		sent, last := send(formatNamed("PCMU"))
		if !slices.EqualFunc(bodies(last), sent, slices.Equal) {
			t.Error("not relayed as it is again")
		}
		all := slices.Concat(first, wide, last)
		for i, p := range all {
			if p.SSRC != all[0].SSRC || p.Sequence != all[0].Sequence+uint16(i) {
				t.Fatalf("packet %d: %+v", i, p.Header)
			}
		}
		second.do(func(m *stream) {
			if m.coder != nil {
				t.Error("it still transcodes")
			}
		})
	})
}

func TestNumbersKeepTheirMeaning(t *testing.T) {
	t.Parallel()
	n := negotiated("opus", "PCMU")
	if _, err := n.answer(theirSDP("m=audio 4000 RTP/AVP 100 111 110\r\na=rtpmap:100 opus/48000/2\r\na=rtpmap:111 AMR/8000\r\na=rtpmap:110 telephone-event/48000\r\n")); err != nil {
		t.Fatal(err)
	}
	meaning := map[uint8]string{100: "opus", 111: "AMR", 110: "telephone-event"}
	for range 2 {
		offer, err := sdp.Parse(n.offer())
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range offer.Media[0].Codecs {
			if m, known := meaning[c.PayloadType]; known && !strings.EqualFold(m, c.Name) {
				t.Errorf("%d was %s and is %s/%d now", c.PayloadType, m, c.Name, c.ClockRate)
			}
			meaning[c.PayloadType] = c.Name
		}
		if first := offer.Media[0].Codecs[0]; first.PayloadType != 100 || first.Name != "opus" {
			t.Errorf("the codec in use is offered as %+v", first)
		}
	}
	first, err := sdp.Parse(negotiated("G722", "opus").offer())
	if err != nil {
		t.Fatal(err)
	}
	var list []string
	for _, c := range first.Media[0].Codecs {
		list = append(list, fmt.Sprintf("%d %s/%d", c.PayloadType, c.Name, c.ClockRate))
	}
	if got := strings.Join(list, ", "); got != "9 G722/8000, 111 opus/48000, 101 telephone-event/8000, 110 telephone-event/48000" {
		t.Errorf("offered %s", got)
	}
}

func TestTranscodingDoesNotAllocate(t *testing.T) {
	e := newEngine(t, Options{Workers: 1, Codecs: everyCodecNamed})
	a, z := open(t, e, SessionOptions{}), open(t, e, SessionOptions{})
	newPeer(t).call(a, "0")
	if _, err := z.Answer(newPeer(t).offer("98", everyCodec[3].lines)); err != nil {
		t.Fatal(err)
	}
	if err := Bridge(a, z); err != nil {
		t.Fatal(err)
	}
	a.do(func(m *stream) {
		payload, meaning := sound(1), m.p.rx[0]
		h := rtp.Header{Sequence: 1, SSRC: 7}
		step := func() {
			m.worker.now = m.worker.now.Add(frameTime)
			m.hearPacket(h, payload, meaning, false)
			m.peer.relay(m, h, payload, meaning, false)
			h.Sequence++
			h.Timestamp += 160
			m.ear.next()
		}
		for range 2 * jitterSlots {
			step()
		}
		if n := testing.AllocsPerRun(200, step); n != 0 {
			t.Errorf("%v allocations a packet", n)
		}
		if m.peer.count.transcoded < 100 {
			t.Errorf("only %d packets transcoded", m.peer.count.transcoded)
		}
	})
}
