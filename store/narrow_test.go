package store_test

import (
	"testing"
	"time"

	"tandem/store"
)

func TestNarrowed(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
	day, week := now.Add(-24*time.Hour), now.Add(-7*24*time.Hour)
	for _, c := range []struct {
		name  string
		f     store.Filter
		since time.Time // the zero time: as it was
	}{
		{"all", store.Filter{}, time.Time{}},
		{"a number", store.Filter{To: "+442071838750"}, time.Time{}},
		{"a prefix", store.Filter{To: "+44*"}, time.Time{}},
		{"a glob with a beginning", store.Filter{To: "+44*50"}, time.Time{}},
		{"any number", store.Filter{To: "*"}, time.Time{}},
		{"state, flag and trunk", store.Filter{State: store.StateLost, Flag: store.FlagSilent, Trunk: "carrier"}, time.Time{}},
		{"the end of a number", store.Filter{To: "*50"}, day},
		{"the end of a trunk's name", store.Filter{Trunk: "*r"}, day},
		{"a set", store.Filter{From: "[12]001"}, day},
		{"any first digit", store.Filter{User: "?001"}, day},
		{"duration", store.Filter{MinDuration: time.Second}, day},
		{"duration with a prefix", store.Filter{From: "+44*", MinDuration: time.Second}, day},
		{"duration of a user's calls", store.Filter{User: "1001", MinDuration: time.Second}, time.Time{}},
		{"until", store.Filter{MinDuration: time.Second, Until: week}, week.Add(-24 * time.Hour)},
		{"until later than now", store.Filter{MinDuration: time.Second, Until: now.Add(time.Hour)}, day},
	} {
		got, narrowed := c.f.Narrowed(now)
		if !got.Since.Equal(c.since) || narrowed != !c.since.IsZero() {
			t.Errorf("%s: since %v, narrowed %v, want %v", c.name, got.Since, narrowed, c.since)
		}
		if c.f.Since = week; !narrowed {
			continue
		}
		if got, narrowed := c.f.Narrowed(now); narrowed || !got.Since.Equal(week) {
			t.Errorf("%s with a time of its own: since %v, narrowed %v", c.name, got.Since, narrowed)
		}
	}
}
