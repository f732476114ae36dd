package hear

// Found says how much of a sent sound was heard.
type Found struct {
	Share  float64 // of the sounding pieces of what was sent, from 0 to 1
	Score  float64 // mean correlation of the pieces found
	Offset int     // samples into the heard sound where the first piece found began
	Order  bool    // the pieces were found in the order they were sent
}

// Pieces of this length are looked for by themselves, so that a jitter buffer that drops or
// stretches a frame costs one piece and not the rest of the sound.
const pieceMS = 600

// A piece counts as found from this correlation on. G.711 keeps 0.99 of speech; among the
// shipped prompts, different words of one voice reach 0.80.
const foundScore = 0.85

// Find looks for sent within heard, piece by piece; both have the same rate in Hz. Pieces
// of silence do not count. For steady tones use Tone: a tone is found everywhere in itself.
func Find(heard, sent []int16, rate int) Found {
	size := rate * pieceMS / 1000
	e := newEar(heard, size)
	f := Found{Order: true}
	sounding, last := 0, -1<<31
	for at := 0; at+size/2 <= len(sent); at += size {
		piece := sent[at:min(at+size, len(sent))]
		if Level(piece) < quiet {
			continue
		}
		sounding++
		m := e.correlate(piece)
		if m.Score < foundScore {
			continue
		}
		if f.Share == 0 {
			f.Offset = m.Offset - at
		}
		f.Share++
		f.Score += m.Score
		f.Order = f.Order && m.Offset > last
		last = m.Offset
	}
	if f.Share > 0 {
		f.Score /= f.Share
		f.Share /= float64(sounding)
	}
	return f
}
