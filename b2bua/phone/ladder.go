package phone

import (
	"bytes"
	"fmt"
	"strings"
	"time"

	"tandem/b2bua/transport"
	"tandem/clock"
)

// ladderWidth is the number of characters between the two posts of a ladder.
const ladderWidth = 34

// ladder makes a tap that draws each message as a rung, with the seconds since the first:
//
//	0.000  |-- INVITE (sdp) ----------------->|  udp 127.0.0.1:5060
//	0.004  |<------------------- 100 Trying --|  udp 127.0.0.1:5060
func ladder(c clock.Clock, trace func(string)) func(transport.Direction, transport.Flow, []byte) {
	start := c.Now()
	return func(dir transport.Direction, f transport.Flow, msg []byte) {
		if label := rungLabel(msg); label != "" {
			trace(rung(c.Now().Sub(start), dir, label) + "  " + string(f.Proto()) + " " + f.Remote().String())
		}
	}
}

func rung(at time.Duration, dir transport.Direction, label string) string {
	dashes := strings.Repeat("-", max(ladderWidth-len(label)-5, 0))
	line := "-- " + label + " " + dashes + ">"
	if dir == transport.In {
		line = "<" + dashes + " " + label + " --"
	}
	return fmt.Sprintf("%9.3f  |%s|", at.Seconds(), line)
}

// rungLabel is the method or the status of a message in wire form, with the
// method that a final or provisional response belongs to; "" for a keep-alive.
func rungLabel(msg []byte) string {
	line, rest, _ := bytes.Cut(msg, []byte("\r\n"))
	head, body, _ := bytes.Cut(rest, []byte("\r\n\r\n"))
	first, after, spaced := strings.Cut(printableText(line), " ")
	if !spaced {
		return ""
	}
	label := first
	if strings.HasPrefix(first, "SIP/") {
		label = after
		if m := cseqMethod(head); m != "" && m != "INVITE" {
			label += " (" + m + ")"
		}
	}
	if len(label) > ladderWidth-12 {
		label = strings.TrimSpace(label[:ladderWidth-12])
	}
	if bytes.HasPrefix(body, []byte("v=0")) {
		label += " (sdp)"
	}
	return label
}

func cseqMethod(head []byte) string {
	for line := range bytes.SplitSeq(head, []byte("\r\n")) {
		name, value, _ := bytes.Cut(line, []byte(":"))
		if bytes.EqualFold(bytes.TrimSpace(name), []byte("CSeq")) {
			fields := strings.Fields(printableText(value))
			if len(fields) == 2 {
				return fields[1]
			}
		}
	}
	return ""
}

// printableText keeps what a terminal may be shown.
func printableText(b []byte) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r > '~' {
			return -1
		}
		return r
	}, string(b))
}
