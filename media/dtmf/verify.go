package dtmf

import (
	"math"
	"math/cmplx"
)

// Limits of a digit, after ITU-T Q.24, with a margin for what measuring costs.
const (
	maxOffset   = 0.025 // of a frequency: 1.5% must be taken, 3.5% must not
	maxResidual = 0.12  // of the energy beside the two tones: a burst of 22 ms leaves 0.14
	rowTwist    = 8.7   // dB that the row may be stronger; 8 must be taken
	columnTwist = 4.7   // dB that the column may be stronger; 4 must be taken
	leastLevel  = -37.0 // dB of a tone relative to a full-scale sine; -28 must be taken
)

// verify tells whether two blocks together hold two steady tones of the right frequencies
// and nothing else. Speech, that may look like a digit to the filters for a moment, glides.
func (d *Detector) verify(a, b block) bool {
	low, ok := d.frequency(a.row, a.low, b.low)
	if !ok {
		return false
	}
	high, ok := d.frequency(a.column, a.high, b.high)
	if !ok {
		return false
	}
	lowPower, highPower, residual, ok := fit(d.pcm, low, high)
	least := math.Pow(math.MaxInt16*math.Pow(10, leastLevel/20), 2)
	return ok && residual <= maxResidual && min(lowPower, highPower) >= least &&
		lowPower <= highPower*decibels(rowTwist) && highPower <= lowPower*decibels(columnTwist)
}

// frequency measures a tone, in radians a sample, by how far its phase turned from one
// block to the next.
func (d *Detector) frequency(i int, a, b complex128) (omega float64, ok bool) {
	nominal := d.omega[i]
	turned := cmplx.Phase(b * cmplx.Conj(a))
	off := math.Remainder(turned-nominal*float64(d.size), 2*math.Pi) / float64(d.size)
	return nominal + off, math.Abs(off) <= maxOffset*nominal
}

// fit finds the two tones, at given radians a sample, that leave the least of pcm: the
// squares of their amplitudes, and the share of the energy left over.
func fit(pcm []int16, low, high float64) (lowPower, highPower, residual float64, ok bool) {
	var m [4][5]float64 // normal equations, the right side last
	var energy float64
	for n, s := range pcm {
		var x [5]float64
		x[1], x[0] = math.Sincos(low * float64(n))
		x[3], x[2] = math.Sincos(high * float64(n))
		x[4] = float64(s)
		energy += x[4] * x[4]
		for i := range 4 {
			for k := i; k < 5; k++ {
				m[i][k] += x[i] * x[k]
			}
		}
	}
	right := [4]float64{m[0][4], m[1][4], m[2][4], m[3][4]}
	for i := range 4 {
		for k := range i {
			m[i][k] = m[k][i]
		}
	}
	w, ok := solve(m)
	if !ok || energy == 0 {
		return 0, 0, 1, false
	}
	explained := 0.0
	for i, r := range right {
		explained += w[i] * r
	}
	return w[0]*w[0] + w[1]*w[1], w[2]*w[2] + w[3]*w[3], 1 - explained/energy, true
}

// solve is Gauss's elimination; the matrix is positive definite unless tones coincide.
func solve(m [4][5]float64) (w [4]float64, ok bool) {
	for i := range 4 {
		if m[i][i] < 1e-6 {
			return w, false
		}
		for r := i + 1; r < 4; r++ {
			f := m[r][i] / m[i][i]
			for k := i; k < 5; k++ {
				m[r][k] -= f * m[i][k]
			}
		}
	}
	for i := 3; i >= 0; i-- {
		w[i] = m[i][4]
		for k := i + 1; k < 4; k++ {
			w[i] -= m[i][k] * w[k]
		}
		w[i] /= m[i][i]
	}
	return w, true
}
