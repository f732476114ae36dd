package scripting

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

// openSpan is a span of a week's day: it begins on day at from, and ends at to on the same
// day, or on the next when to is not after from.
type openSpan struct {
	day      time.Weekday
	from, to int // minutes since midnight; to may be 24:00
}

// parseHours reads "Mon-Fri 09:00-17:30", "Sat,Sun 10:00-12:00,13:00-15:00" or "09:00-17:00" for every day.
func parseHours(text string) ([]openSpan, error) {
	parts := strings.Fields(strings.NewReplacer(", ", ",", " - ", "-", " -", "-", "- ", "-").Replace(text))
	if len(parts) == 1 && strings.Contains(parts[0], ":") {
		parts = []string{"Mon-Sun", parts[0]}
	}
	if len(parts) == 1 {
		parts = append(parts, "00:00-24:00")
	}
	if len(parts) != 2 {
		return nil, errors.New(`hours are written as "Mon-Fri 09:00-17:30"`)
	}
	days, err := parseDays(parts[0])
	if err != nil {
		return nil, err
	}
	var spans []openSpan
	for _, p := range strings.Split(parts[1], ",") {
		from, to, ok := strings.Cut(p, "-")
		if !ok {
			return nil, fmt.Errorf("%q is not a span such as 09:00-17:30", p)
		}
		begin, err := parseClock(from)
		if err != nil {
			return nil, err
		}
		end, err := parseClock(to)
		if err != nil {
			return nil, err
		}
		for _, d := range days {
			spans = append(spans, openSpan{d, begin, end})
		}
	}
	return spans, nil
}

func parseDays(text string) ([]time.Weekday, error) {
	var days []time.Weekday
	for _, p := range strings.Split(text, ",") {
		first, last, ranged := strings.Cut(p, "-")
		from, err := parseDay(first)
		if err != nil {
			return nil, err
		}
		to := from
		if ranged {
			if to, err = parseDay(last); err != nil {
				return nil, err
			}
		}
		for d := from; ; d = (d + 1) % 7 {
			days = append(days, d)
			if d == to {
				break
			}
		}
	}
	return days, nil
}

func parseDay(text string) (time.Weekday, error) {
	for d := time.Sunday; d <= time.Saturday; d++ {
		if len(text) >= 2 && strings.HasPrefix(strings.ToLower(d.String()), strings.ToLower(text)) {
			return d, nil
		}
	}
	return 0, fmt.Errorf("%q is not a day such as Mon", text)
}

func parseClock(text string) (int, error) {
	var h, m int
	if _, err := fmt.Sscanf(text, "%d:%d", &h, &m); err != nil || h < 0 || m < 0 || m > 59 || h*60+m > 24*60 || len(text) > 5 {
		return 0, fmt.Errorf("%q is not a time of day such as 09:30", text)
	}
	return h*60 + m, nil
}

// checkHoliday wants a day of one year, "2026-04-03", or of every year, "12-25".
func checkHoliday(day string) error {
	_, err := time.Parse(time.DateOnly, day)
	if len(day) == len("12-25") {
		_, err = time.Parse(time.DateOnly, "2024-"+day) // a leap year
	}
	if err != nil {
		return fmt.Errorf("%q is not a day such as 2026-04-03, or 12-25 for every year", day)
	}
	return nil
}

func isHoliday(days []string, t time.Time) bool {
	return slices.Contains(days, t.Format(time.DateOnly)) || slices.Contains(days, t.Format("01-02"))
}

// isOpen tells whether a moment, in the zone it carries, lies in one of the spans and not on
// a holiday. What begins before midnight goes on into a holiday.
func isOpen(spans []openSpan, holidays []string, t time.Time) bool {
	minute := t.Hour()*60 + t.Minute()
	yesterday := (t.Weekday() + 6) % 7
	today, before := !isHoliday(holidays, t), !isHoliday(holidays, t.AddDate(0, 0, -1))
	for _, s := range spans {
		overnight := s.to <= s.from
		if today && s.day == t.Weekday() && minute >= s.from && (minute < s.to || overnight) {
			return true
		}
		if before && overnight && s.day == yesterday && minute < s.to {
			return true
		}
	}
	return false
}
