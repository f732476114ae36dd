package codec

// G.722 at 64 kbit/s (ITU-T G.722, mode 1): 16 kHz audio is split into two bands, each coded
// as ADPCM at 8 kHz, the lower with 6 bits a sample and the upper with 2. Names in capitals
// are the blocks of the Recommendation; its arithmetic is in 16 bits that saturate.

// tables722 are the constants of the Recommendation.
type tables722 struct {
	qmf       [12]int32 // half of the symmetric filter, its even taps
	decide    [30]int32 // Q6: decision levels of the lower band
	out6      [64]int32 // inverse quantizers, by code
	out4      [16]int32
	out2      [4]int32
	logLower  [8]int32 // W: how a code changes the scale
	logUpper  [2]int32
	classes   [16]uint8 // of out4 codes, into logLower
	exponents [32]int32 // 2048·2^(i/32)
}

// constants722 is built once and never written.
var constants722 = tables722{
	qmf:    [12]int32{3, -11, 12, 32, -210, 951, 3876, -805, 362, -156, 53, -11},
	decide: [30]int32{0, 35, 72, 110, 150, 190, 233, 276, 323, 370, 422, 473, 530, 587, 650, 714, 786, 858, 940, 1023, 1121, 1219, 1339, 1458, 1612, 1765, 1980, 2195, 2557, 2919},
	out6: [64]int32{
		-136, -136, -136, -136, -24808, -21904, -19008, -16704, -14984, -13512, -12280, -11192, -10232, -9360, -8576, -7856,
		-7192, -6576, -6000, -5456, -4944, -4464, -4008, -3576, -3168, -2776, -2400, -2032, -1688, -1360, -1040, -728,
		24808, 21904, 19008, 16704, 14984, 13512, 12280, 11192, 10232, 9360, 8576, 7856, 7192, 6576, 6000, 5456,
		4944, 4464, 4008, 3576, 3168, 2776, 2400, 2032, 1688, 1360, 1040, 728, 432, 136, -432, -136,
	},
	out4:     [16]int32{0, -20456, -12896, -8968, -6288, -4240, -2584, -1200, 20456, 12896, 8968, 6288, 4240, 2584, 1200, 0},
	out2:     [4]int32{-7408, -1616, 7408, 1616},
	logLower: [8]int32{-60, -30, 58, 172, 334, 538, 1198, 3042},
	logUpper: [2]int32{-214, 798},
	classes:  [16]uint8{0, 7, 6, 5, 4, 3, 2, 1, 7, 6, 5, 4, 3, 2, 1, 0},
	exponents: [32]int32{
		2048, 2093, 2139, 2186, 2233, 2282, 2332, 2383, 2435, 2489, 2543, 2599, 2656, 2714, 2774, 2834,
		2896, 2960, 3025, 3091, 3158, 3228, 3298, 3371, 3444, 3520, 3597, 3676, 3756, 3838, 3922, 4008,
	},
}

func sat(v int32) int32 { return max(-32768, min(32767, v)) }

// band is the adaptive part of one band, the same in encoder and decoder (BLOCK3, BLOCK4).
type band struct {
	scale  int32    // DET: the quantizer's step
	log    int32    // NB: its logarithm
	guess  int32    // S: the prediction
	zeros  int32    // SZ: the part of it by zeros
	recent [3]int32 // R: reconstructed signal
	part   [3]int32 // P: partly reconstructed
	poles  [3]int32 // A, from 1
	diff   [7]int32 // D: quantized differences
	zero   [7]int32 // B, from 1
}

// rescale adapts the step by a code's weight (LOGSCL, SCALEL and their upper kin).
func (b *band) rescale(weight, limit, shift int32) {
	b.log = max(0, min(limit, b.log*127>>7+weight))
	e := constants722.exponents[b.log>>6&31]
	if s := shift - b.log>>11; s < 0 {
		e <<= -s
	} else {
		e >>= s
	}
	b.scale = e << 2
}

// adapt takes in a quantized difference and predicts the next sample.
func (b *band) adapt(d int32) {
	b.diff[0] = d
	b.recent[0] = sat(b.guess + d) // RECONS
	b.part[0] = sat(b.zeros + d)   // PARREC
	b.adaptPoles()
	b.adaptZeros()

	copy(b.recent[1:], b.recent[:2]) // DELAYA
	copy(b.part[1:], b.part[:2])
	copy(b.diff[1:], b.diff[:6])

	poles := sat(b.poles[1]*sat(2*b.recent[1])>>15 + b.poles[2]*sat(2*b.recent[2])>>15) // FILTEP
	b.zeros = 0
	for i := 6; i > 0; i-- { // FILTEZ
		b.zeros += b.zero[i] * sat(2*b.diff[i]) >> 15
	}
	b.zeros = sat(b.zeros)
	b.guess = sat(poles + b.zeros) // PREDIC
}

// adaptPoles is UPPOL2 and UPPOL1.
func (b *band) adaptPoles() {
	same1 := b.part[0] < 0 == (b.part[1] < 0)
	same2 := b.part[0] < 0 == (b.part[2] < 0)

	w := sat(4 * b.poles[1])
	if same1 {
		w = sat(-w)
	}
	second := w >> 7
	if same2 {
		second += 128
	} else {
		second -= 128
	}
	second = max(-12288, min(12288, second+b.poles[2]*32512>>15))

	first := b.poles[1] * 32640 >> 15
	if same1 {
		first += 192
	} else {
		first -= 192
	}
	limit := sat(15360 - second)
	b.poles[1] = max(-limit, min(limit, sat(first)))
	b.poles[2] = second
}

// adaptZeros is UPZERO.
func (b *band) adaptZeros() {
	step := int32(128)
	if b.diff[0] == 0 {
		step = 0
	}
	for i := 1; i < 7; i++ {
		w := b.zero[i] * 32640 >> 15
		if b.diff[i] < 0 == (b.diff[0] < 0) {
			w += step
		} else {
			w -= step
		}
		b.zero[i] = sat(w)
	}
}

// lower takes in a code of the lower band, without its two least bits.
func (b *band) lower(code4 int32) {
	t := &constants722
	d := b.scale * t.out4[code4] >> 15
	b.rescale(t.logLower[t.classes[code4]], 18432, 8)
	b.adapt(d)
}

// upper takes in a code of the upper band and returns its difference.
func (b *band) upper(code2 int32) (d int32) {
	t := &constants722
	d = b.scale * t.out2[code2] >> 15
	b.rescale(t.logUpper[1-code2&1], 22528, 10)
	b.adapt(d)
	return d
}

// state722 is one direction of a stream.
type state722 struct {
	low, high band
	delay     [24]int32 // of the band splitting filter
}

func newState722() state722 {
	return state722{low: band{scale: 32}, high: band{scale: 8}}
}

// filter shifts two values into the delay line and returns the sums over its even and odd
// places (RECEIVE and TRANSMIT QMF).
func (s *state722) filter(a, b int32) (even, odd int32) {
	copy(s.delay[:], s.delay[2:])
	s.delay[22], s.delay[23] = a, b
	c := &constants722.qmf
	for i := range 12 {
		even += s.delay[2*i] * c[i]
		odd += s.delay[2*i+1] * c[11-i]
	}
	return even, odd
}

type encoder722 struct{ state722 }

// Encode makes one byte of two samples; an odd one at the end is left out.
func (e *encoder722) Encode(dst []byte, pcm []int16) int {
	n := min(len(dst), len(pcm)/2)
	for i := range n {
		even, odd := e.filter(int32(pcm[2*i]), int32(pcm[2*i+1]))
		low := e.quantizeLow((odd + even) >> 14)
		high := e.quantizeHigh((odd - even) >> 14)
		dst[i] = byte(high<<6 | low)
	}
	return n
}

// quantizeLow is SUBTRA, QUANTL and the adaption of the lower band.
func (e *encoder722) quantizeLow(x int32) (code int32) {
	diff := sat(x - e.low.guess)
	size := diff
	if diff < 0 {
		size = -(diff + 1)
	}
	level := int32(1)
	for level < 30 && size >= constants722.decide[level]*e.low.scale>>12 {
		level++
	}
	switch { // codes fall with the level; 0 to 3 are not used, and negatives have two at 62
	case diff >= 0:
		code = 62 - level
	case level < 3:
		code = 64 - level
	default:
		code = 34 - level
	}
	e.low.lower(code >> 2)
	return code
}

// quantizeHigh is SUBTRA, QUANTH and the adaption of the upper band.
func (e *encoder722) quantizeHigh(x int32) (code int32) {
	diff := sat(x - e.high.guess)
	size := diff
	code = 3
	if diff < 0 {
		size = -(diff + 1)
		code = 1
	}
	if size >= 564*e.high.scale>>12 {
		code--
	}
	e.high.upper(code)
	return code
}

type decoder722 struct{ state722 }

// Decode makes two samples of each byte.
func (d *decoder722) Decode(dst []int16, payload []byte) int {
	n := min(len(payload), len(dst)/2)
	for i, b := range payload[:n] {
		low, high := int32(b&0x3F), int32(b>>6)
		rlow := limit15(d.low.guess + d.low.scale*constants722.out6[low]>>15) // INVQBL, LIMIT
		d.low.lower(low >> 2)
		guess := d.high.guess
		rhigh := limit15(guess + d.high.upper(high))
		even, odd := d.filter(rlow+rhigh, rlow-rhigh)
		dst[2*i] = int16(sat(odd >> 11))
		dst[2*i+1] = int16(sat(even >> 11))
	}
	return 2 * n
}

func limit15(v int32) int32 { return max(-16384, min(16383, v)) }
