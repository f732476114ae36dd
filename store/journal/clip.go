package journal

import (
	"encoding/json"
	"fmt"
	"strings"
	"unicode/utf8"

	"tandem/store"
)

// What the network sends is cut to these sizes in bytes, so that a queue of records has
// a bounded size and one call cannot fill the disk.
const (
	maxText     = 1 << 10
	maxError    = 8 << 10
	maxVars     = 16 << 10
	maxEvents   = 2000
	maxTimeline = 256 << 10
)

// clip makes text valid UTF-8 without NUL, which SQL functions take for the end, of at
// most limit bytes. Text that is so already is returned as it is.
func clip(s string, limit int) string {
	if len(s) <= limit && utf8.ValidString(s) && strings.IndexByte(s, 0) < 0 {
		return s
	}
	if len(s) > limit {
		s = s[:limit]
		for len(s) > 0 && !utf8.RuneStart(s[len(s)-1]) {
			s = s[:len(s)-1]
		}
		if r, _ := utf8.DecodeLastRuneInString(s); r == utf8.RuneError && len(s) > 0 {
			s = s[:len(s)-1]
		}
	}
	// '?' and not U+FFFD: three bytes for one could grow beyond the limit.
	s = strings.ReplaceAll(strings.ToValidUTF8(s, "?"), "\x00", "?")
	return strings.Clone(s) // the long original may go
}

// clipFields cuts the texts of a row and returns their size. The row gets a copy of
// them, lest a short header value keep the whole message it is a part of in memory.
func clipFields(fields []store.Field) (size int) {
	for _, f := range fields {
		p, ok := f.Ptr.(*string)
		if !ok {
			continue
		}
		switch {
		case f.Kind == store.JSON:
			*p = clipJSON(*p)
		case f.Name == "script_error":
			*p = clip(*p, maxError)
		default:
			*p = clip(*p, maxText)
		}
		size += len(*p)
	}
	var all strings.Builder
	all.Grow(size)
	for _, f := range fields {
		if p, ok := f.Ptr.(*string); ok {
			start := all.Len()
			all.WriteString(*p)
			*p = all.String()[start:]
		}
	}
	return size
}

// clipJSON replaces what cannot be kept by an object that says so: cut JSON is no JSON.
func clipJSON(s string) string {
	switch {
	case s == "":
		return s
	case len(s) > maxVars:
		return fmt.Sprintf(`{"_error":"%d bytes are too many to keep"}`, len(s))
	case !json.Valid([]byte(s)):
		return `{"_error":"not valid JSON"}`
	}
	return clip(s, maxVars)
}

// clipEvents cuts the texts of a timeline and its end, and returns its size.
func clipEvents(events []store.Event) (kept []store.Event, size int) {
	for i := range events {
		e := &events[i]
		e.Kind, e.Text = clip(e.Kind, maxText), clip(e.Text, 4*maxText)
		size += len(e.Kind) + len(e.Text) + eventSize
		if i == maxEvents || size > maxTimeline {
			e.Kind, e.Text = store.EventScript, fmt.Sprintf("%d more lines were not kept", len(events)-i)
			return events[:i+1], size
		}
	}
	return events, size
}
