package scripting

import (
	"fmt"
	"math"
	"strings"
	"time"
)

// fromSeconds is a time from seconds since 1970, with fraction; out of range it is the
// nearest time that can be written.
func fromSeconds(s float64) time.Time {
	const year9999 = 253402300799
	if math.IsNaN(s) {
		s = 0
	}
	s = max(min(s, year9999), -year9999/4)
	whole, fraction := math.Modf(s)
	return time.Unix(int64(whole), int64(fraction*1e9))
}

// strftime formats as C's function of that name does in the C locale; unknown directives stay.
func strftime(t time.Time, format string) string {
	var b strings.Builder
	for i := 0; i < len(format); i++ {
		if format[i] != '%' || i+1 == len(format) {
			b.WriteByte(format[i])
			continue
		}
		i++
		if layout, ok := layoutOf(format[i]); ok {
			b.WriteString(t.Format(layout))
		} else {
			b.WriteString(directiveOf(t, format[i]))
		}
	}
	return b.String()
}

// layoutOf are the directives that time.Format knows.
func layoutOf(c byte) (string, bool) {
	layouts := [...]struct {
		c      byte
		layout string
	}{
		{'a', "Mon"}, {'A', "Monday"}, {'b', "Jan"}, {'h', "Jan"}, {'B', "January"}, {'c', "Mon Jan _2 15:04:05 2006"},
		{'d', "02"}, {'D', "01/02/06"}, {'e', "_2"}, {'F', "2006-01-02"}, {'H', "15"}, {'I', "03"}, {'m', "01"},
		{'M', "04"}, {'p', "PM"}, {'r', "03:04:05 PM"}, {'R', "15:04"}, {'S', "05"}, {'T', "15:04:05"}, {'x', "01/02/06"},
		{'X', "15:04:05"}, {'y', "06"}, {'Y', "2006"}, {'z', "-0700"}, {'Z', "MST"},
	}
	for _, l := range layouts {
		if l.c == c {
			return l.layout, true
		}
	}
	return "", false
}

func directiveOf(t time.Time, c byte) string {
	switch c {
	case 'C':
		return fmt.Sprintf("%02d", t.Year()/100)
	case 'j':
		return fmt.Sprintf("%03d", t.YearDay())
	case 'k':
		return fmt.Sprintf("%2d", t.Hour())
	case 'l':
		return fmt.Sprintf("%2d", (t.Hour()+11)%12+1)
	case 'n':
		return "\n"
	case 's':
		return fmt.Sprint(t.Unix())
	case 't':
		return "\t"
	case 'u':
		return fmt.Sprint((int(t.Weekday())+6)%7 + 1)
	case 'w':
		return fmt.Sprint(int(t.Weekday()))
	case 'V', 'G':
		year, week := t.ISOWeek()
		if c == 'G' {
			return fmt.Sprint(year)
		}
		return fmt.Sprintf("%02d", week)
	case '%':
		return "%"
	}
	return "%" + string(c)
}
