package media

import (
	"slices"

	"tandem/media/sdp"
)

// Offer is an SDP offer: the first, or a new one within the session. It changes nothing
// until SetAnswer.
func (s *Session) Offer() []byte {
	s.sdpMu.Lock()
	defer s.sdpMu.Unlock()
	return s.sdp.offer()
}

// Answer takes the peer's offer and answers it. Errors wrap sdp.ErrMalformed or
// ErrNotAcceptable and leave everything as it was.
func (s *Session) Answer(offer []byte) ([]byte, error) {
	s.sdpMu.Lock()
	defer s.sdpMu.Unlock()
	body, err := s.sdp.answer(offer)
	if err != nil {
		return nil, err
	}
	s.apply()
	return body, nil
}

// SetAnswer takes the peer's answer to the last Offer, again for each further early
// dialog. Errors as of Answer.
func (s *Session) SetAnswer(answer []byte) error {
	s.sdpMu.Lock()
	defer s.sdpMu.Unlock()
	if err := s.sdp.setAnswer(answer); err != nil {
		return err
	}
	s.apply()
	return nil
}

// apply hands the outcome to the worker, in the order of the exchanges: sdpMu is held.
func (s *Session) apply() {
	p := s.sdp.agreed
	if p == nil {
		return
	}
	s.post(func(m *stream) { m.setParams(p) })
}

// SetDirection says what we would like in the next offer or answer: SendOnly puts the peer
// on hold.
func (s *Session) SetDirection(d sdp.Direction) {
	s.sdpMu.Lock()
	defer s.sdpMu.Unlock()
	s.sdp.want = d
}

// Prefer puts the codecs so named first in the next offer, before the one in use, and lets
// our order decide in answers. So a leg can be given the codec that the other leg has.
// Unknown names do nothing.
func (s *Session) Prefer(names ...string) {
	s.sdpMu.Lock()
	defer s.sdpMu.Unlock()
	first, err := formatsNamed(names)
	if err != nil {
		return
	}
	var list []*format
	for _, f := range append(first, s.sdp.formats...) {
		if contains(s.sdp.formats, f) && !contains(list, f) {
			list = append(list, f)
		}
	}
	if len(list) > 0 && contains(first, list[0]) {
		s.sdp.formats, s.sdp.prefer, s.sdp.wish = list, sdp.PreferOurs, list[0]
	}
}

// Ranked puts a peer's codecs, named in its order, in the one that decides: ours, where the
// engine prefers that. Those that we do not have come last.
func (s *Session) Ranked(theirs []string) []string {
	s.sdpMu.Lock()
	defer s.sdpMu.Unlock()
	if s.sdp.prefer != sdp.PreferOurs {
		return theirs
	}
	rank := func(name string) int {
		i := slices.Index(s.sdp.formats, formatNamed(name))
		if i < 0 {
			return len(s.sdp.formats)
		}
		return i
	}
	return slices.SortedStableFunc(slices.Values(theirs), func(a, b string) int { return rank(a) - rank(b) })
}

// PeerCodecs names the voice codecs that the peer described last and we have, in its order,
// as Codec names them; none before the first exchange.
func (s *Session) PeerCodecs() []string {
	s.sdpMu.Lock()
	defer s.sdpMu.Unlock()
	return named(s.sdp.theirs)
}

// VoiceCodecs names the codecs of the first audio stream of a description that we have; none
// if it cannot be read.
func VoiceCodecs(description []byte) []string {
	d, err := sdp.Parse(description)
	if err != nil {
		return nil
	}
	_, m := d.Find(func(m *sdp.Media) bool { return m.Type == "audio" })
	if m == nil {
		return nil
	}
	return named(m.Codecs)
}

func named(list []sdp.Codec) []string {
	var names []string
	for _, c := range list {
		if f := formatNamed(c.Name); f != nil {
			names = append(names, f.Name)
		}
	}
	return names
}

// Held tells whether the peer has put us on hold: we may not send.
func (s *Session) Held() bool {
	s.sdpMu.Lock()
	defer s.sdpMu.Unlock()
	return s.sdp.agreed != nil && !s.sdp.mute && !s.sdp.agreed.sends && s.sdp.want.Sends()
}

// Direction is the agreed one as we see it; SendRecv before the first exchange.
func (s *Session) Direction() sdp.Direction {
	s.sdpMu.Lock()
	defer s.sdpMu.Unlock()
	if s.sdp.agreed == nil {
		return sdp.SendRecv
	}
	return sdp.DirectionOf(s.sdp.agreed.sends, s.sdp.agreed.receives)
}

// Negotiated tells whether an offer has been answered.
func (s *Session) Negotiated() bool {
	s.sdpMu.Lock()
	defer s.sdpMu.Unlock()
	return s.sdp.agreed != nil
}

// Codec is the name of the agreed codec, "" before that.
func (s *Session) Codec() string {
	s.sdpMu.Lock()
	defer s.sdpMu.Unlock()
	if s.sdp.agreed == nil {
		return ""
	}
	return s.sdp.agreed.format.Name
}

// format is the agreed one, or what we would like best before that.
func (s *Session) format() *format {
	s.sdpMu.Lock()
	defer s.sdpMu.Unlock()
	if s.sdp.agreed != nil {
		return s.sdp.agreed.format
	}
	return s.sdp.formats[0]
}
