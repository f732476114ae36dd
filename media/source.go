package media

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"sync"
	"time"

	"tandem/media/tone"
)

// Source is something to play: a Clip, a tone, silence. Sources are immutable; any number
// of sessions may play one at once.
type Source interface {
	// track is the source in one format, shared by all who play it; it is made, not yet
	// encoded, by the first who asks.
	track(f *format) *track
	// length is how long it plays; ok is false if it has no end.
	length() (d time.Duration, ok bool)
	// from is what is left of it after d, which is less than its length.
	from(d time.Duration) Source
	// louder is the same, louder by so many dB.
	louder(dB int) Source
}

// Silence is so much silence.
func Silence(d time.Duration) Source { return silence(d) }

type silence time.Duration

func (s silence) track(f *format) *track {
	return silentTrack(bytesOf(f, max(0, time.Duration(s))))
}

func (s silence) length() (time.Duration, bool) { return time.Duration(s), true }

func (s silence) from(d time.Duration) Source { return max(0, s-silence(d)) }

func (s silence) louder(int) Source { return s }

// shelf keeps the tracks of a source, one a format.
type shelf struct {
	mu     sync.Mutex
	tracks map[*format]*track
}

func (s *shelf) get(f *format, make func(*format) *track) *track {
	s.mu.Lock()
	defer s.mu.Unlock()
	t := s.tracks[f]
	if t == nil {
		if s.tracks == nil {
			s.tracks = map[*format]*track{}
		}
		t = make(f)
		s.tracks[f] = t
	}
	return t
}

// toneSource is a tone; cadences and tones without an end are rendered up to the point
// where they begin anew.
type toneSource struct {
	spec *tone.Spec
	name string // as it was asked for
	shelf
}

// Title is how a person knows a source: the name of a file, "tone", how long a silence is.
func Title(src Source) string {
	switch s := src.(type) {
	case *Clip:
		return s.Name()
	case *toneSource:
		return cmp.Or(s.name, "a tone")
	case silence:
		return "silence of " + time.Duration(s).String()
	}
	return "a sound"
}

// ParseTone reads a tone, with or without "tone:" before it: "425/1000,0/4000", "ring",
// "busy-uk", "beep". Cadences by name go on until stopped. Errors wrap tone.ErrSpec.
func ParseTone(spec string) (Source, error) {
	s, err := tone.Parse(spec)
	if err != nil {
		return nil, fmt.Errorf("media: %w", err)
	}
	return &toneSource{spec: s, name: spec}, nil
}

func (s *toneSource) track(f *format) *track { return s.get(f, s.render) }

func (s *toneSource) render(f *format) *track {
	d, endless := s.spec.Duration()
	again := time.Duration(0)
	if endless {
		// The wave of the last step repeats; its swelling does not.
		period := s.period()
		again = d + period
		d = again + period
	}
	g := tone.NewGenerator(s.spec, f.SampleRate)
	produce := encodeFrom(f, g.Read)
	t := newTrack(f, bytesOf(f, d), produce)
	t.endless, t.again = endless || s.spec.Repeats, bytesOf(f, again)
	return t
}

// period is after how long the last step's tones are in phase again: whole Hz after a
// second, tenths after ten.
func (s *toneSource) period() time.Duration {
	for _, hz := range s.spec.Steps[len(s.spec.Steps)-1].Hz {
		if hz != math.Trunc(hz) {
			return 10 * time.Second
		}
	}
	return time.Second
}

func bytesOf(f *format, d time.Duration) int { return f.whole(int(d/time.Millisecond) * f.perMs) }

func (s *toneSource) length() (time.Duration, bool) {
	d, endless := s.spec.Duration()
	return d, !endless && !s.spec.Repeats
}

// from cuts off the beginning of a tone; one that has no end sounds as it did.
func (s *toneSource) from(d time.Duration) Source {
	if _, ends := s.length(); !ends {
		return s
	}
	spec := *s.spec
	for len(spec.Steps) > 0 && d >= spec.Steps[0].For {
		d -= spec.Steps[0].For
		spec.Steps = spec.Steps[1:]
	}
	if d > 0 && len(spec.Steps) > 0 {
		spec.Steps = slices.Clone(spec.Steps)
		spec.Steps[0].For -= d
	}
	return &toneSource{spec: &spec, name: s.name}
}

func (s *toneSource) louder(dB int) Source {
	spec := *s.spec
	spec.Steps = slices.Clone(spec.Steps)
	for i := range spec.Steps {
		spec.Steps[i].Level = min(0, spec.Steps[i].Level+float64(dB))
	}
	return &toneSource{spec: &spec, name: s.name}
}
