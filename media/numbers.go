package media

import (
	"slices"

	"tandem/media/sdp"
)

// numbering remembers what each payload type of a session has ever meant, on either side.
//
// RFC 3264 §8.3.2: a payload type must not be given another meaning within a session.
type numbering []sdp.Codec

func (n numbering) at(payload uint8) (sdp.Codec, bool) {
	for _, c := range n {
		if c.PayloadType == payload {
			return c, true
		}
	}
	return sdp.Codec{}, false
}

func (n *numbering) note(list []sdp.Codec) {
	for _, c := range list {
		if _, known := n.at(c.PayloadType); !known && c.PayloadType >= firstDynamic {
			*n = append(*n, c)
		}
	}
}

// of gives a codec of ours its number: the one that it has had, its own, or a free one.
func (n *numbering) of(c sdp.Codec) sdp.Codec {
	if c.PayloadType < firstDynamic {
		return c
	}
	for _, have := range *n {
		if have.Same(c) {
			c.PayloadType = have.PayloadType
			return c
		}
	}
	for pt, taken := c.PayloadType, true; taken; c.PayloadType = pt {
		if _, taken = n.at(pt); taken {
			if pt++; pt > 127 {
				pt = firstDynamic
			}
		}
	}
	*n = append(*n, c) // or the next codec would take the same
	return c
}

// firstDynamic is where payload types without a meaning of their own begin (RFC 3551 §3).
const firstDynamic = 96

// eventPayloads are the numbers we offer telephone-events with, by clock rate.
var eventPayloads = [...]struct {
	clock   int
	payload uint8
}{{8000, telephoneEventPayload}, {16000, 102}, {48000, 110}}

// ours lists the codecs of our description, the agreed one first and payload types as they
// were before, and a telephone-event for each clock of theirs (RFC 4733 §2.1), or for every
// clock we know, to choose from in an answer.
func (n *negotiation) ours(everyClock bool) []sdp.Codec {
	var list []sdp.Codec
	clocks := map[int]bool{}
	numbers := slices.Clone(n.numbers) // only what is said counts
	add := func(f *format) {
		clocks[f.ClockRate] = true
		list = append(list, numbers.of(sdp.Codec{PayloadType: f.PayloadType, Name: f.Name, ClockRate: f.ClockRate,
			Channels: f.Channels, Fmtp: f.Fmtp}))
	}
	first := n.wish
	if first == nil && n.agreed != nil {
		first = n.agreed.format
	}
	if first != nil {
		add(first)
	}
	for _, f := range n.formats {
		if f != first {
			add(f)
		}
	}
	for _, e := range eventPayloads {
		if n.dtmf != DTMFEvents {
			break
		}
		if everyClock || clocks[e.clock] {
			list = append(list, numbers.of(sdp.Codec{PayloadType: e.payload, Name: sdp.Event, ClockRate: e.clock,
				Channels: 1, Fmtp: "0-15"}))
		}
	}
	return list
}
