package scripting

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

// maxSpoken bounds what is read aloud at once, in characters.
const maxSpoken = 256

// spoken names the prompts that read text aloud, in English.
func spoken(text, as string, now time.Time) ([]string, error) {
	text = strings.TrimSpace(text)
	if len(text) > maxSpoken {
		return nil, fmt.Errorf("the text has over %d characters", maxSpoken)
	}
	switch as {
	case "digits":
		return spokenDigits(text)
	case "number":
		return spokenNumber(text)
	case "money":
		return spokenMoney(text, defaultCurrency)
	case "date":
		t, err := spokenMoment(text, now, dateLayouts()...)
		if err != nil {
			return nil, err
		}
		return spokenDate(t), nil
	}
	t, err := spokenMoment(text, now, timeLayouts()...)
	if err != nil {
		return nil, err
	}
	return spokenTime(t), nil
}

func dateLayouts() []string {
	return []string{"2006-01-02", "2006-01-02 15:04", "2006-01-02T15:04:05Z07:00"}
}

func timeLayouts() []string {
	return []string{"15:04", "15:04:05", "2006-01-02 15:04", "2006-01-02T15:04:05Z07:00"}
}

func spokenDigits(text string) ([]string, error) {
	var out []string
	for _, r := range text {
		switch {
		case r >= '0' && r <= '9':
			out = append(out, "number-"+string(r))
		case r == '*':
			out = append(out, "digit-star")
		case r == '#':
			out = append(out, "digit-pound")
		case r == '+':
			out = append(out, "digit-plus")
		case strings.ContainsRune(" -()./", r): // as people write telephone numbers
		default:
			return nil, fmt.Errorf("%q has something that is no digit", text)
		}
	}
	return out, nil
}

func spokenNumber(text string) ([]string, error) {
	n, err := strconv.ParseFloat(text, 64)
	if err != nil || math.IsNaN(n) || math.Abs(n) >= 1e9 {
		return nil, fmt.Errorf("%q is not a number under a thousand million", text)
	}
	var out []string
	digits, negative := strings.CutPrefix(strconv.FormatFloat(n, 'f', -1, 64), "-")
	if negative {
		out = append(out, "number-minus")
	}
	whole, fraction, _ := strings.Cut(digits, ".")
	i, _ := strconv.Atoi(whole)
	out = append(out, cardinal(i)...)
	if fraction != "" {
		out = append(out, "number-point")
		for _, d := range fraction {
			out = append(out, "number-"+string(d))
		}
	}
	return out, nil
}

// cardinal reads a number from 0 to 999,999,999: "one hundred and five".
func cardinal(n int) []string {
	var out []string
	for _, unit := range []struct {
		size int
		name string
	}{{1_000_000, "number-million"}, {1000, "number-thousand"}} {
		if n >= unit.size {
			out = append(append(out, cardinal(n/unit.size)...), unit.name)
			if n %= unit.size; n == 0 {
				return out
			}
			if n < 100 {
				out = append(out, "number-and")
			}
		}
	}
	if n >= 100 {
		out = append(out, word(n/100), "number-hundred")
		if n %= 100; n == 0 {
			return out
		}
		out = append(out, "number-and")
	}
	return append(out, below100(n)...)
}

func below100(n int) []string {
	if n <= 20 || n%10 == 0 {
		return []string{word(n)}
	}
	return []string{word(n - n%10), word(n % 10)}
}

func word(n int) string { return "number-" + strconv.Itoa(n) }

// spokenMoment reads seconds since 1970, or one of the layouts.
func spokenMoment(text string, now time.Time, layouts ...string) (time.Time, error) {
	if n, err := strconv.ParseFloat(text, 64); err == nil {
		return fromSeconds(n).In(now.Location()), nil
	}
	for _, layout := range layouts {
		if t, err := time.ParseInLocation(layout, text, now.Location()); err == nil {
			return t, nil
		}
	}
	return time.Time{}, fmt.Errorf("%q is neither a number of seconds nor written as %s", text, layouts[0])
}

// spokenDate reads "Sunday November twenty-second twenty twenty-six".
func spokenDate(t time.Time) []string {
	out := []string{
		"day-" + strconv.Itoa(int(t.Weekday())),
		"month-" + strconv.Itoa(int(t.Month())),
		"ordinal-" + strconv.Itoa(t.Day()),
	}
	return append(out, spokenYear(t.Year())...)
}

func spokenYear(y int) []string {
	century, rest := y/100, y%100
	if y < 1100 || y > 9999 || y/100%10 == 0 && rest < 10 {
		return cardinal(max(y, 0))
	}
	out := below100(century)
	switch {
	case rest == 0:
		return append(out, "number-hundred")
	case rest < 10:
		return append(out, "time-oh", word(rest))
	}
	return append(out, below100(rest)...)
}

// spokenTime reads "two oh five PM".
func spokenTime(t time.Time) []string {
	hour, minute, half := (t.Hour()+11)%12+1, t.Minute(), "time-am"
	if t.Hour() >= 12 {
		half = "time-pm"
	}
	out := []string{word(hour)}
	switch {
	case minute == 0:
		out = append(out, "time-oclock")
	case minute < 10:
		out = append(out, "time-oh", word(minute))
	default:
		out = append(out, below100(minute)...)
	}
	return append(out, half)
}
