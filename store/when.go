package store

import (
	"errors"
	"strconv"
	"strings"
	"time"
)

// ParseTime reads a point in time as people type it: a span back from now (30m, 24h,
// 7d, 2w), a date or a date and time in now's zone (2026-11-01, 2026-11-01 15:04,
// 2026-11-01T15:04:05), or RFC 3339 with its zone.
func ParseTime(s string, now time.Time) (time.Time, error) {
	s = strings.TrimSpace(s)
	if d, err := ParseSpan(s); err == nil {
		return now.Add(-d), nil
	}
	if t, err := time.Parse(time.RFC3339, s); err == nil {
		return t, nil
	}
	for _, layout := range []string{"2006-01-02", "2006-01-02 15:04", "2006-01-02T15:04", "2006-01-02 15:04:05", "2006-01-02T15:04:05"} {
		if t, err := time.ParseInLocation(layout, s, now.Location()); err == nil {
			return t, nil
		}
	}
	return time.Time{}, errors.New("want a span like 24h or 7d, a date like 2026-11-01, or 2026-11-01T15:04")
}

// ParseSpan reads a duration of zero or more: what time.ParseDuration reads, and whole
// days (7d) and weeks (2w).
func ParseSpan(s string) (time.Duration, error) {
	unit := time.Duration(0)
	switch {
	case strings.HasSuffix(s, "d"):
		unit = 24 * time.Hour
	case strings.HasSuffix(s, "w"):
		unit = 7 * 24 * time.Hour
	}
	if unit > 0 {
		n, err := strconv.ParseUint(s[:len(s)-1], 10, 16)
		if err != nil || n > 36500 {
			return 0, errors.New("want a span like 30s, 24h or 7d")
		}
		return time.Duration(n) * unit, nil
	}
	d, err := time.ParseDuration(s)
	if err != nil || d < 0 {
		return 0, errors.New("want a span like 30s, 24h or 7d")
	}
	return d, nil
}
