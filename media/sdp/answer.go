package sdp

import "net/netip"

// Preference says whose order of codecs decides.
type Preference uint8

// The offerer's order is what RFC 3264 §6.1 recommends to follow.
const (
	PreferTheirs Preference = iota
	PreferOurs
)

// Event is the encoding name of RFC 4733 DTMF.
const Event = "telephone-event"

// Choice is what two sides agreed on for one audio stream. Payload types and fmtp are the
// peer's: with them we send to it.
type Choice struct {
	Voice  Codec
	Event  Codec   // Name "" if the peer takes no telephone-event
	Common []Codec // every voice codec that both have, best first; Voice is the first
}

// Choose picks the voice codec and its telephone-event out of theirs, the codecs of a
// peer's offer or answer, and ours; false if they have no voice codec in common.
func Choose(theirs, ours []Codec, prefer Preference) (Choice, bool) {
	var c Choice
	outer, inner := theirs, ours
	if prefer == PreferOurs {
		outer, inner = ours, theirs
	}
	for _, a := range outer {
		for _, b := range inner {
			if !same(a, b) || !isVoice(a) {
				continue
			}
			if prefer == PreferOurs {
				c.Common = append(c.Common, b)
			} else {
				c.Common = append(c.Common, a)
			}
			break
		}
	}
	if len(c.Common) == 0 {
		return Choice{}, false
	}
	c.Voice = c.Common[0]
	c.Event = chooseEvent(theirs, ours, c.Voice)
	return c, true
}

// chooseEvent takes the telephone-event of the voice's clock rate (RFC 4733 §2.6.2), or
// any other in common: phones offer Opus at 48000 with events at 8000 only.
func chooseEvent(theirs, ours []Codec, voice Codec) Codec {
	var found Codec
	for _, t := range theirs {
		if !t.Is(Event) || !has(ours, t) {
			continue
		}
		if t.ClockRate == voice.ClockRate {
			return t
		}
		if found.Name == "" {
			found = t
		}
	}
	return found
}

func has(list []Codec, c Codec) bool {
	for _, o := range list {
		if same(o, c) {
			return true
		}
	}
	return false
}

func isVoice(c Codec) bool {
	return c.Name != "" && !c.Is(Event) && !c.Is("CN") && !c.Is("red")
}

// Same tells whether two payload types mean the same encoding.
func (c Codec) Same(o Codec) bool { return same(c, o) }

// same tells whether two payload types mean the same encoding. Some peers write G722/16000
// for what RFC 3551 §4.5.2 calls G722/8000, and Opus without its "/2" (RFC 7587 §7).
func same(a, b Codec) bool {
	if a.Name == "" || !a.Is(b.Name) {
		return false
	}
	return (a.ClockRate == b.ClockRate || a.Is("G722")) && (a.Channels == b.Channels || a.Is("opus"))
}

// Answered are the codecs to write in an answer to the offer that c came from: its payload
// types (RFC 3264 §6.1) with our own fmtp. It names one voice codec, so that the peer does
// not change over in mid-stream.
func (c Choice) Answered(ours []Codec) []Codec {
	list := []Codec{c.Voice}
	if c.Event.Name != "" {
		list = append(list, c.Event)
	}
	for i := range list {
		list[i].Fmtp = ""
		for _, o := range ours {
			if same(list[i], o) {
				list[i].Fmtp = o.Fmtp
				break
			}
		}
	}
	return list
}

// Answer makes the answer to an offer (RFC 3264 §6): one stream for each of the offer's, in
// its order. accepted holds ours by the offer's index, with Type and Proto taken from the
// offer; all others are rejected, and no group is taken up: RFC 9143 §7.3 declines a bundle so.
func Answer(offer *Session, o Origin, addr netip.Addr, accepted map[int]Media) *Session {
	s := &Session{Origin: o, Conn: Conn{Addr: addr}}
	for i := range offer.Media {
		m, ok := accepted[i]
		if !ok || offer.Media[i].Port == 0 {
			s.Media = append(s.Media, offer.Media[i].Rejected())
			continue
		}
		m.Type, m.Proto = offer.Media[i].Type, offer.Media[i].Proto
		if len(m.Formats) == 0 {
			m.Formats = m.formats()
		}
		s.Media = append(s.Media, m)
	}
	return s
}

// Rejected is the stream that refuses m: port 0, the rest mirrored without attributes.
func (m *Media) Rejected() Media {
	r := Media{Type: m.Type, Proto: m.Proto, Formats: m.Formats, Direction: Inactive}
	if m.IsRTP() {
		for _, c := range m.Codecs {
			r.Codecs = append(r.Codecs, static(c.PayloadType))
		}
	}
	return r
}
