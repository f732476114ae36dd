package codec

import (
	"fmt"
	"testing"
)

// TestConceals loses packets of a voice and asks that what is made up resembles what was
// lost far better than silence does.
func TestConceals(t *testing.T) {
	t.Parallel()
	for _, rate := range []int{8000, 16000, 48000} {
		t.Run(fmt.Sprint(rate), func(t *testing.T) {
			t.Parallel()
			c := NewConcealer(rate)
			pcm := voice(rate, 2*rate)
			frame := rate / 50
			var lost, made []int16
			for at := 0; at+frame <= len(pcm); at += frame {
				if at/frame%10 == 9 {
					out := make([]int16, frame)
					c.Lost(out)
					lost, made = append(lost, pcm[at:at+frame]...), append(made, out...)
					continue
				}
				c.Heard(append([]int16(nil), pcm[at:at+frame]...))
			}
			score, _ := best(lost, made, 1)
			t.Logf("correlation of the lost with the made up: %.3f", score)
			if score < 0.75 {
				t.Errorf("correlation %.3f, the floor is 0.75", score)
			}
		})
	}
}

func TestConcealmentFadesAndJoins(t *testing.T) {
	c := NewConcealer(8000)
	c.Heard(sine(8000, 200, -10, 800))
	out := make([]int16, 160)
	for i := range 4 {
		c.Lost(out)
		if i == 0 && Level(out) < -16 {
			t.Errorf("the first lost packet is made up at %.0f dB", Level(out))
		}
	}
	if Level(out) != -127 {
		t.Errorf("after 60 ms there is still %.0f dB", Level(out))
	}
	back := sine(8000, 200, -10, 160)
	want := append([]int16(nil), back...)
	c.Heard(back)
	if back[0] != 0 || back[159] != want[159] {
		t.Errorf("the sound comes back with %d … %d", back[0], back[159])
	}
	c.Heard(back)
	if n := testing.AllocsPerRun(50, func() { c.Lost(out); c.Heard(out) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func TestConcealsFromNothing(t *testing.T) {
	t.Parallel()
	c := NewConcealer(16000)
	out := make([]int16, 320)
	c.Lost(out)
	if Level(out) != -127 {
		t.Errorf("made up %.0f dB out of nothing", Level(out))
	}
}

func BenchmarkConceal(b *testing.B) {
	c, pcm := NewConcealer(16000), voice(16000, 320)
	for b.Loop() {
		c.Lost(pcm)
		c.Heard(pcm)
	}
}
