// Package tone makes the tones of the telephone network: from a written form
// ("425/1000,0/4000"), from names by country ("ring-uk") and from DTMF digits.
package tone

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"tandem/media/dtmf"
)

// ErrSpec is wrapped by the errors of Parse.
var ErrSpec = errors.New("bad tone")

// Limits of a written tone.
const (
	maxSteps = 64
	maxTones = 4 // at once
	minHz    = 20
	maxHz    = 3900 // fits a rate of 8 kHz
	maxStep  = 10 * time.Minute
	maxSpec  = 1024 // bytes
)

// Levels of the sum of a step's tones, in dB below a full-scale sine.
const (
	defaultLevel = -13.0 // about -10 dBm0, what ITU-T E.180 recommends
	dtmfLevel    = -7.0
)

// Step is one stretch of a tone.
type Step struct {
	Hz    []float64     // tones sounded together; none is silence
	For   time.Duration // 0: until stopped, in the last step only
	Level float64       // of all together, dB relative to a full-scale sine
}

// Spec is a tone: its steps, once through.
type Spec struct {
	Steps []Step
	// Repeats tells that the tone is a cadence that goes on until stopped, as ring and busy
	// do; Render and Generator still give one period.
	Repeats bool
}

// Parse reads a tone, with or without "tone:" before it. It is either steps parted by
// commas, each Hz[+Hz…][/ms] with 0 Hz for silence, where only the last may leave out its
// duration and then has no end; or a name, NAME[-COUNTRY], of dial, ring, busy, congestion,
// waiting, beep and sit; or dtmf-DIGITS. Errors wrap ErrSpec and quote the bad part.
func Parse(spec string) (*Spec, error) {
	text := strings.TrimSpace(strings.TrimPrefix(spec, "tone:"))
	if len(text) > maxSpec {
		return nil, fmt.Errorf("%w: longer than %d bytes", ErrSpec, maxSpec)
	}
	s, err := parse(text)
	if err != nil {
		return nil, fmt.Errorf("%w %q: %w", ErrSpec, spec, err)
	}
	return s, nil
}

func parse(text string) (*Spec, error) {
	if text == "" {
		return nil, errors.New("it is empty")
	}
	if c := text[0]; c < '0' || c > '9' {
		return named(text)
	}
	return steps(text)
}

func steps(text string) (*Spec, error) {
	parts := strings.Split(text, ",")
	if len(parts) > maxSteps {
		return nil, fmt.Errorf("more than %d steps", maxSteps)
	}
	s := &Spec{}
	for i, part := range parts {
		step, err := step(strings.TrimSpace(part))
		if err != nil {
			return nil, err
		}
		if step.For == 0 && i < len(parts)-1 {
			return nil, fmt.Errorf("%q has no duration but is not the last step", part)
		}
		s.Steps = append(s.Steps, step)
	}
	return s, nil
}

func step(part string) (Step, error) {
	tones, ms, timed := strings.Cut(part, "/")
	s := Step{Level: defaultLevel}
	if timed {
		n, err := strconv.Atoi(ms)
		if err != nil || n < 1 || n > int(maxStep/time.Millisecond) {
			return Step{}, fmt.Errorf("%q in %q is not a duration of 1 to %d ms", ms, part, maxStep/time.Millisecond)
		}
		s.For = time.Duration(n) * time.Millisecond
	}
	if tones == "0" {
		return s, nil
	}
	list := strings.Split(tones, "+")
	if len(list) > maxTones {
		return Step{}, fmt.Errorf("%q sounds more than %d tones at once", part, maxTones)
	}
	for _, t := range list {
		hz, err := strconv.ParseFloat(t, 64)
		if err != nil || !(hz >= minHz && hz <= maxHz) {
			return Step{}, fmt.Errorf("%q in %q is not a frequency of %d to %d Hz", t, part, minHz, maxHz)
		}
		s.Hz = append(s.Hz, hz)
	}
	return s, nil
}

// named finds NAME, NAME-COUNTRY or dtmf-DIGITS.
func named(text string) (*Spec, error) {
	name, rest, _ := strings.Cut(strings.ToLower(text), "-")
	switch name {
	case "dtmf":
		return dtmfSpec(rest)
	case "reorder":
		name = "congestion"
	case "ringback":
		name = "ring"
	}
	written, repeats, err := lookup(name, rest)
	if err != nil {
		return nil, err
	}
	s, err := steps(written)
	if err == nil {
		s.Repeats = repeats
	}
	return s, err
}

func dtmfSpec(digits string) (*Spec, error) {
	s, err := DTMF(digits, 100*time.Millisecond, 100*time.Millisecond)
	switch {
	case err != nil:
		return nil, err
	case len(s.Steps) == 0:
		return nil, errors.New("dtmf- needs digits")
	case len(s.Steps) > maxSteps:
		return nil, fmt.Errorf("more than %d digits", maxSteps/2)
	}
	return s, nil
}

// DTMF is the tones of digits (ITU-T Q.23), each on and then off for so long. Errors name
// the character that is no digit.
func DTMF(digits string, on, off time.Duration) (*Spec, error) {
	s := &Spec{}
	for i := range len(digits) {
		low, high, ok := dtmf.Frequencies(digits[i])
		if !ok {
			return nil, fmt.Errorf("%q is not a DTMF digit", digits[i])
		}
		s.Steps = append(s.Steps, Step{Hz: []float64{low, high}, For: on, Level: dtmfLevel}, Step{For: off})
	}
	return s, nil
}

// Duration is how long one period lasts; endless if its last step has no end.
func (s *Spec) Duration() (d time.Duration, endless bool) {
	for _, step := range s.Steps {
		endless = endless || step.For == 0
		d += step.For
	}
	return d, endless
}

func (s Step) same(o Step) bool { return s.Level == o.Level && slices.Equal(s.Hz, o.Hz) }
