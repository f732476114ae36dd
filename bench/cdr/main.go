// Command cdr measures how fast questions about millions of call records are answered and
// how fast records are written, beside plain SQL in the sqlite3 shell on the same file. It
// builds the file, prints a table and fails when a bar is missed.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"text/tabwriter"
	"time"
)

// bars are what must hold.
type bars struct {
	page, prefix, stats time.Duration
	rows, calls         float64 // a second
}

var (
	full = bars{page: 20 * time.Millisecond, prefix: 200 * time.Millisecond, stats: 300 * time.Millisecond, rows: 8000, calls: 1500}
	// On a machine that others use at the same time only gross faults are told.
	rough = bars{page: time.Second, prefix: 3 * time.Second, stats: 5 * time.Second, rows: 200, calls: 50}
)

// bench is one run of everything.
type bench struct {
	bars
	path   string
	calls  int
	days   int
	load   time.Duration // of writing
	tries  int           // of each question
	table  *tabwriter.Writer
	missed []string
}

func main() {
	short := flag.Bool("short", false, "a few seconds, with bars that hold on a busy machine")
	dir := flag.String("dir", "", "keep the records in this folder, or use those that are there; else a temporary one")
	calls := flag.Int("calls", 5_000_000, "how many records")
	days := flag.Int("days", 90, "over how many days")
	flag.Parse()
	b := &bench{bars: full, calls: *calls, days: *days, load: 10 * time.Second, tries: 25}
	if *short {
		b.bars, b.calls, b.days, b.load, b.tries = rough, 200_000, 4, time.Second, 5
	}
	if err := b.run(*dir); err != nil {
		fmt.Fprintln(os.Stderr, "bench-cdr:", err)
		os.Exit(1)
	}
}

func (b *bench) run(dir string) error {
	if dir == "" {
		temp, err := os.MkdirTemp("", "tandem-bench-cdr-")
		if err != nil {
			return err
		}
		defer os.RemoveAll(temp)
		dir = temp
	}
	b.path = filepath.Join(dir, "tandem.db")
	ctx := context.Background()
	if _, err := os.Stat(b.path); err != nil {
		began := time.Now()
		if err := b.build(ctx); err != nil {
			return fmt.Errorf("building: %w", err)
		}
		fmt.Printf("%d calls built in %v\n", b.calls, time.Since(began).Round(time.Second))
	}
	info, err := os.Stat(b.path)
	if err != nil {
		return err
	}
	fmt.Printf("%d calls over %d days, %.1f GB\n\n", b.calls, b.days, float64(info.Size())/1e9)
	b.table = tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', tabwriter.AlignRight)
	if err := b.ask(ctx); err != nil {
		return err
	}
	if err := b.table.Flush(); err != nil {
		return err
	}
	if err := b.write(ctx); err != nil {
		return err
	}
	if len(b.missed) > 0 {
		return fmt.Errorf("missed: %v", b.missed)
	}
	return nil
}

// hold notes a bar that is missed.
func (b *bench) hold(what string, ok bool) {
	if !ok {
		b.missed = append(b.missed, what)
	}
}
