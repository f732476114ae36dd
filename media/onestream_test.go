package media

import (
	"fmt"
	"testing"
	"time"
)

// TestOneStreamForLife plays a prompt, relays, plays hold music, goes on relaying, is handed to
// another peer with a codec that must be transcoded, and hears a mixer, in one call: what
// leaves is one stream, and each packet of it is looked at.
func TestOneStreamForLife(t *testing.T) {
	t.Parallel()
	inBubble(t, SessionOptions{Codecs: everyCodecNamed}, func(t *testing.T, b *bubble) {
		first, second := open(t, b.engine, SessionOptions{}), open(t, b.engine, SessionOptions{Codecs: everyCodecNamed})
		bob, carol := memoryPeer(t, b.mem, "127.0.0.1:4100"), memoryPeer(t, b.mem, "127.0.0.1:4200")
		bob.call(first, "0")
		carol.call(second, "9")
		carol.h.PayloadType = 9
		talk := func(p *peer, frames int) {
			for i := range frames {
				p.send(sound(i))
				time.Sleep(20 * time.Millisecond)
			}
		}
		bridge := func(s *Session) {
			if err := Bridge(b.Session, s); err != nil {
				t.Fatal(err)
			}
		}

		heard := make(chan []packet)
		go func() { // reads as they come, for the times
			var list []packet
			for {
				p, ok := b.peer.hear(5 * time.Second)
				if !ok {
					heard <- list
					return
				}
				list = append(list, p)
			}
		}()
		<-b.Play([]Source{clipOf(spoken(8000, 8000), 8000)}, PlayOptions{}).Done() // 50 packets
		bridge(first)
		talk(bob, 50) // 50
		music := b.Play([]Source{Silence(time.Second)}, PlayOptions{Loop: -1})
		talk(bob, 50) // 50 of music, none of bob's
		music.Stop()
		talk(bob, 50) // 50
		Unbridge(b.Session, first)
		time.Sleep(time.Second)
		bridge(second)
		talk(carol, 50) // transcoded: about 50
		Unbridge(b.Session, second)
		time.Sleep(time.Second)
		b.do(func(m *stream) { m.speakFrom(&reader{pcm: spoken(16000, 50*320)}, rate16) })

		got := <-heard
		if len(got) < 295 || len(got) > 308 {
			t.Errorf("%d packets of about 300", len(got))
		}
		var switches []string
		for i, p := range got {
			if p.SSRC != got[0].SSRC || p.PayloadType != 0 || len(p.payload) != 160 {
				t.Fatalf("packet %d: %+v, %d bytes", i, p.Header, len(p.payload))
			}
			if p.Marker {
				switches = append(switches, fmt.Sprint(i))
			}
			if i == 0 {
				continue
			}
			before := got[i-1]
			if p.Sequence != before.Sequence+1 {
				t.Fatalf("packet %d: %+v after %+v", i, p.Header, before.Header)
			}
			step, passed := int32(p.Timestamp-before.Timestamp), p.at.Sub(before.at)
			if !p.Marker && step != 160 {
				t.Fatalf("packet %d: %d timestamp units after the last", i, step)
			}
			// At a switch as much time passes in the stream as outside, or one packet.
			if p.Marker && (step < 160 || time.Duration(step-160)*time.Second/8000 > passed) {
				t.Errorf("packet %d: %d timestamp units in %v", i, step, passed)
			}
		}
		if len(switches) != 6 {
			t.Errorf("markers at %v, want them at the six beginnings", switches)
		}
	})
}
