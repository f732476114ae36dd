// Package dtmf carries digits: as RFC 4733 events over RTP, as bodies of SIP INFO and as
// tones in the audio. Its state machines do no I/O and read no clock.
package dtmf

import (
	"encoding/binary"
	"strings"
)

// keys in the order of their event codes (RFC 4733 §3.2).
const keys = "0123456789*#ABCD"

// Flash is the event code of a hook flash; as a digit it is '!'.
const Flash = 16

// Code is the event code of a digit: 0-9, *, #, A-D in any letter case, or ! (flash).
func Code(digit byte) (code uint8, ok bool) {
	if digit == '!' {
		return Flash, true
	}
	if digit >= 'a' && digit <= 'd' {
		digit -= 'a' - 'A'
	}
	i := strings.IndexByte(keys, digit)
	return uint8(max(i, 0)), i >= 0
}

// Digit is the digit of an event code; not ok for events that are no digits.
func Digit(code uint8) (digit byte, ok bool) {
	switch {
	case int(code) < len(keys):
		return keys[code], true
	case code == Flash:
		return '!', true
	}
	return 0, false
}

// Frequencies are the two tones of a digit in Hz (ITU-T Q.23): of its row and its column.
func Frequencies(digit byte) (low, high float64, ok bool) {
	code, ok := Code(digit)
	if !ok || code == Flash {
		return 0, 0, false
	}
	low = [...]float64{941, 697, 697, 697, 770, 770, 770, 852, 852, 852, 941, 941, 697, 770, 852, 941}[code]
	high = [...]float64{1336, 1209, 1336, 1477, 1209, 1336, 1477, 1209, 1336, 1477, 1209, 1477, 1633, 1633, 1633, 1633}[code]
	return low, high, true
}

// PayloadSize is the length of one event report in bytes.
const PayloadSize = 4

// Event is one event report (RFC 4733 §2.3).
type Event struct {
	Code     uint8
	End      bool
	Volume   uint8  // power in -dBm0, 0 to 63
	Duration uint16 // so far, in timestamp units
}

// ParseEvent reads the first report of a payload; further ones follow at PayloadSize.
func ParseEvent(payload []byte) (e Event, ok bool) {
	if len(payload) < PayloadSize {
		return Event{}, false
	}
	return Event{
		Code:     payload[0],
		End:      payload[1]&0x80 != 0,
		Volume:   payload[1] & 0x3F,
		Duration: binary.BigEndian.Uint16(payload[2:]),
	}, true
}

// Payload is the event as it goes into a packet.
func (e Event) Payload() [PayloadSize]byte {
	b := [PayloadSize]byte{e.Code, e.Volume & 0x3F}
	if e.End {
		b[1] |= 0x80
	}
	binary.BigEndian.PutUint16(b[2:], e.Duration)
	return b
}
