package codec

import "math"

func saturate(v int32) int16 {
	return int16(max(math.MinInt16, min(math.MaxInt16, v)))
}

// Mix adds src to dst sample by sample, clipping at full scale.
func Mix(dst, src []int16) {
	for i := range min(len(dst), len(src)) {
		dst[i] = saturate(int32(dst[i]) + int32(src[i]))
	}
}

// Accumulate adds src to a sum that cannot clip with up to 65,536 parties.
func Accumulate(sum []int32, src []int16) {
	for i := range min(len(sum), len(src)) {
		sum[i] += int32(src[i])
	}
}

// MixMinus writes the sum without own, one party's share of it, clipping at full scale;
// own may be shorter or nil.
func MixMinus(dst []int16, sum []int32, own []int16) {
	n := min(len(dst), len(sum))
	k := min(n, len(own))
	for i := range k {
		dst[i] = saturate(sum[i] - int32(own[i]))
	}
	for i := k; i < n; i++ {
		dst[i] = saturate(sum[i])
	}
}

// Gain multiplies pcm by factor (1 changes nothing), clipping at full scale.
func Gain(pcm []int16, factor float64) {
	factor = max(-256, min(256, factor))
	f := int64(math.Round(factor * (1 << 16)))
	for i, s := range pcm {
		v := (int64(s)*f + 1<<15) >> 16
		pcm[i] = int16(max(math.MinInt16, min(math.MaxInt16, v)))
	}
}

// Decibels is the factor of a gain in dB.
func Decibels(db float64) float64 { return math.Pow(10, db/20) }

// Level is the power of pcm in dBov: 0 is a full-scale square wave, -3 a full-scale sine,
// -127 silence (RFC 6464 §3).
func Level(pcm []int16) float64 {
	var sum int64
	for _, s := range pcm {
		sum += int64(s) * int64(s)
	}
	if sum == 0 {
		return -127
	}
	return max(-127, 10*math.Log10(float64(sum)/float64(len(pcm))/(1<<30)))
}
