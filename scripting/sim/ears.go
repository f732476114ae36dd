package sim

import (
	"bytes"
	"net/netip"
	"sync"

	"tandem/media/codec"
	"tandem/media/hear"
	"tandem/media/rtp"
)

// quietest is the level, in dB, above which something is heard.
const quietest = -50.0

// found is the correlation from which on a piece of sound counts as heard.
const found = 0.85

const (
	rate = 8000 // of what is heard, in samples a second; each is a byte of µ-law

	keptHeard = 60 * rate // what is remembered of what a phone heard
	frame     = rate / 50 // samples in a packet
	probe     = rate / 2  // of a sound, to look for first
	slack     = rate / 10 // how far a part may have moved
	minPart   = rate / 20 // shorter ones cannot be told apart
	fullLook  = 5 * rate  // how much new sound is looked through by correlation
)

// ears keep what each phone hears: the RTP that comes to its address.
type ears struct {
	mu    sync.Mutex
	heard map[netip.AddrPort]*earful
}

// earful is what came to one address: µ-law, of which the oldest is forgotten.
type earful struct {
	sound     []byte
	forgotten int // samples that came before sound
}

// packet takes each datagram of the simulated network. All simulated phones speak µ-law, and
// nothing is lost or changes places there.
func (e *ears) packet(_, to netip.AddrPort, b []byte) {
	h, err := rtp.Parse(b)
	if err != nil || h.PayloadType != 0 {
		return
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.heard == nil {
		e.heard = map[netip.AddrPort]*earful{}
	}
	f := e.heard[to]
	if f == nil {
		f = &earful{}
		e.heard[to] = f
	}
	if len(f.sound) >= 2*keptHeard {
		f.forgotten += keptHeard
		f.sound = append(f.sound[:0], f.sound[keptHeard:]...)
	}
	f.sound = append(f.sound, h.Payload(b)...)
}

// since is what came to an address after so many samples, as far as it is remembered, and how
// many came before it.
func (e *ears) since(at netip.AddrPort, from int) (heard []byte, before int) {
	e.mu.Lock()
	defer e.mu.Unlock()
	f := e.heard[at]
	if f == nil {
		return nil, from
	}
	from = min(max(from, f.forgotten), f.forgotten+len(f.sound))
	return bytes.Clone(f.sound[from-f.forgotten:]), from
}

// search looks for one sound in what a phone hears from some moment on.
type search struct {
	sent   []byte
	parts  []int // what it is made of: where each part ends
	from   int   // samples that have been heard before
	looked int   // up to where by correlation
}

// in looks through what has come; all of it when it is the last look. end is where the sound
// ends in what the phone has heard.
func (s *search) in(e *ears, at netip.AddrPort, last bool) (end int, ok bool) {
	heard, before := e.since(at, s.from)
	if len(heard) < len(s.sent) {
		return 0, false
	}
	if i := same8(heard, s.sent); i >= 0 {
		return before + i + len(s.sent), true
	}
	// The slow way finds what plays louder, was decoded on its way, or is spoken over.
	total := before + len(heard)
	first := s.looked == 0
	if !last && !first && total < s.looked+fullLook {
		return 0, false
	}
	from := max(s.looked-len(s.sent)-rate, before)
	s.looked = total
	if !loud(heard[from-before:]) {
		return 0, false
	}
	pcm := linear(heard[from-before:])
	// Without its loudest part the sound is not there, and most of the time it is not.
	peak := max(min(loudest(s.sent), len(s.sent)-probe), 0)
	if piece := linear(s.sent[peak:min(peak+probe, len(s.sent))]); hear.Correlate(pcm, piece).Score < found {
		return 0, false
	}
	f := hear.Find(pcm, linear(s.sent), rate)
	begin := max(f.Offset, 0)
	return from + begin + len(s.sent), f.Share >= 0.9 && s.all(pcm, begin)
}

// all tells whether each part is where it should be: words that differ at the end of a long
// number are a small share of it.
func (s *search) all(pcm []int16, begin int) bool {
	at := 0
	for _, end := range s.parts {
		part := linear(s.sent[at:end])
		from, to := max(begin+at-slack, 0), min(begin+end+slack, len(pcm))
		if len(part) >= minPart && hear.Level(part) > quietest && (from >= to || hear.Correlate(pcm[from:to], part).Score < found) {
			return false
		}
		at = end
	}
	return true
}

// same8 finds sound within heard, which plays as it is in most cases: first its loudest
// packet, then nearly all of the rest. Less than 0: it is not there.
func same8(heard, sound []byte) int {
	at := loudest(sound)
	probe := sound[at:min(at+frame, len(sound))]
	for from := 0; ; {
		i := bytes.Index(heard[from:], probe)
		if i < 0 {
			return -1
		}
		from += i + 1
		begin := from - 1 - at
		if begin < 0 || begin+len(sound) > len(heard) {
			continue
		}
		differ := 0
		for k, b := range sound {
			if heard[begin+k] != b {
				differ++
			}
		}
		if differ <= len(sound)/50 {
			return begin
		}
	}
}

// loudest is where the loudest packet of a sound begins.
func loudest(sound []byte) int {
	best, most := 0, -1
	for at := 0; at+frame <= len(sound); at += frame {
		sum := 0
		for _, b := range sound[at : at+frame] {
			sum += int(^b & 0x7f) // ITU-T G.711: complemented, it grows with the level
		}
		if sum > most {
			best, most = at, sum
		}
	}
	return best
}

func linear(law []byte) []int16 {
	pcm := make([]int16, len(law))
	codec.DecodeMuLaw(pcm, law)
	return pcm
}

// loud tells whether there is anything to hear in a sound.
func loud(law []byte) bool { return len(law) > 0 && hear.Level(linear(law)) > quietest }

// correlates tells whether a sound is somewhere in a longer one.
func (s *search) correlates(pcm []int16) bool {
	f := hear.Find(pcm, linear(s.sent), rate)
	return f.Share >= 0.9 && s.all(pcm, max(f.Offset, 0))
}
