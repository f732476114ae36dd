package dtmf

import (
	"math"
	"math/cmplx"
	"time"
)

// A block of 12.75 ms is long enough to part the rows, and 40 ms of tone hold two of them
// wherever they begin. Its limits are loose; those that count are in verify.
const (
	blockTime    = 12750 * time.Microsecond
	blockPurity  = 0.5  // least share of the block's energy in the two tones
	blockStands  = 5.0  // dB that a tone must stand above the others of its group
	blockTwist   = 12.0 // dB between row and column
	blockLevel   = -40.0
	liftMisses   = 3 // blocks: a gap of 10 ms is bridged, one of 40 ms is not
	rowsAndBands = 8
)

// Detector finds DTMF digits in the audio of one direction of a call: Goertzel filters
// (ITU-T Q.23 frequencies) propose, a fit of two steady tones decides. It does not allocate
// and is not safe for concurrent use.
type Detector struct {
	rate  float64
	size  int
	omega [rowsAndBands]float64 // of the four rows and the four columns, radians a sample
	turn  [rowsAndBands]float64 // 2·cos(ω)
	floor float64               // Goertzel power of a tone of blockLevel

	n      int // samples in the block
	spoilt bool
	energy float64
	s1, s2 [rowsAndBands]float64
	pcm    []int16 // the block before, then this one

	before block // zero if it held no digit, or was spoilt
	down   byte  // key held, 0 if none
	misses int
	blocks int // since it went down
}

// block is what the filters say about one.
type block struct {
	digit       byte // 0 if none
	row, column int  // indices of omega
	low, high   complex128
}

// NewDetector makes a detector for PCM at a rate in Hz, 8000 or more.
func NewDetector(rate int) *Detector {
	d := &Detector{rate: float64(rate), size: int(math.Round(blockTime.Seconds() * float64(rate)))}
	for i, digit := range []byte("147*") {
		low, _, _ := Frequencies(digit)
		_, high, _ := Frequencies("123A"[i])
		d.omega[i] = 2 * math.Pi * low / d.rate
		d.omega[4+i] = 2 * math.Pi * high / d.rate
	}
	for i, w := range d.omega {
		d.turn[i] = 2 * math.Cos(w)
	}
	amplitude := math.MaxInt16 * math.Pow(10, blockLevel/20)
	d.floor = math.Pow(amplitude*float64(d.size)/2, 2)
	d.pcm = make([]int16, 2*d.size)
	return d
}

// Detect listens to pcm and appends the keys that it heard go down or up to dst.
func (d *Detector) Detect(dst []Key, pcm []int16) []Key {
	for len(pcm) > 0 {
		k := min(len(pcm), d.size-d.n)
		copy(d.pcm[d.size+d.n:], pcm[:k])
		d.listen(pcm[:k])
		pcm = pcm[k:]
		dst = d.advance(dst, k)
	}
	return dst
}

// Skip tells that n samples were lost. What they held is not known: they neither end a
// digit nor part it in two.
func (d *Detector) Skip(dst []Key, n int) []Key {
	for n > 0 {
		k := min(n, d.size-d.n)
		d.spoilt = true
		n -= k
		dst = d.advance(dst, k)
	}
	return dst
}

func (d *Detector) listen(pcm []int16) {
	for _, s := range pcm {
		v := float64(s)
		d.energy += v * v
		for i := range d.turn {
			d.s1[i], d.s2[i] = v+d.turn[i]*d.s1[i]-d.s2[i], d.s1[i]
		}
	}
}

func (d *Detector) advance(dst []Key, k int) []Key {
	if d.n += k; d.n < d.size {
		return dst
	}
	if d.spoilt {
		d.before = block{}
		if d.down != 0 {
			d.blocks++
		}
	} else {
		dst = d.step(dst, d.decide())
	}
	d.n, d.spoilt, d.energy = 0, false, 0
	clear(d.s1[:])
	clear(d.s2[:])
	copy(d.pcm, d.pcm[d.size:])
	return dst
}

// decide names the digit that a whole block may hold.
func (d *Detector) decide() block {
	var power [rowsAndBands]float64
	for i := range power {
		power[i] = d.s1[i]*d.s1[i] + d.s2[i]*d.s2[i] - d.turn[i]*d.s1[i]*d.s2[i]
	}
	row, clearRow := strongest(power[:4])
	column, clearColumn := strongest(power[4:])
	low, high := power[row], power[4+column]
	switch {
	case !clearRow || !clearColumn || low < d.floor || high < d.floor:
		return block{}
	case max(low, high) > min(low, high)*decibels(blockTwist):
		return block{}
	case (low+high)*2/float64(d.size) < blockPurity*d.energy:
		return block{}
	}
	return block{
		digit: "123A456B789C*0#D"[row*4+column],
		row:   row, column: 4 + column,
		low: d.phasor(row), high: d.phasor(4 + column),
	}
}

// phasor is the amplitude and phase of a tone at the end of the block.
func (d *Detector) phasor(i int) complex128 {
	return complex(d.s1[i], 0) - cmplx.Rect(d.s2[i], -d.omega[i])
}

func decibels(db float64) float64 { return math.Pow(10, db/10) }

// strongest finds the greatest of a group, and whether it stands clear of the others.
func strongest(power []float64) (at int, stands bool) {
	for i, p := range power {
		if p > power[at] {
			at = i
		}
	}
	for i, p := range power {
		if i != at && p*decibels(blockStands) > power[at] {
			return at, false
		}
	}
	return at, true
}

// step takes in what a block held.
func (d *Detector) step(dst []Key, b block) []Key {
	before := d.before
	d.before = b
	if d.down != 0 {
		d.blocks++
		if b.digit == d.down {
			d.misses = 0
			return dst
		}
		d.misses++
	}
	press := b.digit != 0 && b.digit == before.digit && d.verify(before, b)
	if d.down != 0 && (press || d.misses >= liftMisses) {
		dst = d.lift(dst)
	}
	if press {
		d.down, d.misses, d.blocks = b.digit, 0, 2
		dst = append(dst, Key{Digit: b.digit})
	}
	return dst
}

func (d *Detector) lift(dst []Key) []Key {
	held := time.Duration(d.blocks-d.misses) * blockTime
	key := Key{Digit: d.down, Released: true, Duration: held}
	d.down, d.misses = 0, 0
	return append(dst, key)
}

// Down tells whether a key is held.
func (d *Detector) Down() bool { return d.down != 0 }
