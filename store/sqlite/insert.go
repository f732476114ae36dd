package sqlite

import (
	"context"
	"database/sql"
	"slices"
	"strings"

	"tandem/store"
	"tandem/store/journal"
)

// statements are the writer's prepared statements.
type statements struct {
	call, leg, timeline, flag, sums, lostSums, meta *sql.Stmt
}

func (s *statements) each() []**sql.Stmt {
	return []**sql.Stmt{&s.call, &s.leg, &s.timeline, &s.flag, &s.sums, &s.lostSums, &s.meta}
}

const upsertMeta = "INSERT INTO meta (key, value) VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET value = excluded.value"

func (s *statements) prepare(ctx context.Context, db *sql.DB) error {
	texts := []string{
		upsertCall(),
		"INSERT OR REPLACE INTO legs " + into(store.LegColumns()),
		"INSERT OR REPLACE INTO timelines (call_id, events) VALUES (?, ?)",
		"INSERT OR IGNORE INTO call_flags (flag, start_ms, call_id) VALUES (?, ?, ?)",
		"INSERT OR REPLACE INTO call_sums " + into(journal.SumColumns()),
		"INSERT OR IGNORE INTO call_sums " + into(journal.SumColumns()),
		upsertMeta,
	}
	for i, stmt := range s.each() {
		var err error
		if *stmt, err = db.PrepareContext(ctx, texts[i]); err != nil {
			return err
		}
	}
	return nil
}

func (s *statements) close() {
	for _, stmt := range s.each() {
		(*stmt).Close()
	}
}

// within returns the statements for use in tx.
func (s *statements) within(ctx context.Context, tx *sql.Tx) *statements {
	in := &statements{}
	to := in.each()
	for i, stmt := range s.each() {
		*to[i] = tx.StmtContext(ctx, *stmt)
	}
	return in
}

func into(columns []string) string {
	marks := strings.Repeat("?, ", len(columns)-1) + "?"
	return intoColumns(columns) + " VALUES (" + marks + ")"
}

func intoColumns(columns []string) string { return "(" + strings.Join(columns, ", ") + ")" }

// upsertCall inserts a row or, when its opening was written before, replaces what can
// change: not the columns that an INVITE settles, so that their indexes stay untouched. What
// has ended stays so, whatever older state comes out of a spool again.
func upsertCall() string {
	settled := []string{"id", "node", "from_user", "to_user", "start_ms"}
	var set []string
	for _, c := range store.CallColumns() {
		if !slices.Contains(settled, c) {
			set = append(set, c+" = excluded."+c)
		}
	}
	return "INSERT INTO calls " + into(store.CallColumns()) + " ON CONFLICT (id) DO UPDATE SET " + strings.Join(set, ", ") +
		" WHERE excluded.state NOT IN ('open', 'lost') OR calls.state IN ('open', 'lost')"
}

func values(fields []store.Field) []any {
	out := make([]any, len(fields))
	for i, f := range fields {
		out[i] = f.Value()
	}
	return out
}

func (s *statements) write(ctx context.Context, e *journal.Entry) error {
	if _, err := s.call.ExecContext(ctx, values(e.Call.Fields())...); err != nil {
		return err
	}
	if err := s.index(ctx, e); err != nil {
		return err
	}
	for i := range e.Legs {
		if _, err := s.leg.ExecContext(ctx, values(e.Legs[i].Fields())...); err != nil {
			return err
		}
	}
	if len(e.Events) == 0 {
		return nil
	}
	_, err := s.timeline.ExecContext(ctx, e.Call.ID, string(journal.Timeline(e.Events)))
	return err
}

// index writes what is kept of a call for those who search and add up.
func (s *statements) index(ctx context.Context, e *journal.Entry) error {
	if e.Call.Flags != "" {
		for flag := range strings.SplitSeq(e.Call.Flags, ",") {
			if _, err := s.flag.ExecContext(ctx, flag, e.Call.StartMS, e.Call.ID); err != nil {
				return err
			}
		}
	}
	sums := s.sums
	switch e.Call.State {
	case store.StateOpen:
		return nil
	case store.StateLost: // its end may be known by now
		sums = s.lostSums
	}
	_, err := sums.ExecContext(ctx, e.Sums()...)
	return err
}
