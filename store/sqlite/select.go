package sqlite

import (
	"strings"

	"tandem/store"
)

// query is the FROM and WHERE of a filter. Only fixed text is put together here; what
// people type goes into args.
type query struct {
	begin string // index by the beginning of a number, where no better one leads to the rows
	exact bool   // an index leads to few rows
	order string // alias whose (start_ms, id) gives the order: "c", or "f" when searching a flag
	conds []string
	args  []any
}

// selection translates a filter; the table calls has the alias c.
func selection(f store.Filter) (*query, error) {
	if err := f.Check(); err != nil {
		return nil, err
	}
	q := &query{order: "c"}
	if f.Flag != "" {
		q.order = "f"
		q.add("f.flag = ?", f.Flag)
	}
	q.period(q.order, f)
	q.match("c.from_user", f.From)
	q.match("c.to_user", f.To)
	q.match("c.auth_user", f.User)
	q.match("c.trunk", f.Trunk)
	if f.State != "" {
		q.add("c.state = ?", f.State)
	}
	if f.MinDuration > 0 {
		q.add("c.duration_ms >= ?", f.MinDuration.Milliseconds())
	}
	if f.After != "" {
		ms, id, err := store.ParseCursor(f.After)
		if err != nil {
			return nil, err
		}
		q.add("("+q.order+".start_ms, "+q.orderID()+") < (?, ?)", ms, id)
	}
	return q, nil
}

func (q *query) add(cond string, args ...any) {
	q.conds = append(q.conds, cond)
	q.args = append(q.args, args...)
}

// period bounds the start in the table that alias names.
func (q *query) period(alias string, f store.Filter) {
	if !f.Since.IsZero() {
		q.add(alias+".start_ms >= ?", f.Since.UnixMilli())
	}
	if !f.Until.IsZero() {
		q.add(alias+".start_ms < ?", f.Until.UnixMilli())
	}
}

func (q *query) match(column, pattern string) {
	kind, text := store.Pattern(pattern).Split()
	head := text
	if kind == store.MatchGlob {
		head = text[:strings.IndexAny(text, "*?[")]
	}
	index := map[string]string{"c.from_user": "calls_from", "c.to_user": "calls_to"}[column]
	switch {
	case kind == store.MatchExact && column != "c.trunk":
		q.exact = true
	case kind != store.MatchAll && head != "" && index != "":
		q.begin = index
	}
	if kind != store.MatchAll && (column == "c.auth_user" || column == "c.trunk") {
		q.add(column + " <> ''") // lets SQLite use the partial index
	}
	switch kind {
	case store.MatchExact:
		q.add(column+" = ?", text)
	case store.MatchPrefix:
		q.add(column+" >= ? AND "+column+" < ?", text, beyond(text))
	case store.MatchGlob:
		if head != "" {
			q.add(column+" >= ? AND "+column+" < ?", head, beyond(head))
		}
		q.add(column+" GLOB ?", text)
	}
}

func (q *query) orderID() string {
	if q.order == "f" {
		return "f.call_id"
	}
	return "c.id"
}

// newest is the order of every page.
func (q *query) newest() string {
	return " ORDER BY " + q.order + ".start_ms DESC, " + q.orderID() + " DESC LIMIT ?"
}

func (q *query) from() string {
	if q.order == "f" {
		// CROSS JOIN keeps SQLite from turning the join around: the flag's rows are few and in order.
		return " FROM call_flags f CROSS JOIN calls c ON c.id = f.call_id"
	}
	return " FROM calls c"
}

func (q *query) where() string {
	if len(q.conds) == 0 {
		return ""
	}
	return " WHERE " + strings.Join(q.conds, " AND ")
}
