package postgres

import (
	"context"
	"log/slog"
	"slices"
	"strconv"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"tandem/store"
	"tandem/store/journal"
)

// nowMS is the time by the clock that all nodes share.
const nowMS = "(extract(epoch FROM clock_timestamp()) * 1000)::bigint"

// sink writes batches of records; it implements journal.Sink.
type sink struct {
	db   *pgxpool.Pool
	node string
}

// Write writes entries, and that this node is alive, in one transaction and one round trip.
func (s *sink) Write(ctx context.Context, batch []*journal.Entry) error {
	tx, err := s.db.Begin(ctx)
	if err != nil {
		return err
	}
	defer tx.Rollback(context.WithoutCancel(ctx))
	b := &pgx.Batch{}
	for _, e := range batch {
		queue(b, e)
	}
	b.Queue("INSERT INTO meta (key, value) VALUES ($1, "+nowMS+"::text) ON CONFLICT (key) DO UPDATE SET value = excluded.value", aliveKey(s.node))
	if err := tx.SendBatch(ctx, b).Close(); err != nil {
		return err
	}
	return tx.Commit(ctx)
}

// Refused tells rows that PostgreSQL will never take.
func (*sink) Refused(err error) bool { return refused(err) }

// aliveKey holds in meta when a node last wrote, in ms by PostgreSQL's clock.
func aliveKey(node string) string { return "alive/" + node }

func queue(b *pgx.Batch, e *journal.Entry) {
	b.Queue(upsertCall(), values(e.Call.Fields())...)
	if e.Call.Flags != "" {
		for flag := range strings.SplitSeq(e.Call.Flags, ",") {
			b.Queue("INSERT INTO call_flags (flag, start_ms, call_id) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING", flag, e.Call.StartMS, e.Call.ID)
		}
	}
	switch e.Call.State {
	case store.StateOpen:
	case store.StateLost: // its end may be known by now
		b.Queue("INSERT INTO call_sums "+into(journal.SumColumns())+" ON CONFLICT DO NOTHING", e.Sums()...)
	default:
		b.Queue(upsert("call_sums", journal.SumColumns(), "start_ms", "call_id"), e.Sums()...)
	}
	for i := range e.Legs {
		b.Queue(upsert("legs", store.LegColumns(), "call_id", "seq"), values(e.Legs[i].Fields())...)
	}
	if len(e.Events) > 0 {
		b.Queue(upsert("timelines", []string{"call_id", "events"}, "call_id"), e.Call.ID, string(journal.Timeline(e.Events)))
	}
}

func into(columns []string) string {
	marks := make([]string, len(columns))
	for i := range columns {
		marks[i] = "$" + strconv.Itoa(i+1)
	}
	return "(" + strings.Join(columns, ", ") + ") VALUES (" + strings.Join(marks, ", ") + ")"
}

// upsert inserts a row or replaces the one with the same key.
func upsert(table string, columns []string, key ...string) string {
	return "INSERT INTO " + table + " " + into(columns) + " ON CONFLICT (" + strings.Join(key, ", ") + ") DO UPDATE SET " + replaced(columns, key...)
}

// upsertCall is that for calls, but for what an INVITE settles. What has ended stays so,
// whatever older state comes out of a spool again.
func upsertCall() string {
	return "INSERT INTO calls " + into(store.CallColumns()) + " ON CONFLICT (id) DO UPDATE SET " +
		replaced(store.CallColumns(), "id", "node", "from_user", "to_user", "start_ms") +
		" WHERE excluded.state NOT IN ('open', 'lost') OR calls.state IN ('open', 'lost')"
}

func replaced(columns []string, but ...string) string {
	var set []string
	for _, c := range columns {
		if !slices.Contains(but, c) {
			set = append(set, c+" = excluded."+c)
		}
	}
	return strings.Join(set, ", ")
}

func values(fields []store.Field) []any {
	out := make([]any, len(fields))
	for i, f := range fields {
		out[i] = f.Value()
	}
	return out
}

// closeLost closes the rows that a crash of a node left open. They end when the node is last
// known to have been alive.
func closeLost(ctx context.Context, db *pgxpool.Pool, node string, log *slog.Logger) error {
	tag, err := db.Exec(ctx, `
		WITH alive AS (SELECT coalesce((SELECT value::bigint FROM meta WHERE key = $1), 0) AS ms),
		ended AS (UPDATE calls SET state = $2, released_by = $3,
			end_ms = greatest(start_ms, ring_ms, answer_ms, alive.ms),
			duration_ms = greatest(start_ms, ring_ms, answer_ms, alive.ms) - start_ms,
			billable_ms = coalesce(greatest(start_ms, ring_ms, answer_ms, alive.ms) - answer_ms, 0)
			FROM alive WHERE state = $4 AND node = $5 RETURNING calls.*)
		INSERT INTO call_sums SELECT start_ms, id, trunk, auth_user, 0, CASE WHEN answer_ms IS NULL THEN 0 ELSE 1 END, billable_ms, duration_ms,
			coalesce(pdd_ms, -1), 0, 0, 0, 0 FROM ended ON CONFLICT DO NOTHING`,
		aliveKey(node), store.StateLost, store.BySystem, store.StateOpen, node)
	if err == nil && tag.RowsAffected() > 0 {
		log.Warn("a server died with calls up; their records are closed as lost", "node", node, "calls", tag.RowsAffected())
	}
	return err
}
