package store

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Filter selects records. Zero fields select all; patterns are globs (see Pattern).
type Filter struct {
	Since, Until          time.Time // start_ms at or after Since, before Until
	From, To, User, Trunk string    // patterns over from_user, to_user, auth_user, trunk
	State                 string
	MinDuration           time.Duration // of duration_ms
	Flag                  string
	Limit                 int    // rows a page; 0 is DefaultLimit, at most MaxLimit
	After                 string // the cursor that the page before gave
}

// DefaultLimit and MaxLimit bound a page.
const (
	DefaultLimit = 50
	MaxLimit     = 10_000
)

// FilterError says which part of a filter cannot be used. Its text is for the person
// who typed it.
type FilterError struct {
	Field string // since, until, from, to, user, trunk, state, min-duration, flag, limit, after, by
	Value string
	Why   string
}

func (e *FilterError) Error() string {
	return fmt.Sprintf("%s %q: %s", e.Field, e.Value, e.Why)
}

// Check returns a *FilterError for what no store could answer.
func (f *Filter) Check() error {
	for _, p := range []struct{ field, value string }{{"from", f.From}, {"to", f.To}, {"user", f.User}, {"trunk", f.Trunk}} {
		if err := Pattern(p.value).Check(); err != nil {
			return &FilterError{p.field, p.value, err.Error()}
		}
	}
	if f.State != "" && !slices.Contains(States(), f.State) {
		return &FilterError{"state", f.State, "want one of " + strings.Join(States(), ", ")}
	}
	if f.Flag != "" && !slices.Contains(Flags(), f.Flag) {
		return &FilterError{"flag", f.Flag, "want one of " + strings.Join(Flags(), ", ")}
	}
	if f.Limit < 0 || f.Limit > MaxLimit {
		return &FilterError{"limit", strconv.Itoa(f.Limit), fmt.Sprintf("want 1 to %d", MaxLimit)}
	}
	if f.MinDuration < 0 {
		return &FilterError{"min-duration", f.MinDuration.String(), "want a span like 30s"}
	}
	if f.After != "" {
		if _, _, err := ParseCursor(f.After); err != nil {
			return err
		}
	}
	return nil
}

// FilterText is a filter as it is typed: the flags of `tandem cdr list` and the query of
// GET /cdrs. Empty fields select all.
type FilterText struct {
	Since, Until, From, To, User, Trunk, State, MinDuration, Flag, Limit, After string
}

// Filter reads the text; spans and dates count from now and in its zone. Errors are *FilterError.
func (t FilterText) Filter(now time.Time) (Filter, error) {
	f := Filter{From: t.From, To: t.To, User: t.User, Trunk: t.Trunk, State: t.State, Flag: t.Flag, After: t.After}
	var err error
	if t.Since != "" {
		if f.Since, err = ParseTime(t.Since, now); err != nil {
			return f, &FilterError{"since", t.Since, err.Error()}
		}
	}
	if t.Until != "" {
		if f.Until, err = ParseTime(t.Until, now); err != nil {
			return f, &FilterError{"until", t.Until, err.Error()}
		}
	}
	if t.MinDuration != "" {
		if f.MinDuration, err = ParseSpan(t.MinDuration); err != nil {
			return f, &FilterError{"min-duration", t.MinDuration, err.Error()}
		}
	}
	if t.Limit != "" {
		if f.Limit, err = strconv.Atoi(t.Limit); err != nil || f.Limit < 1 {
			return f, &FilterError{"limit", t.Limit, fmt.Sprintf("want 1 to %d", MaxLimit)}
		}
	}
	return f, f.Check()
}

// Cursor is where the page after row c begins.
func Cursor(c *Call) string { return strconv.FormatInt(c.StartMS, 10) + "." + c.ID }

// ParseCursor reads what Cursor wrote.
func ParseCursor(s string) (startMS int64, id string, err error) {
	ms, id, ok := strings.Cut(s, ".")
	startMS, perr := strconv.ParseInt(ms, 10, 64)
	if !ok || perr != nil || id == "" || len(s) > maxPattern {
		return 0, "", &FilterError{"after", s, "not a cursor that a page gave"}
	}
	return startMS, id, nil
}
