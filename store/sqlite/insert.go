package sqlite

import (
	"context"
	"database/sql"
	"encoding/json"
	"slices"
	"strconv"
	"strings"

	"tandem/store"
)

// statements are the writer's prepared statements.
type statements struct {
	call, leg, timeline, flag, meta *sql.Stmt
}

func (s *statements) each() []**sql.Stmt {
	return []**sql.Stmt{&s.call, &s.leg, &s.timeline, &s.flag, &s.meta}
}

const upsertMeta = "INSERT INTO meta (key, value) VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET value = excluded.value"

func (s *statements) prepare(ctx context.Context, db *sql.DB) error {
	texts := []string{
		upsertCall(),
		"INSERT OR REPLACE INTO legs " + into(store.LegColumns()),
		"INSERT OR REPLACE INTO timelines (call_id, events) VALUES (?, ?)",
		"INSERT OR IGNORE INTO call_flags (flag, start_ms, call_id) VALUES (?, ?, ?)",
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
	return "(" + strings.Join(columns, ", ") + ") VALUES (" + marks + ")"
}

// upsertCall inserts a row or, when its opening was written before, replaces what can
// change: not the columns that an INVITE settles, so that their indexes stay untouched.
func upsertCall() string {
	settled := []string{"id", "node", "from_user", "to_user", "start_ms"}
	var set []string
	for _, c := range store.CallColumns() {
		if !slices.Contains(settled, c) {
			set = append(set, c+" = excluded."+c)
		}
	}
	return "INSERT INTO calls " + into(store.CallColumns()) + " ON CONFLICT (id) DO UPDATE SET " + strings.Join(set, ", ")
}

func values(fields []store.Field) []any {
	out := make([]any, len(fields))
	for i, f := range fields {
		out[i] = f.Value()
	}
	return out
}

func (s *statements) write(ctx context.Context, e *entry) error {
	if _, err := s.call.ExecContext(ctx, values(e.call.Fields())...); err != nil {
		return err
	}
	if e.call.Flags != "" {
		for flag := range strings.SplitSeq(e.call.Flags, ",") {
			if _, err := s.flag.ExecContext(ctx, flag, e.call.StartMS, e.call.ID); err != nil {
				return err
			}
		}
	}
	for i := range e.legs {
		if _, err := s.leg.ExecContext(ctx, values(e.legs[i].Fields())...); err != nil {
			return err
		}
	}
	if len(e.events) == 0 {
		return nil
	}
	_, err := s.timeline.ExecContext(ctx, e.call.ID, string(timeline(e.events)))
	return err
}

// timeline writes events as the value that the view events takes apart:
// [[at_ms, leg, kind, text], …].
func timeline(events []store.Event) []byte {
	b := make([]byte, 0, 96*len(events))
	b = append(b, '[')
	for i, e := range events {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(b, '[')
		b = strconv.AppendInt(b, e.AtMS, 10)
		b = append(b, ',')
		if e.Leg == 0 {
			b = append(b, "null"...)
		} else {
			b = strconv.AppendInt(b, e.Leg, 10)
		}
		b = appendString(append(b, ','), e.Kind)
		b = appendString(append(b, ','), e.Text)
		b = append(b, ']')
	}
	return append(b, ']')
}

func appendString(b []byte, s string) []byte {
	q, err := json.Marshal(s)
	if err != nil { // a string always marshals
		panic(err)
	}
	return append(b, q...)
}
