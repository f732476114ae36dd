package main

import (
	"context"
	"database/sql"
	"fmt"
	"log/slog"
	"time"

	_ "github.com/mattn/go-sqlite3" // builds the records in SQL

	"tandem/store/sqlite"
)

// newest is when the last record began; the others lie before it, evenly.
func newest() time.Time { return time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC) }

// everyMS is the time between two calls.
func (b *bench) everyMS() float64 { return float64(b.days) * 86400e3 / float64(b.calls) }

// startMS is when call i began.
func (b *bench) startMS(i int) int64 {
	return newest().UnixMilli() - int64(float64(b.calls-1-i)*b.everyMS())
}

// population makes the calls from the numbers 0 to n-1 in SQL, since handing over five
// million rows would take longer than all that is measured. h spreads them as chance would.
const population = `
WITH RECURSIVE i(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM i WHERE i < ?1 - 1),
  n AS (SELECT i, (i * 2654435761) & 4294967295 AS h, ?2 - CAST((?1 - 1 - i) * ?3 AS INTEGER) AS start FROM i),
  c AS (SELECT *, h % 100 AS kind, 100 + h % 3000 AS pdd, (h / 64) % 600000 AS talk,
    CASE WHEN h % 10 < 3 THEN '' WHEN h % 10 < 9 THEN 'carrier' ELSE 'backup' END AS trunk FROM n)
INSERT INTO calls SELECT
  printf('%012x%08x', start, h), printf('%012x%08x', start, h), 'bench', iif(trunk = '', 'internal', 'outbound'),
  CAST(1000 + h / 16 % 500 AS TEXT), '192.0.2.10', 'Somebody', CASE
    WHEN trunk = '' THEN CAST(1000 + h / 256 % 500 AS TEXT)
    WHEN h % 997 = 0 THEN '+6491570' || printf('%03d', h / 997 % 1000)
    ELSE '+44207' || printf('%07d', h / 32 % 900000) END,
  'tandem', 'udp:192.0.2.10:5060', CAST(1000 + h / 16 % 500 AS TEXT), trunk, '50-main.lua', 1, '',
  start, iif(kind < 90, start + pdd, NULL), iif(kind < 60, start + pdd + 3000, NULL),
  start + pdd + 3000 + iif(kind < 60, talk, 0), pdd + 3000 + iif(kind < 60, talk, 0), iif(kind < 60, talk, 0), iif(kind < 90, pdd, NULL),
  CASE WHEN kind < 60 THEN 'answered' WHEN kind < 72 THEN 'noanswer' WHEN kind < 82 THEN 'busy'
    WHEN kind < 92 THEN 'cancelled' WHEN h % 5003 = 0 THEN 'lost' ELSE 'failed' END,
  CASE WHEN kind < 60 THEN 200 WHEN kind < 72 THEN 480 WHEN kind < 82 THEN 486 WHEN kind < 92 THEN 487 ELSE 503 END,
  16, 'caller', CASE WHEN h % 1009 = 0 THEN 'one_way' WHEN h % 2003 = 0 THEN 'silent' WHEN h % 53 = 0 THEN 'slow_setup' ELSE '' END,
  '', '{"queue":"sales"}'
FROM c`

// rest fills the other tables from the calls.
var rest = []string{
	`INSERT INTO call_flags SELECT flags, start_ms, id FROM calls WHERE flags <> '' ORDER BY 1, 2, 3`,
	`INSERT INTO legs SELECT id, seq, iif(seq = 1, 'a', 'b'), id || seq || '@tandem', '', iif(seq = 1, '', trunk), 'udp:192.0.2.10:5060',
		'Phone ' || (start_ms % 7), 'pcmu', 'relay', 'off', start_ms, ring_ms, answer_ms, end_ms, sip_code, '', billable_ms / 20, billable_ms / 20,
		0, 0, 1.5, 20.0, iif(answer_ms IS NULL, NULL, 3.9 + start_ms % 6 / 10.0), answer_ms, 'rfc4733', 0, flags
		FROM calls, (SELECT 1 AS seq UNION ALL SELECT 2)`,
	`INSERT INTO timelines SELECT id, json_array(json_array(start_ms, 1, 'sip', 'INVITE sip:' || to_user || '@tandem'),
		json_array(start_ms + 1, NULL, 'script', 'dials trunk:carrier/' || to_user), json_array(start_ms + 2, 2, 'sip', 'INVITE'),
		json_array(start_ms + 90, 2, 'sip', '180 Ringing'), json_array(end_ms, 1, 'sip', 'BYE')) FROM calls`,
	`INSERT INTO call_sums SELECT start_ms, id, trunk, auth_user, sip_code, answer_ms IS NOT NULL, billable_ms, duration_ms,
		ifnull(pdd_ms, -1), flags = 'one_way', flags = 'silent', iif(answer_ms IS NULL, 0.0, 2 * (3.9 + start_ms % 6 / 10.0)),
		iif(answer_ms IS NULL, 0, 2) FROM calls`,
}

// build makes the store with the schema of the server and fills it; the indexes of calls are
// made when the rows are there, which is much the quicker order.
func (b *bench) build(ctx context.Context) error {
	s, err := sqlite.Open(ctx, b.path, sqlite.Options{Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		return err
	}
	if err := s.Close(); err != nil {
		return err
	}
	db, err := sql.Open("sqlite3", "file:"+b.path+"?_journal_mode=OFF&_synchronous=OFF&_cache_size=-500000")
	if err != nil {
		return err
	}
	defer db.Close()
	db.SetMaxOpenConns(1)
	indexes, err := dropIndexes(ctx, db)
	if err != nil {
		return err
	}
	if _, err := db.ExecContext(ctx, population, b.calls, newest().UnixMilli(), b.everyMS()); err != nil {
		return fmt.Errorf("calls: %w", err)
	}
	for _, text := range append(rest, indexes...) {
		if _, err := db.ExecContext(ctx, text); err != nil {
			return fmt.Errorf("%.40s: %w", text, err)
		}
	}
	return nil
}

// dropIndexes removes the indexes of calls and returns what makes them again.
func dropIndexes(ctx context.Context, db *sql.DB) (make []string, err error) {
	rows, err := db.QueryContext(ctx, "SELECT name, sql FROM sqlite_schema WHERE type = 'index' AND tbl_name = 'calls' AND sql IS NOT NULL")
	if err != nil {
		return nil, err
	}
	var names []string
	for rows.Next() {
		var name, text string
		if err := rows.Scan(&name, &text); err != nil {
			return nil, err
		}
		names, make = append(names, name), append(make, text)
	}
	if err := rows.Close(); err != nil {
		return nil, err
	}
	for _, name := range names {
		if _, err := db.ExecContext(ctx, "DROP INDEX "+name); err != nil {
			return nil, err
		}
	}
	return make, nil
}
