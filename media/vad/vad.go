// Package vad tells a voice from what lies below it on a telephone line: by its energy
// against a noise floor that it learns while it listens.
package vad

import (
	"math"
	"time"
)

const (
	blockMs = 10 // what is judged at once

	// margin is how far above the noise a voice begins, in dB.
	margin = 9.0
	// faintest is the level below which nothing counts as a voice, in dBov: phones send
	// noise of -60 to -75, and quiet talkers are heard at about -35.
	faintest = -50.0
	// loudest is the highest noise floor, in dBov: a line that hums louder than that is
	// not silent, and a caller who never stops talking must not become the noise.
	loudest = -38.0
	// quietest is as low as digital silence can pull the floor.
	quietest = -65.0

	// The floor is the least level of the last two to two and a half seconds: speech pauses
	// more often, noise does not.
	dips   = 5
	dipMs  = 500
	wander = 2.0 // how far the least of so many blocks of noise lies below their mean, in dB
)

// Options of New. The zero value of each takes what stands behind it.
type Options struct {
	Rate  int           // of the sound, in Hz; 8000
	Onset time.Duration // of sound above the floor before it is a voice, clicks apart; 30 ms
	Hang  time.Duration // how long a voice lasts on after its last sound; 300 ms
}

// Detector listens to one stream of sound. Its time is that of the sound, so it may be fed
// late or ahead. Not safe for concurrent use; it allocates nothing.
type Detector struct {
	block       int // samples
	onset, hang int // blocks

	sum     int64 // of squares
	samples int   // that have gone into it

	least  [dips]float64 // level of each stretch, the newest at place
	place  int
	filled int // blocks in the newest

	level    float64
	loud     int // blocks above the floor, less those below
	quiet    int // blocks since the last above
	speaking bool
}

// New makes a detector that has heard silence so far.
func New(o Options) *Detector {
	d := &Detector{}
	d.Init(o)
	return d
}

// Init makes d as New does, in place.
func (d *Detector) Init(o Options) {
	if o.Rate <= 0 {
		o.Rate = 8000
	}
	if o.Onset <= 0 {
		o.Onset = 30 * time.Millisecond
	}
	if o.Hang <= 0 {
		o.Hang = 300 * time.Millisecond
	}
	blocks := func(t time.Duration) int { return max(1, int(t.Milliseconds()+blockMs-1)/blockMs) }
	*d = Detector{block: o.Rate * blockMs / 1000, onset: blocks(o.Onset), hang: blocks(o.Hang), level: silence}
	for i := range d.least {
		d.least[i] = loudest // the first dip tells more
	}
}

// silence is the level of no sound at all, in dBov.
const silence = -127.0

// Write takes sound of any length and tells whether somebody speaks at its end.
func (d *Detector) Write(pcm []int16) bool {
	for len(pcm) > 0 {
		n := min(len(pcm), d.block-d.samples)
		var sum int64
		for _, s := range pcm[:n] {
			sum += int64(s) * int64(s)
		}
		d.sum += sum
		d.samples += n
		pcm = pcm[n:]
		if d.samples == d.block {
			d.judge()
		}
	}
	return d.speaking
}

// Skip lets time pass in which nothing came. It tells nothing about the noise.
func (d *Detector) Skip(t time.Duration) bool {
	for n := min(int64(t/time.Millisecond/blockMs), int64(d.hang)); n > 0; n-- {
		d.below()
	}
	return d.speaking
}

// Speaking tells whether somebody speaks, the hang-over included.
func (d *Detector) Speaking() bool { return d.speaking }

// Active tells whether the last 10 ms were above the floor.
func (d *Detector) Active() bool { return d.quiet == 0 && d.loud > 0 }

// Level is that of the last 10 ms in dBov: 0 is full scale, -127 silence.
func (d *Detector) Level() float64 { return d.level }

// Floor is the level of the noise, as far as it is known, in dBov.
func (d *Detector) Floor() float64 {
	low := d.least[0]
	for _, l := range d.least[1:] {
		low = min(low, l)
	}
	return max(quietest, min(loudest, low+wander))
}

// judge ends a block.
func (d *Detector) judge() {
	d.level = silence
	if d.sum > 0 {
		d.level = 10 * math.Log10(float64(d.sum)/float64(d.block)/(1<<30))
	}
	d.sum, d.samples = 0, 0
	if d.level > max(faintest, d.Floor()+margin) {
		d.above()
	} else {
		d.below()
	}
	d.learn()
}

func (d *Detector) above() {
	d.quiet = 0
	if d.loud = min(d.loud+1, d.onset); d.loud == d.onset {
		d.speaking = true
	}
}

func (d *Detector) below() {
	d.loud = max(0, d.loud-1)
	if d.quiet++; d.quiet >= d.hang {
		d.speaking, d.loud = false, 0
	}
}

// learn puts the block into the newest stretch, or begins another.
func (d *Detector) learn() {
	if d.filled == dipMs/blockMs {
		d.place, d.filled = (d.place+1)%dips, 0
		d.least[d.place] = d.level
	}
	if d.filled++; d.filled == 1 || d.level < d.least[d.place] {
		d.least[d.place] = d.level
	}
}
