package store

import (
	"fmt"
	"strconv"
	"strings"
)

// SIPMessage is a message on the wire as a line of kind sip tells of it:
//
//	sent INVITE sip:1002@192.0.2.7:5060, CSeq 1 INVITE, to udp:192.0.2.7:5060, SDP 203.0.113.7:10000
//	received 200 OK, CSeq 1 INVITE, SDP 192.0.2.7:4000
//	sent BYE sip:1002@192.0.2.7:5060, CSeq 2 BYE, again
//
// What comes after CSeq is in this order and left out where there is nothing to say. With
// [store] trace the message itself follows on the lines below. Lines of kind sip that tell of
// something else do not begin so.
type SIPMessage struct {
	Sent   bool   // by us; else received
	Method string // of the request, or of the one that a response is to
	URI    string // of a request
	Code   int    // of a response; 0 is a request
	Phrase string // of a response
	CSeq   uint32
	Again  bool   // sent before, and now once more
	Peer   string // of an INVITE: where it goes, or comes from: udp:192.0.2.7:5060
	SDP    string // of a session description: where the sender wants audio, and its direction if that is not sendrecv
	Why    string // the Reason header, where there is one
	Full   string // the message, secrets taken out
}

// What strangers wrote is cut to these sizes, in bytes.
const (
	maxURI    = 200
	maxPhrase = 80
	maxWhy    = 200
)

// String writes the line.
func (m SIPMessage) String() string {
	var b strings.Builder
	verb, way := "received ", ", from "
	if m.Sent {
		verb, way = "sent ", ", to "
	}
	b.WriteString(verb)
	if m.Code > 0 {
		b.WriteString(strconv.Itoa(m.Code) + " " + word(m.Phrase, maxPhrase))
	} else {
		b.WriteString(word(m.Method, maxPhrase))
		if m.URI != "" { // unknown where a request has come again
			b.WriteString(" " + strings.ReplaceAll(word(m.URI, maxURI), " ", "%20"))
		}
	}
	b.WriteString(", CSeq " + strconv.FormatUint(uint64(m.CSeq), 10) + " " + word(m.Method, maxPhrase))
	if m.Again {
		b.WriteString(", again")
	}
	if m.Peer != "" {
		b.WriteString(way + m.Peer)
	}
	if m.SDP != "" {
		b.WriteString(", SDP " + m.SDP)
	}
	if m.Why != "" {
		b.WriteString(", Reason " + word(m.Why, maxWhy))
	}
	if m.Full != "" {
		b.WriteString("\n" + m.Full)
	}
	return b.String()
}

// word keeps what strangers wrote from being taken for the next part of the line.
func word(s string, most int) string {
	s = strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return -1
		}
		if r == ',' {
			return ';'
		}
		return r
	}, s)
	if len(s) > most {
		s = strings.ToValidUTF8(s[:most], "") + "…"
	}
	return s
}

// ParseSIPMessage reads such a line; false if it tells of something else.
func ParseSIPMessage(text string) (SIPMessage, bool) {
	text, full, _ := strings.Cut(text, "\n")
	m := SIPMessage{Full: full}
	parts := strings.Split(text, ", ")
	verb, start, _ := strings.Cut(parts[0], " ")
	if verb != "sent" && verb != "received" || len(parts) < 2 {
		return m, false
	}
	m.Sent = verb == "sent"
	if _, err := fmt.Sscanf(parts[1], "CSeq %d %s", &m.CSeq, &m.Method); err != nil {
		return m, false
	}
	first, rest, _ := strings.Cut(start, " ")
	if code, err := strconv.Atoi(first); err == nil {
		m.Code, m.Phrase = code, rest
	} else if first != m.Method {
		return m, false
	} else {
		m.URI = rest
	}
	for _, p := range parts[2:] {
		name, value, _ := strings.Cut(p, " ")
		switch name {
		case "again":
			m.Again = true
		case "from", "to":
			m.Peer = value
		case "SDP":
			m.SDP = value
		case "Reason":
			m.Why = value
		}
	}
	return m, true
}

// Line is the line without the message below it.
func (m SIPMessage) Line() string {
	m.Full = ""
	return m.String()
}

// Title is how a diagram names the message: its method or code, and what it carries.
func (m SIPMessage) Title() string {
	title := m.Method
	if m.Code > 0 {
		title = strconv.Itoa(m.Code) + " " + m.Phrase
		if m.Method != "INVITE" {
			title += " (" + m.Method + ")"
		}
	}
	if m.SDP != "" {
		title += " (SDP)"
	}
	if m.Again {
		title += " again"
	}
	return title
}
