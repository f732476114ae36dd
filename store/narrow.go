package store

import "time"

// Unserved is how far back a filter looks that no index serves, unless it says itself.
const Unserved = 24 * time.Hour

// Narrowed returns f as it is to be asked, and whether that is less than what was meant:
// where no index helps (a pattern that begins with a wildcard, MinDuration) and Since is
// not given, it begins a day before Until, or before now. An exact number or user beside
// leaves few enough records to look through. Whoever asks for a person says so to the person.
func (f Filter) Narrowed(now time.Time) (Filter, bool) {
	if !f.Since.IsZero() || f.served() {
		return f, false
	}
	end := now
	if !f.Until.IsZero() && f.Until.Before(now) {
		end = f.Until
	}
	f.Since = end.Add(-Unserved)
	return f, true
}

// Narrowing is what to say of a filter that Narrowed has bounded.
func (f Filter) Narrowing() string {
	return "no index serves this filter: only calls since " + f.Since.Format("2006-01-02 15:04") + " were searched; --since searches further"
}

// served tells whether an index leads to what f selects.
func (f *Filter) served() bool {
	for _, p := range []string{f.From, f.To, f.User} {
		if kind, _ := Pattern(p).Split(); kind == MatchExact {
			return true
		}
	}
	for _, p := range []string{f.From, f.To, f.User, f.Trunk} {
		if Pattern(p).headless() {
			return false
		}
	}
	return f.MinDuration == 0
}
