package report

import (
	"bufio"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"tandem/store"
)

// statColumns are the JSON keys of store.Stat.
func statColumns() []string {
	return []string{"key", "calls", "answered", "asr", "acd_ms", "avg_duration_ms", "pdd_p50_ms", "pdd_p95_ms", "mos", "one_way", "silent"}
}

func statCells(s store.Stat) []string {
	ints := func(n int64) string { return strconv.FormatInt(n, 10) }
	float := func(x float64) string { return strconv.FormatFloat(x, 'f', -1, 64) }
	return []string{s.Key, ints(s.Calls), ints(s.Answered), float(s.ASR), ints(s.ACDMS), ints(s.AvgDurationMS),
		ints(s.PDDP50MS), ints(s.PDDP95MS), float(s.MOS), ints(s.OneWay), ints(s.Silent)}
}

// Stats writes statistics grouped by by.
func Stats(w io.Writer, f Format, zone *time.Location, by store.By, stats []store.Stat) error {
	switch f {
	case JSON:
		if stats == nil {
			stats = []store.Stat{}
		}
		enc := json.NewEncoder(w)
		enc.SetIndent("", "  ")
		return enc.Encode(stats)
	case CSV:
		out := csv.NewWriter(w)
		rows := [][]string{statColumns()}
		for _, s := range stats {
			rows = append(rows, statCells(s))
		}
		return out.WriteAll(rows)
	}
	return statsTable(w, zone, by, stats)
}

func statsTable(w io.Writer, zone *time.Location, by store.By, stats []store.Stat) error {
	out := bufio.NewWriter(w)
	t := columns(out)
	line(t, strings.ToUpper(string(by)), "CALLS", "ANSWERED", "ASR", "AVG TALK", "AVG LENGTH", "PDD P50", "PDD P95", "MOS", "ONE-WAY", "SILENT")
	for _, s := range stats {
		key := s.Key
		if start, err := time.Parse(time.RFC3339, key); err == nil && by == store.ByHour {
			key = start.In(zone).Format("2006-01-02 15:04")
		}
		talk, mos := "", ""
		if s.Answered > 0 {
			talk = span(s.ACDMS)
		}
		if s.MOS > 0 {
			mos = fmt.Sprintf("%.2f", s.MOS)
		}
		line(t, key, fmt.Sprint(s.Calls), fmt.Sprint(s.Answered), fmt.Sprintf("%.1f%%", s.ASR), talk, span(s.AvgDurationMS),
			number(s.PDDP50MS, " ms"), number(s.PDDP95MS, " ms"), mos, number(s.OneWay, ""), number(s.Silent, ""))
	}
	if err := t.Flush(); err != nil {
		return err
	}
	return out.Flush()
}
