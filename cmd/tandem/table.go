package main

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"
	"unicode"
)

// formatFlag chooses between tables for people and JSON for programs.
type formatFlag struct {
	Format string `help:"table or json." enum:"table,json" default:"table"`
}

// show writes v as JSON, or calls table for the columns of a table.
func (f formatFlag) show(w io.Writer, v any, table func(row func(cells ...any))) error {
	if f.Format == "json" {
		e := json.NewEncoder(w)
		e.SetIndent("", "  ")
		return e.Encode(v)
	}
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	table(func(cells ...any) {
		texts := make([]string, len(cells))
		for i, c := range cells {
			texts[i] = plain(fmt.Sprint(c))
		}
		fmt.Fprintln(t, strings.TrimRight(strings.Join(texts, "\t"), "\t"))
	})
	return t.Flush()
}

// plain takes out what a peer could steer a terminal with.
func plain(s string) string {
	return strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return '?'
		}
		return r
	}, s)
}

// person is how an address reads in a table.
func person(display, user, host string) string {
	at := user
	if user == "" {
		at = host
	}
	if display == "" || display == user {
		return at
	}
	return display + " <" + at + ">"
}

// span is a duration in ms as people write it: 1:05, 2:03:04.
func span(ms int64) string {
	s := ms / 1000
	if s < 3600 {
		return fmt.Sprintf("%d:%02d", s/60, s%60)
	}
	return fmt.Sprintf("%d:%02d:%02d", s/3600, s/60%60, s%60)
}

func clockTime(ms int64) string { return time.UnixMilli(ms).Format(time.DateTime) }

func orDash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}
