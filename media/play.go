package media

import (
	"slices"
	"sync"
	"time"
)

// PlayOptions of Session.Play.
type PlayOptions struct {
	Loop   int           // how often the list is played: 0 and 1 once, below 0 until stopped
	Seek   time.Duration // how far into the list the first time begins
	Volume int           // dB louder, quieter below 0; at most MaxVolume either way
}

// MaxVolume bounds PlayOptions.Volume, in dB.
const MaxVolume = 40

// Playback is something being sent: prompts, tones or digits.
type Playback struct {
	session *Session
	sources []Source // as they are played
	done    chan struct{}
	once    sync.Once
	err     error
}

func newPlayback(s *Session) *Playback {
	return &Playback{session: s, done: make(chan struct{})}
}

// Done is closed when the last frame has been heard, or the playback has been ended.
func (b *Playback) Done() <-chan struct{} { return b.done }

// Err tells, once Done is closed, why it did not play to its end: ErrStopped, ErrClosed,
// or nil if it did.
func (b *Playback) Err() error {
	select {
	case <-b.done:
		return b.err
	default:
		return nil
	}
}

// Stop ends it at once, within the frame being played. It may be called at any time.
func (b *Playback) Stop() {
	b.session.post(func(m *stream) { m.stop(b) })
}

func (b *Playback) end(err error) {
	b.once.Do(func() {
		b.err = err
		close(b.done)
	})
}

// Play sends the sources one after the other without a gap; what played before is stopped.
// It may be called before the answer: the sound begins once a codec has been agreed. While
// the peer holds us it goes on unheard.
func (s *Session) Play(sources []Source, o PlayOptions) *Playback {
	b := newPlayback(s)
	b.sources = slices.Clone(sources)
	if o.Volume != 0 {
		for i, src := range b.sources {
			b.sources[i] = src.louder(max(-MaxVolume, min(o.Volume, MaxVolume)))
		}
	}
	p := b.player(o.Seek)
	p.loops = o.Loop
	if !s.post(func(m *stream) { m.startPlayback(p) }) {
		b.end(ErrClosed)
	}
	return b
}

// player is the worker's side of a Playback.
type player struct {
	playback *Playback
	sources  []Source
	intro    int // of them, those of a first time that begins in the middle
	paused   bool
	loops    int
	format   *format
	tracks   []*track
	at       int // the track being played
	pos      int // bytes of it that are played
	over     bool
}

// load takes the tracks of the sources in one format and has the pool encode them.
func (p *player) load(e *Engine, f *format) {
	p.format, p.tracks = f, make([]*track, 0, len(p.sources))
	for _, s := range p.sources {
		t := s.track(f)
		p.tracks = append(p.tracks, t)
		e.encoder.want(t)
	}
}

// prime encodes the beginning at once, so that the first packet has not to wait.
func (p *player) prime() {
	if len(p.tracks) > 0 && p.tracks[0].ready.Load() == 0 {
		p.tracks[0].encodeChunk()
	}
}

// player begins so far into the list. What it needs first is encoded when it returns.
func (b *Playback) player(seek time.Duration) *player {
	intro := after(b.sources, seek)
	p := &player{playback: b, sources: append(intro, b.sources...), intro: len(intro)}
	p.load(b.session.engine, b.session.format())
	p.prime()
	return p
}

// after is what is left of a list after d: nothing if all of it is to be played.
func after(sources []Source, d time.Duration) []Source {
	if d <= 0 {
		return nil
	}
	for i, s := range sources {
		length, ends := s.length()
		if !ends || d < length {
			return append([]Source{s.from(d)}, sources[i+1:]...)
		}
		d -= length
	}
	return []Source{Silence(0)}
}

// Length is how long a list of sources plays; false if it has no end.
func Length(sources []Source) (d time.Duration, ends bool) {
	for _, s := range sources {
		one, ok := s.length()
		if !ok {
			return 0, false
		}
		d += one
	}
	return d, true
}

// Seek goes on at another place of the list. A loop is begun by it again.
func (b *Playback) Seek(d time.Duration) {
	p := b.player(d)
	b.session.post(func(m *stream) {
		if now := m.play; now != nil && now.playback == b {
			p.loops, p.paused = now.loops, now.paused
			m.play = p
		}
	})
}

// Pause keeps it where it is, silent, until it is resumed.
func (b *Playback) Pause() { b.hold(true) }

// Resume goes on with what was paused.
func (b *Playback) Resume() { b.hold(false) }

func (b *Playback) hold(paused bool) {
	b.session.post(func(m *stream) {
		if m.play != nil && m.play.playback == b {
			m.play.paused = paused
		}
	})
}

func (m *stream) startPlayback(p *player) {
	if m.ended {
		p.playback.end(ErrClosed)
		return
	}
	m.endPlayback(ErrStopped)
	if len(p.tracks) == 0 {
		m.finish(p.playback, nil)
		return
	}
	m.play = p
	m.startFrames()
}

// finish reports the end of a playback.
func (m *stream) finish(b *Playback, err error) {
	b.end(err)
	m.emit(Event{Kind: EventPlayed, Playback: b})
}

func (m *stream) endPlayback(err error) {
	if p := m.play; p != nil {
		m.play = nil
		m.tx.pause()
		m.finish(p.playback, err)
	}
}

// stop ends a playback or a run of digits wherever it stands.
func (m *stream) stop(b *Playback) {
	if m.play != nil && m.play.playback == b {
		m.endPlayback(ErrStopped)
		return
	}
	m.stopKeys(b)
}

// playFrame sends the next frame of the prompts; false once they have ended.
func (m *stream) playFrame() bool {
	p := m.play
	if p.over {
		m.endPlayback(nil)
		return false
	}
	if p.format != m.p.format { // agreed on meanwhile
		p.change(m.session.engine, m.p.format)
	}
	if p.paused {
		m.silenceFrame(fromPlayback)
		return true
	}
	b := m.payload()
	n, starved := p.fill(b)
	switch {
	case starved && n == 0:
		m.count.underruns++
		m.silenceFrame(fromPlayback)
		return true
	case n == 0:
		m.endPlayback(nil)
		return false
	}
	m.p.format.hush(b[n:])
	m.sendFrame(fromPlayback, len(b))
	return true
}

// change goes on in another format at the same moment of the sound.
func (p *player) change(e *Engine, f *format) {
	from := p.format
	p.load(e, f)
	p.pos = f.whole(p.pos / from.perMs * f.perMs)
}

// fill copies what comes next, across the borders of sources, so that a list has no gaps.
// starved tells that the encoder has not got so far.
func (p *player) fill(b []byte) (n int, starved bool) {
	barren := 0 // tracks without a sound in a row: a list of nothing must not turn for ever
	for n < len(b) && !p.over {
		t := p.tracks[p.at]
		got, ended, ready := t.read(b[n:], p.pos, p.format)
		n += got
		p.pos += got
		if got > 0 {
			barren = 0
		}
		switch {
		case ended:
			p.advance()
			if barren++; barren > len(p.tracks) {
				p.over = true
			}
		case !ready:
			return n, true
		}
	}
	return n, false
}

// advance goes to the next source, or around, or ends.
func (p *player) advance() {
	p.pos = 0
	if p.at++; p.at < len(p.tracks) && p.at != p.intro {
		return
	}
	p.at = p.intro
	if p.loops >= 0 {
		p.loops--
		p.over = p.loops <= 0
	}
}
