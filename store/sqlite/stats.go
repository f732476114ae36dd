package sqlite

import (
	"cmp"
	"context"
	"math"
	"slices"
	"strconv"
	"time"

	"tandem/store"
)

// Statistics come from one pass that groups by key and PDD: sums add up over the PDDs
// of a key, and the PDDs with their counts are what percentiles need.
const (
	ofCalls = `, ifnull(c.pdd_ms, -1), count(*), count(c.answer_ms),
		sum(iif(c.answer_ms IS NULL, 0, c.billable_ms)), sum(c.duration_ms),
		sum(iif(instr(',' || c.flags || ',', ',one_way,'), 1, 0)),
		sum(iif(instr(',' || c.flags || ',', ',silent,'), 1, 0)),
		sum((SELECT sum(l.mos) FROM legs l WHERE l.call_id = c.id)),
		sum((SELECT count(l.mos) FROM legs l WHERE l.call_id = c.id))`
	ofLegs = `, ifnull(l.first_18x_ms - l.invite_ms, -1), count(*), count(l.answer_ms),
		sum(iif(l.answer_ms IS NULL, 0, ifnull(l.end_ms - l.answer_ms, 0))), sum(ifnull(l.end_ms - l.invite_ms, 0)),
		sum(iif(instr(',' || l.flags || ',', ',one_way,'), 1, 0)),
		sum(iif(instr(',' || l.flags || ',', ',silent,'), 1, 0)),
		sum(l.mos), count(l.mos)`
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
	q.add("c.state <> '" + store.StateOpen + "'")
	key, sums, from := groupKey(by), ofCalls, q.from()
	if by == store.ByUserAgent {
		sums, from = ofLegs, from+" JOIN legs l ON l.call_id = c.id"
	}
	res, err := r.db.QueryContext(ctx, "SELECT "+key+sums+from+q.where()+" GROUP BY 1, 2", q.args...)
	if err != nil {
		return nil, err
	}
	defer res.Close()
	groups := map[string]*group{}
	for res.Next() {
		var key string
		var pdd int64
		var g group
		var mosSum *float64
		var mosCount *int64
		if err := res.Scan(&key, &pdd, &g.calls, &g.answered, &g.billable, &g.duration, &g.oneWay, &g.silent, &mosSum, &mosCount); err != nil {
			return nil, err
		}
		if mosSum != nil && mosCount != nil {
			g.mosSum, g.mosCount = *mosSum, *mosCount
		}
		if groups[key] == nil {
			groups[key] = &group{}
		}
		groups[key].add(&g, pdd)
	}
	if err := res.Err(); err != nil {
		return nil, err
	}
	return finish(groups, by), nil
}

func groupKey(by store.By) string {
	switch by {
	case store.ByTrunk:
		return "c.trunk"
	case store.ByUser:
		return "c.auth_user"
	case store.ByCode:
		return "ifnull(CAST(c.sip_code AS TEXT), '')"
	case store.ByUserAgent:
		return "l.user_agent"
	}
	return "c.start_ms / 3600000"
}

// hour turns the number of an hour since 1970 into its start.
func hour(n string) string {
	h, err := strconv.ParseInt(n, 10, 64)
	if err != nil { // SQLite divided integers
		panic(err)
	}
	return time.Unix(h*3600, 0).UTC().Format(time.RFC3339)
}

// group adds up one key.
type group struct {
	calls, answered, billable, duration, oneWay, silent, mosCount int64
	mosSum                                                        float64
	pdds                                                          []pddCount
}

type pddCount struct{ ms, count int64 }

func (g *group) add(o *group, pdd int64) {
	g.calls += o.calls
	g.answered += o.answered
	g.billable += o.billable
	g.duration += o.duration
	g.oneWay += o.oneWay
	g.silent += o.silent
	g.mosSum += o.mosSum
	g.mosCount += o.mosCount
	if pdd >= 0 {
		g.pdds = append(g.pdds, pddCount{pdd, o.calls})
	}
}

// percentile is the nearest rank: the least PDD that p percent of the calls do not exceed.
func (g *group) percentile(p int64) int64 {
	slices.SortFunc(g.pdds, func(a, b pddCount) int { return cmp.Compare(a.ms, b.ms) })
	var total, seen int64
	for _, d := range g.pdds {
		total += d.count
	}
	rank := (total*p + 99) / 100
	for _, d := range g.pdds {
		if seen += d.count; seen >= rank {
			return d.ms
		}
	}
	return 0
}

func finish(groups map[string]*group, by store.By) []store.Stat {
	out := make([]store.Stat, 0, len(groups))
	for key, g := range groups {
		if by == store.ByHour {
			key = hour(key)
		}
		s := store.Stat{
			Key: key, Calls: g.calls, Answered: g.answered, OneWay: g.oneWay, Silent: g.silent,
			ASR:           math.Round(1000*float64(g.answered)/float64(g.calls)) / 10,
			AvgDurationMS: g.duration / g.calls,
			PDDP50MS:      g.percentile(50),
			PDDP95MS:      g.percentile(95),
		}
		if g.answered > 0 {
			s.ACDMS = g.billable / g.answered
		}
		if g.mosCount > 0 {
			s.MOS = math.Round(100*g.mosSum/float64(g.mosCount)) / 100
		}
		out = append(out, s)
	}
	slices.SortFunc(out, func(a, b store.Stat) int {
		if by != store.ByHour && a.Calls != b.Calls {
			return cmp.Compare(b.Calls, a.Calls)
		}
		return cmp.Compare(a.Key, b.Key)
	})
	return out
}
