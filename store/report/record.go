package report

import (
	"bufio"
	"fmt"
	"io"
	"strings"
	"time"

	"tandem/store"
)

// recordTable writes what is known of a call: its columns, its legs side by side, and
// its timeline with seconds from the start.
func recordTable(w io.Writer, zone *time.Location, r store.Record) error {
	out := bufio.NewWriter(w)
	for _, f := range r.Call.Fields() {
		if text := field(f, r.Call.StartMS, zone); text != "" {
			fmt.Fprintf(out, "%-12s  %s\n", f.Name, text)
		}
	}
	if len(r.Legs) > 0 {
		if err := legsTable(out, zone, r); err != nil {
			return err
		}
	}
	if len(r.Events) > 0 {
		fmt.Fprintln(out)
	}
	for _, e := range r.Events {
		leg := "  "
		if e.Leg > 0 {
			leg = fmt.Sprintf("%2d", e.Leg)
		}
		fmt.Fprintf(out, "%+9.3f  %s  %-8s  %s\n", float64(e.AtMS-r.Call.StartMS)/1000, leg, printable(e.Kind), indented(e.Text))
	}
	return out.Flush()
}

// legsTable has a column a leg and leaves out what is empty in all of them.
func legsTable(out io.Writer, zone *time.Location, r store.Record) error {
	fmt.Fprintln(out)
	t := columns(out)
	fields := make([][]store.Field, len(r.Legs))
	for i := range r.Legs {
		fields[i] = r.Legs[i].Fields()
	}
	for col, f := range fields[0] {
		if f.Name == "call_id" {
			continue
		}
		row, any := []string{f.Name}, false
		for i := range fields {
			text := field(fields[i][col], r.Call.StartMS, zone)
			any = any || text != "" && text != "0"
			row = append(row, text)
		}
		if any {
			line(t, row...)
		}
	}
	return t.Flush()
}

// field writes a value for people: times in their zone with the distance from the
// call's start, durations with their unit.
func field(f store.Field, startMS int64, zone *time.Location) string {
	text := f.String()
	switch v := f.Value().(type) {
	case int64:
		switch f.Name {
		case "duration_ms", "billable_ms", "pdd_ms":
			return text + " ms"
		}
		if strings.HasSuffix(f.Name, "_ms") {
			at := time.UnixMilli(v).In(zone).Format("2006-01-02 15:04:05.000")
			if v == startMS {
				return at
			}
			return fmt.Sprintf("%s (%+.3f s)", at, float64(v-startMS)/1000)
		}
	case float64:
		if strings.HasSuffix(f.Name, "_ms") {
			return text + " ms"
		}
	}
	return indented(text)
}

// indented keeps the lines of a traceback apart, and all else on one line.
func indented(s string) string {
	lines := strings.Split(strings.TrimRight(s, "\r\n"), "\n")
	for i := range lines {
		lines[i] = printable(strings.ReplaceAll(strings.TrimRight(lines[i], "\r"), "\t", "  "))
	}
	return strings.Join(lines, "\n    ")
}
