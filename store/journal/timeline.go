package journal

import (
	"encoding/json"
	"strconv"

	"tandem/store"
)

// Timeline writes events as the value that the view events takes apart:
// [[at_ms, leg, kind, text], …].
func Timeline(events []store.Event) []byte {
	b := make([]byte, 0, 96*len(events))
	b = append(b, '[')
	for i, e := range events {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(b, '[')
		b = strconv.AppendInt(b, e.AtMS, 10)
		b = append(b, ',')
		if e.Leg == 0 {
			b = append(b, "null"...)
		} else {
			b = strconv.AppendInt(b, e.Leg, 10)
		}
		b = appendString(append(b, ','), e.Kind)
		b = appendString(append(b, ','), e.Text)
		b = append(b, ']')
	}
	return append(b, ']')
}

func appendString(b []byte, s string) []byte {
	q, err := json.Marshal(s)
	if err != nil { // a string always marshals
		panic(err)
	}
	return append(b, q...)
}
