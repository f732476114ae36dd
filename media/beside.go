package media

import (
	"maps"

	"tandem/media/sdp"
)

// Beside has the session describe streams beside its audio from now on, by their place in
// the description; all others are refused. Without audio it describes none of its own, as
// while a fax is sent. It changes nothing until the next Offer or Answer; undo takes it
// back, for an offer that was refused.
func (s *Session) Beside(lines map[int]sdp.Media, audio bool) (undo func()) {
	s.sdpMu.Lock()
	defer s.sdpMu.Unlock()
	n := &s.sdp
	beside, mute, described, index, profile := n.beside, n.mute, n.lines, n.audio, n.profile
	n.beside, n.mute = maps.Clone(lines), !audio
	return func() {
		s.sdpMu.Lock()
		defer s.sdpMu.Unlock()
		n.beside, n.mute, n.lines, n.audio, n.profile = beside, mute, described, index, profile
	}
}

// DropBeside refuses a stream beside the audio from the next description on; the audio comes
// back when it was the last.
func (s *Session) DropBeside(place int) {
	s.sdpMu.Lock()
	defer s.sdpMu.Unlock()
	beside := maps.Clone(s.sdp.beside)
	delete(beside, place)
	s.sdp.beside = beside
	s.sdp.mute = s.sdp.mute && len(beside) > 0
}

// Muted tells that streams beside the audio have taken its place.
func (s *Session) Muted() bool {
	s.sdpMu.Lock()
	defer s.sdpMu.Unlock()
	return s.sdp.mute
}

// Places tells which place the audio has in our descriptions, and how many there are; 0 and
// 1 before the first.
func (s *Session) Places() (audio, count int) {
	s.sdpMu.Lock()
	defer s.sdpMu.Unlock()
	return max(0, s.sdp.audio), max(1, len(s.sdp.lines))
}

// place puts the audio and the streams beside it into an offer. RFC 3264 §8: their order
// stays that of lines, those that are over included.
func (n *negotiation) place(audio sdp.Media, lines []sdp.Media) []sdp.Media {
	for i := range lines {
		m, ok := n.beside[i]
		switch {
		case i == n.audio && !n.mute:
			lines[i] = audio
		case ok:
			lines[i] = m
		default:
			lines[i] = lines[i].Rejected()
		}
	}
	for m, ok := n.beside[len(lines)]; ok; m, ok = n.beside[len(lines)] {
		lines = append(lines, m)
	}
	return lines
}

// besides are the streams beside the audio to accept of an offer.
func (n *negotiation) besides(offer *sdp.Session) map[int]sdp.Media {
	accepted := map[int]sdp.Media{}
	for i, m := range n.beside {
		if i < len(offer.Media) && offer.Media[i].Type == m.Type {
			accepted[i] = m
		}
	}
	return accepted
}

// answerBeside answers an offer that has no audio for us.
func (n *negotiation) answerBeside(offer *sdp.Session) []byte {
	n.silence()
	return n.text(sdp.Answer(offer, sdp.Origin{}, n.local.Addr(), n.besides(offer)))
}

// givesWay tells whether an answer refuses the audio for the sake of a stream beside it.
func (n *negotiation) givesWay(answer *sdp.Session) bool {
	if m := &answer.Media[n.audio]; m.Type == "audio" && m.Port != 0 {
		return false
	}
	for i := range n.beside {
		if i < len(answer.Media) && answer.Media[i].Port != 0 {
			n.mute = true
		}
	}
	return n.mute
}

// silence ends the sending and the waiting for audio until it is agreed on anew.
func (n *negotiation) silence() {
	if n.agreed == nil {
		return
	}
	p := *n.agreed
	p.sends, p.receives = false, false
	n.agreed = &p
}
