package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"tandem/store"
	"tandem/store/report"
)

// cdrCmd asks the store itself for call records, whether a server is up or not.
type cdrCmd struct {
	List   cdrListCmd   `cmd:"" help:"List calls, newest first." default:"withargs"`
	Show   cdrShowCmd   `cmd:"" help:"Show one call with its legs and timeline."`
	Stats  cdrStatsCmd  `cmd:"" help:"Count calls by trunk, user, code, phone or hour."`
	Export cdrExportCmd `cmd:"" help:"Write all calls that match, newest first."`
}

// cdrFilter are the flags that select calls.
type cdrFilter struct {
	Since       string `help:"Begun at or after: a span back from now (24h, 7d) or a local time (2026-11-01, 2026-11-01T15:04)." placeholder:"WHEN"`
	Until       string `help:"Begun before." placeholder:"WHEN"`
	From        string `help:"Calling user; * and ? stand for anything." placeholder:"PATTERN"`
	To          string `help:"Called user." placeholder:"PATTERN"`
	User        string `help:"Authenticated user." placeholder:"PATTERN"`
	Trunk       string `help:"Trunk." placeholder:"PATTERN"`
	State       string `help:"open, answered, busy, noanswer, failed, cancelled or lost." placeholder:"STATE"`
	MinDuration string `help:"At least so long from start to end (30s)." placeholder:"SPAN"`
	Flag        string `help:"Flagged silent, one_way, no_ack, slow_setup, media_timeout, transcoded, retransmits or script_error." placeholder:"FLAG"`
}

func (f cdrFilter) filter(a *app) (store.Filter, error) {
	now := time.Now()
	out, err := store.FilterText{
		Since: f.Since, Until: f.Until, From: f.From, To: f.To, User: f.User, Trunk: f.Trunk,
		State: f.State, MinDuration: f.MinDuration, Flag: f.Flag,
	}.Filter(now)
	if err != nil {
		return out, asUsage(err)
	}
	out, narrowed := out.Narrowed(now)
	if narrowed {
		fmt.Fprintln(a.stderr, out.Narrowing())
	}
	return out, nil
}

// asUsage marks a filter that cannot be used as a mistake in how the command was called.
func asUsage(err error) error {
	if fe, ok := errors.AsType[*store.FilterError](err); ok {
		return usageError{fmt.Errorf("--%w", fe)}
	}
	return err
}

type cdrListCmd struct {
	configFlags
	cdrFilter
	Limit  int           `help:"At most so many calls (50)." default:"50" placeholder:"N"`
	After  string        `help:"Go on where a list ended: the cursor it gave." placeholder:"CURSOR"`
	Format report.Format `help:"table, json or csv." enum:"table,json,csv" default:"table"`
}

// Run prints a page; when more calls follow, how to get them goes to stderr.
func (l cdrListCmd) Run(a *app) error {
	if l.Limit < 1 {
		return usageError{fmt.Errorf("--limit %d: want 1 or more", l.Limit)}
	}
	next, rows, err := l.write(a, l.configFlags, l.Format, l.Limit, l.After)
	switch {
	case err != nil:
		return err
	case next != "":
		fmt.Fprintf(a.stderr, "more calls: --after %s\n", next)
	case rows == 0 && l.Format == report.Table:
		fmt.Fprintln(a.stderr, "no calls")
	}
	return nil
}

// write prints the calls that match, limit 0 for all.
func (f cdrFilter) write(a *app, where configFlags, format report.Format, limit int, after string) (next string, rows int, err error) {
	filter, err := f.filter(a)
	if err != nil {
		return "", 0, err
	}
	filter.Limit, filter.After = limit, after
	r, err := where.records(a.ctx)
	if err != nil {
		return "", 0, err
	}
	defer r.Close()
	out := report.NewCalls(a.stdout, format, time.Local, func(ids []string) ([]string, error) { return r.Shorten(a.ctx, ids) })
	next, err = store.Each(a.ctx, r, filter, out.Write)
	if err != nil {
		return "", 0, asUsage(err)
	}
	return next, out.Rows(), out.Close()
}

type cdrExportCmd struct {
	configFlags
	cdrFilter
	Limit  int           `help:"At most so many calls; all if not given." placeholder:"N"`
	After  string        `help:"Go on where a list ended: the cursor it gave." placeholder:"CURSOR"`
	Format report.Format `help:"table, json, jsonl (an object a line) or csv." enum:"table,json,jsonl,csv" default:"csv"`
}

// Run writes the calls as they are read, in little memory however many there are.
func (e cdrExportCmd) Run(a *app) error {
	if e.Limit < 0 {
		return usageError{fmt.Errorf("--limit %d: want 1 or more", e.Limit)}
	}
	_, _, err := e.write(a, e.configFlags, e.Format, e.Limit, e.After)
	return err
}

type cdrShowCmd struct {
	configFlags
	ID     string        `arg:"" help:"Its id, or the beginning of one as a list shows it."`
	Format report.Format `help:"table, json or csv." enum:"table,json,csv" default:"table"`
}

// Run prints the call whose id is given or begins so.
func (s cdrShowCmd) Run(a *app) error {
	record, err := s.record(a, s.ID)
	if err != nil {
		return err
	}
	return report.Record(a.stdout, s.Format, time.Local, record)
}

// wholeID finds the one id that begins with prefix; an id that is itself the beginning
// of others wins.
func wholeID(ctx context.Context, r store.Reader, prefix string) (string, error) {
	const shown = 5
	ids, err := r.Match(ctx, prefix, shown+1)
	switch {
	case err != nil:
		return "", err
	case prefix == "" || len(ids) == 0:
		return "", fmt.Errorf("call %q: %w", prefix, store.ErrNotFound)
	case len(ids) == 1 || ids[0] == prefix:
		return ids[0], nil
	case len(ids) > shown:
		ids[shown] = "…"
	}
	return "", fmt.Errorf("call %q: several begin so: %s", prefix, strings.Join(ids, ", "))
}

type cdrStatsCmd struct {
	configFlags
	cdrFilter
	By     store.By      `help:"trunk, user, code, user_agent or hour." enum:"trunk,user,code,user_agent,hour" default:"trunk"`
	Format report.Format `help:"table, json or csv." enum:"table,json,csv" default:"table"`
}

// Run prints a line a group.
func (s cdrStatsCmd) Run(a *app) error {
	filter, err := s.filter(a)
	if err != nil {
		return err
	}
	r, err := s.records(a.ctx)
	if err != nil {
		return err
	}
	defer r.Close()
	stats, err := r.Stats(a.ctx, filter, s.By)
	if err != nil {
		return asUsage(err)
	}
	return report.Stats(a.stdout, s.Format, time.Local, s.By, stats)
}
