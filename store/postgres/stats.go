package postgres

import (
	"context"

	"tandem/store"
)

// What is added up: of calls from their narrow rows, of legs from the legs themselves.
const (
	ofCalls = `, coalesce(array_agg(s.pdd_ms) FILTER (WHERE s.pdd_ms >= 0), '{}'), count(*), sum(s.answered)::bigint,
		sum(s.billable_ms)::bigint, sum(s.duration_ms)::bigint, sum(s.one_way)::bigint, sum(s.silent)::bigint, sum(s.mos_count)::bigint, sum(s.mos_sum)`
	ofLegs = `, coalesce(array_agg(l.first_18x_ms - l.invite_ms) FILTER (WHERE l.first_18x_ms >= l.invite_ms), '{}'), count(*), count(l.answer_ms),
		coalesce(sum(l.end_ms - l.answer_ms), 0)::bigint, coalesce(sum(l.end_ms - l.invite_ms), 0)::bigint,
		count(*) FILTER (WHERE 'one_way' = ANY (string_to_array(l.flags, ','))),
		count(*) FILTER (WHERE 'silent' = ANY (string_to_array(l.flags, ','))),
		count(l.mos), coalesce(sum(l.mos), 0)`
)

// Stats groups the finished calls that f selects.
func (r *Reader) Stats(ctx context.Context, f store.Filter, by store.By) ([]store.Stat, error) {
	if _, err := store.ParseBy(string(by)); err != nil {
		return nil, err
	}
	f.Limit, f.After = 0, ""
	q, err := selection(f)
	if err != nil {
		return nil, err
	}
	q.period("s", f)
	from := q.from() + " JOIN call_sums s ON s.start_ms = c.start_ms AND s.call_id = c.id"
	sums := ofCalls
	if by == store.ByUserAgent {
		sums = ofLegs
		from += " JOIN legs l ON l.call_id = c.id"
	}
	res, err := r.db.Query(ctx, "SELECT "+groupKey(by)+sums+from+q.where()+" GROUP BY 1", q.args...)
	if err != nil {
		return nil, err
	}
	defer res.Close()
	var t store.Tally
	for res.Next() {
		var key string
		var pdds []int64
		var p store.Part
		if err := res.Scan(&key, &pdds, &p.Calls, &p.Answered, &p.BillableMS, &p.DurationMS, &p.OneWay, &p.Silent, &p.MOSCount, &p.MOSSum); err != nil {
			return nil, err
		}
		t.Add(key, p, pdds)
	}
	return t.Stats(by), res.Err()
}

func groupKey(by store.By) string {
	switch by {
	case store.ByTrunk:
		return "s.trunk"
	case store.ByUser:
		return "s.auth_user"
	case store.ByCode:
		return "CASE WHEN s.sip_code = 0 THEN '' ELSE s.sip_code::text END"
	case store.ByUserAgent:
		return "l.user_agent"
	}
	return "(s.start_ms / 3600000)::text"
}
