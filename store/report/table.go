package report

import (
	"fmt"
	"strings"
	"text/tabwriter"
	"time"
	"unicode"

	"tandem/store"
)

func (c *Calls) flushTable() error {
	ids := make([]string, len(c.page))
	for i := range c.page {
		ids[i] = c.page[i].ID
	}
	if c.shorten != nil {
		var err error
		if ids, err = c.shorten(ids); err != nil {
			return err
		}
	}
	t := columns(c.out)
	if c.rows == len(c.page) {
		line(t, "ID", "STARTED", "FROM", "TO", "STATE", "CODE", "TALK", "PDD", "ENDED BY", "FLAGS")
	}
	for i := range c.page {
		r := &c.page[i]
		line(t, ids[i], moment(r.StartMS, c.zone), party(r.FromUser, r.FromHost), party(r.ToUser, r.ToHost),
			r.State, number(r.SIPCode, ""), talk(r), number(r.PDDMS, " ms"), r.ReleasedBy, r.Flags)
	}
	c.page = c.page[:0]
	return t.Flush()
}

// columns aligns cells separated by tabs, two spaces apart.
func columns(w interface{ Write([]byte) (int, error) }) *tabwriter.Writer {
	return tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
}

// widest is how much of a text a table shows.
const widest = 40

// line writes the cells of a row, "-" for an empty one. An error shows at Flush.
func line(t *tabwriter.Writer, cells ...string) {
	for i, s := range cells {
		if s = printable(s); s == "" {
			s = "-"
		}
		if r := []rune(s); len(r) > widest {
			s = string(r[:widest-1]) + "…"
		}
		if i > 0 {
			fmt.Fprint(t, "\t")
		}
		fmt.Fprint(t, s)
	}
	fmt.Fprintln(t)
}

// printable keeps what strangers sent from moving the cursor or colouring the terminal.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		return '?'
	}, s)
}

func moment(ms int64, zone *time.Location) string {
	return time.UnixMilli(ms).In(zone).Format(time.DateTime)
}

// party is the user part, or the host of an address that has none.
func party(user, host string) string {
	if user == "" {
		return host
	}
	return user
}

func number(n int64, unit string) string {
	if n == 0 {
		return ""
	}
	return fmt.Sprint(n) + unit
}

func talk(r *store.Call) string {
	if r.AnswerMS == 0 {
		return ""
	}
	return span(r.BillableMS)
}

// span writes milliseconds as 0:07, 12:34 or 1:02:03, rounded down as bills do.
func span(ms int64) string {
	s := ms / 1000
	if s < 3600 {
		return fmt.Sprintf("%d:%02d", s/60, s%60)
	}
	return fmt.Sprintf("%d:%02d:%02d", s/3600, s/60%60, s%60)
}
