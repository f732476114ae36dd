package dtmf

import (
	"fmt"
	"mime"
	"strconv"
	"strings"
	"time"
)

// The content types of digits in SIP INFO.
const (
	InfoRelay = "application/dtmf-relay"
	InfoPlain = "application/dtmf"
)

// ParseInfo reads the digit of a SIP INFO with this Content-Type. It is not ok if the type
// is neither InfoRelay nor InfoPlain, or if the body has no digit. A relay body without a
// duration, or with a senseless one, gives 0.
func ParseInfo(contentType string, body []byte) (key Key, ok bool) {
	kind, _, err := mime.ParseMediaType(contentType)
	if err != nil || len(body) > 1024 {
		return Key{}, false
	}
	switch kind {
	case InfoPlain:
		digit, ok := signal(string(body))
		return Key{Digit: digit}, ok
	case InfoRelay:
		return parseRelay(string(body))
	}
	return Key{}, false
}

// parseRelay reads lines "Signal=5" and "Duration=160", the latter in ms.
func parseRelay(body string) (key Key, ok bool) {
	for line := range strings.Lines(body) {
		name, value, _ := strings.Cut(line, "=")
		switch strings.ToLower(strings.TrimSpace(name)) {
		case "signal":
			if !ok {
				key.Digit, ok = signal(value)
			}
		case "duration":
			if ms, err := strconv.Atoi(strings.TrimSpace(value)); err == nil && ms > 0 && ms <= 60_000 {
				key.Duration = time.Duration(ms) * time.Millisecond
			}
		}
	}
	return key, ok
}

// signal reads a digit, or the event code that some phones send for * (10), # (11) and a
// flash (16).
func signal(s string) (digit byte, ok bool) {
	s = strings.Trim(strings.TrimSpace(s), `"`)
	if len(s) == 1 {
		code, ok := Code(s[0])
		if !ok {
			return 0, false
		}
		return Digit(code)
	}
	if n, err := strconv.ParseUint(s, 10, 8); err == nil && n >= 10 {
		return Digit(uint8(n))
	}
	return 0, false
}

// InfoBody is the body of an INFO of type InfoRelay.
func InfoBody(digit byte, d time.Duration) []byte {
	if digit == '!' {
		return fmt.Appendf(nil, "Signal=%d\r\nDuration=%d\r\n", Flash, d.Milliseconds())
	}
	return fmt.Appendf(nil, "Signal=%c\r\nDuration=%d\r\n", digit, d.Milliseconds())
}
