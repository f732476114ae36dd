package sqlite

import (
	"bytes"
	"context"
	"strconv"
	"strings"

	"tandem/store"
)

// What is added up: of calls from their narrow rows, of legs from the legs themselves.
const (
	ofCalls = `, ifnull(group_concat(nullif(s.pdd_ms, -1)), ''), count(*), sum(s.answered), sum(s.billable_ms), sum(s.duration_ms), sum(s.one_way), sum(s.silent),
		sum(s.mos_count), sum(s.mos_sum)`
	ofLegs = `, ifnull(group_concat(l.first_18x_ms - l.invite_ms), ''), count(*), count(l.answer_ms),
		sum(iif(l.answer_ms IS NULL, 0, ifnull(l.end_ms - l.answer_ms, 0))), sum(ifnull(l.end_ms - l.invite_ms, 0)),
		sum(l.flags <> '' AND instr(',' || l.flags || ',', ',one_way,') > 0),
		sum(l.flags <> '' AND instr(',' || l.flags || ',', ',silent,') > 0),
		count(l.mos), ifnull(sum(l.mos), 0.0)`
)

// Stats groups the finished calls that f selects.
func (r *Reader) Stats(ctx context.Context, f store.Filter, by store.By) ([]store.Stat, error) {
	if _, err := store.ParseBy(string(by)); err != nil {
		return nil, err
	}
	from, args, err := ended(f)
	if err != nil {
		return nil, err
	}
	sums := ofCalls
	if by == store.ByUserAgent {
		sums = ofLegs
		from = strings.Replace(from, " FROM call_sums s", " FROM call_sums s JOIN legs l ON l.call_id = s.call_id", 1)
	}
	res, err := r.db.QueryContext(ctx, "SELECT "+groupKey(by)+sums+from+" GROUP BY 1", args...)
	if err != nil {
		return nil, err
	}
	defer res.Close()
	var t store.Tally
	for res.Next() {
		var key string
		var pdds []byte // a text of numbers: grouping by them as well took twice as long
		var p store.Part
		if err := res.Scan(&key, &pdds, &p.Calls, &p.Answered, &p.BillableMS, &p.DurationMS, &p.OneWay, &p.Silent, &p.MOSCount, &p.MOSSum); err != nil {
			return nil, err
		}
		list, err := numbers(pdds)
		if err != nil {
			return nil, err
		}
		t.Add(key, p, list)
	}
	return t.Stats(by), res.Err()
}

// numbers reads what group_concat wrote.
func numbers(text []byte) ([]int64, error) {
	if len(text) == 0 {
		return nil, nil
	}
	out := make([]int64, 0, bytes.Count(text, []byte(","))+1)
	for part := range bytes.SplitSeq(text, []byte(",")) {
		n, err := strconv.ParseInt(string(part), 10, 64)
		if err != nil {
			return nil, err
		}
		out = append(out, n)
	}
	return out, nil
}

// ended is the FROM and WHERE of the calls that have ended and that f selects; their narrow
// rows are s. Only a filter over other columns than these have looks at whole records.
func ended(f store.Filter) (from string, args []any, err error) {
	f.Limit, f.After = 0, ""
	narrow := f.From == "" && f.To == "" && f.State == "" && f.Flag == "" && f.MinDuration == 0
	q := &query{order: "s"}
	if !narrow {
		if q, err = selection(f); err != nil {
			return "", nil, err
		}
		from := " FROM call_sums s JOIN calls c ON c.id = s.call_id"
		if q.order == "f" {
			from += " JOIN call_flags f ON f.call_id = s.call_id AND f.start_ms = s.start_ms"
		}
		q.period("s", f)
		return from + q.where(), q.args, nil
	}
	if err := f.Check(); err != nil {
		return "", nil, err
	}
	q.period("s", f)
	q.match("s.auth_user", f.User)
	q.match("s.trunk", f.Trunk)
	return " FROM call_sums s" + q.where(), q.args, nil
}

func groupKey(by store.By) string {
	switch by {
	case store.ByTrunk:
		return "s.trunk"
	case store.ByUser:
		return "s.auth_user"
	case store.ByCode:
		return "iif(s.sip_code = 0, '', CAST(s.sip_code AS TEXT))"
	case store.ByUserAgent:
		return "l.user_agent"
	}
	return "s.start_ms / 3600000"
}
