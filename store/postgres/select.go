package postgres

import (
	"regexp"
	"strconv"
	"strings"
	"unicode/utf8"

	"tandem/store"
)

// query is the FROM and WHERE of a filter. Only fixed text is put together here; what people
// type goes into args.
type query struct {
	order string // alias whose (start_ms, id) gives the order: "c", or "f" when searching a flag
	conds []string
	args  []any
}

// arg adds an argument and returns its mark.
func (q *query) arg(v any) string {
	if s, ok := v.(string); ok {
		v = text(s)
	}
	q.args = append(q.args, v)
	return "$" + strconv.Itoa(len(q.args))
}

// text makes s what PostgreSQL takes as text; no record holds anything else.
func text(s string) string {
	if utf8.ValidString(s) && !strings.Contains(s, "\x00") {
		return s
	}
	return strings.ReplaceAll(strings.ToValidUTF8(s, "\ufffd"), "\x00", "\ufffd")
}

func (q *query) add(cond string) { q.conds = append(q.conds, cond) }

// selection translates a filter; the table calls has the alias c.
func selection(f store.Filter) (*query, error) {
	if err := f.Check(); err != nil {
		return nil, err
	}
	q := &query{order: "c"}
	if f.Flag != "" {
		q.order = "f"
		q.add("f.flag = " + q.arg(f.Flag))
	}
	q.period(q.order, f)
	q.match("c.from_user", f.From)
	q.match("c.to_user", f.To)
	q.match("c.auth_user", f.User)
	q.match("c.trunk", f.Trunk)
	if f.State != "" {
		q.add("c.state = " + q.arg(f.State))
	}
	if f.MinDuration > 0 {
		q.add("c.duration_ms >= " + q.arg(f.MinDuration.Milliseconds()))
	}
	if f.After != "" {
		ms, id, err := store.ParseCursor(f.After)
		if err != nil {
			return nil, err
		}
		q.add("(" + q.order + ".start_ms, " + q.orderID() + ") < (" + q.arg(ms) + ", " + q.arg(id) + ")")
	}
	return q, nil
}

// period bounds the start in the table that alias names.
func (q *query) period(alias string, f store.Filter) {
	if !f.Since.IsZero() {
		q.add(alias + ".start_ms >= " + q.arg(f.Since.UnixMilli()))
	}
	if !f.Until.IsZero() {
		q.add(alias + ".start_ms < " + q.arg(f.Until.UnixMilli()))
	}
}

func (q *query) match(column, pattern string) {
	kind, s := store.Pattern(pattern).Split()
	if kind != store.MatchAll && (strings.HasSuffix(column, ".auth_user") || strings.HasSuffix(column, ".trunk")) {
		q.add(column + " <> ''") // lets the planner use the partial index
	}
	switch kind {
	case store.MatchExact:
		q.add(column + " = " + q.arg(s))
	case store.MatchPrefix:
		q.add(column + " >= " + q.arg(s) + " AND " + column + " < " + q.arg(beyond(s)))
	case store.MatchGlob:
		if head := s[:strings.IndexAny(s, "*?[")]; head != "" {
			q.add(column + " >= " + q.arg(head) + " AND " + column + " < " + q.arg(beyond(head)))
		}
		q.add(column + " ~ " + q.arg(expression(s)))
	}
}

// expression is a glob as a regular expression of PostgreSQL's.
func expression(glob string) string {
	var b strings.Builder
	b.WriteString("^")
	for i := 0; i < len(glob); {
		switch c := glob[i]; c {
		case '*':
			b.WriteString(".*")
		case '?':
			b.WriteString(".")
		case '[':
			end := setEnd(glob, i)
			b.WriteString(set(glob[i+1 : end]))
			i = end
		default:
			_, n := utf8.DecodeRuneInString(glob[i:])
			b.WriteString(regexp.QuoteMeta(glob[i : i+n]))
			i += n - 1
		}
		i++
	}
	return b.String() + "$"
}

// setEnd is where the set that begins at i ends; Pattern.Check has seen to it that it does.
func setEnd(glob string, i int) int {
	from := i + 1
	if from < len(glob) && glob[from] == '^' {
		from++
	}
	if from < len(glob) && glob[from] == ']' { // one that comes first belongs to the set
		from++
	}
	return from + strings.IndexByte(glob[from:], ']')
}

// set writes the inside of a set with what has a meaning in an expression only taken literally.
func set(inside string) string {
	not := ""
	if rest, ok := strings.CutPrefix(inside, "^"); ok {
		not, inside = "^", rest
	}
	return "[" + not + strings.NewReplacer(`\`, `\\`, "[", `\[`, "]", `\]`, "^", `\^`).Replace(inside) + "]"
}

func (q *query) orderID() string {
	if q.order == "f" {
		return "f.call_id"
	}
	return "c.id"
}

func (q *query) from() string {
	if q.order == "f" {
		return " FROM call_flags f JOIN calls c ON c.id = f.call_id"
	}
	return " FROM calls c"
}

func (q *query) where() string {
	if len(q.conds) == 0 {
		return ""
	}
	return " WHERE " + strings.Join(q.conds, " AND ")
}
