package scripting

import (
	"time"

	"tandem/scripting/voice"
)

// Spoken names the prompts that call:say reads a text with; as is one of its ways to read,
// and now is the present in the server's zone.
func Spoken(text, as string, now time.Time) ([]string, error) {
	if as == "text" {
		return nil, voice.ErrNone
	}
	return spoken(text, as, now)
}
