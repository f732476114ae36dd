package journal

import (
	"strings"
	"testing"
)

func FuzzClip(f *testing.F) {
	f.Add("plain", 3)
	f.Add("☎☎", 4)
	f.Add("a\xff\x00b", 10)
	f.Fuzz(func(t *testing.T, s string, limit int) {
		limit = limit&0xff + 1
		got := clip(s, limit)
		if len(got) > limit || strings.ToValidUTF8(got, "") != got || strings.IndexByte(got, 0) >= 0 {
			t.Errorf("clip(%q, %d) = %q", s, limit, got)
		}
		if clip(got, limit) != got {
			t.Errorf("clip(%q, %d) = %q changes again", s, limit, got)
		}
	})
}
