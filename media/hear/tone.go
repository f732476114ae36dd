package hear

import (
	"math"
	"math/cmplx"
	"slices"
)

// quiet is the level in dB below which nothing is heard.
const quiet = -55.0

// Peak is a tone within a sound.
type Peak struct {
	Hz    float64
	Share float64 // of the sound's power, from 0 to 1
}

// Tones returns the n strongest tones of a steady sound, the strongest first; fewer if
// there are fewer. Tones less than 30 Hz apart, or than three periods of the sound's length,
// count as one.
func Tones(pcm []int16, rate, n int) []Peak {
	if Level(pcm) < quiet {
		return nil
	}
	power, bin := spectrum(pcm, rate)
	var total float64
	for _, p := range power {
		total += p
	}
	width := max(3, int(math.Ceil(30/bin)), len(power)*2*3/max(1, len(pcm)))
	var peaks []Peak
	for len(peaks) < n {
		at := 0
		for i, p := range power {
			if p > power[at] {
				at = i
			}
		}
		from, to := max(0, at-width), min(len(power), at+width+1)
		var sum, centre float64
		for i := from; i < to; i++ {
			sum += power[i]
			centre += power[i] * float64(i)
			power[i] = 0
		}
		if sum < total/1000 {
			break
		}
		peaks = append(peaks, Peak{Hz: centre / sum * bin, Share: sum / total})
	}
	return peaks
}

// Tone is the strongest tone of a steady sound; zero for silence.
func Tone(pcm []int16, rate int) Peak {
	if list := Tones(pcm, rate, 1); len(list) > 0 {
		return list[0]
	}
	return Peak{}
}

// spectrum is the power in each band of bin Hz, up to half the rate.
func spectrum(pcm []int16, rate int) (power []float64, bin float64) {
	f := newFourier(len(pcm))
	x := make([]complex128, f.size)
	for i, s := range pcm {
		hann := (1 - math.Cos(2*math.Pi*(float64(i)+0.5)/float64(len(pcm)))) / 2
		x[i] = complex(float64(s)*hann, 0)
	}
	f.transform(x)
	power = make([]float64, f.size/2+1)
	for i := range power {
		power[i] = math.Pow(cmplx.Abs(x[i]), 2)
	}
	return power, float64(rate) / float64(f.size)
}

// Level is the power of a sound in dB relative to full scale (a full-scale sine has -3);
// -127 for silence.
func Level(pcm []int16) float64 {
	var sum float64
	for _, s := range pcm {
		sum += float64(s) * float64(s)
	}
	if sum == 0 {
		return -127
	}
	return max(-127, 10*math.Log10(sum/float64(len(pcm))/(1<<30)))
}

// Stretch is a part of a sound between two changes, in samples.
type Stretch struct {
	From, To int
	Sound    bool // or silence
}

// Stretches parts a sound into sound and silence, in steps of 10 ms; changes shorter than
// 30 ms do not count.
func Stretches(pcm []int16, rate int) []Stretch {
	step := max(1, rate/100)
	var list []Stretch
	for from := 0; from < len(pcm); from += step {
		to := min(from+step, len(pcm))
		sound := Level(pcm[from:to]) >= quiet
		if n := len(list); n > 0 && list[n-1].Sound == sound {
			list[n-1].To = to
			continue
		}
		list = append(list, Stretch{From: from, To: to, Sound: sound})
	}
	return merge(list, 3*step)
}

func merge(list []Stretch, least int) []Stretch {
	for i := 1; i < len(list)-1; {
		if list[i].To-list[i].From >= least {
			i++
			continue
		}
		list[i-1].To = list[i+1].To
		list = slices.Delete(list, i, i+2)
	}
	return list
}
