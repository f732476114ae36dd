package store

import (
	"cmp"
	"math"
	"slices"
	"strconv"
	"time"
)

// Tally makes statistics of sums that a database has grouped by key and PDD: sums add up
// over the PDDs of a key, and the PDDs with their counts are what percentiles need.
type Tally struct{ groups map[string]*tally }

// Part is what is to be added: the sums of calls that share a key and a PDD.
type Part struct {
	Calls, Answered, BillableMS, DurationMS, OneWay, Silent, MOSCount int64
	MOSSum                                                            float64
}

type tally struct {
	Part
	pdds []pddCount
}

type pddCount struct{ ms, count int64 }

// Add adds p under key; a negative pddMS is none.
func (t *Tally) Add(key string, pddMS int64, p Part) {
	if t.groups == nil {
		t.groups = map[string]*tally{}
	}
	g := t.groups[key]
	if g == nil {
		g = &tally{}
		t.groups[key] = g
	}
	g.Calls += p.Calls
	g.Answered += p.Answered
	g.BillableMS += p.BillableMS
	g.DurationMS += p.DurationMS
	g.OneWay += p.OneWay
	g.Silent += p.Silent
	g.MOSSum += p.MOSSum
	g.MOSCount += p.MOSCount
	if pddMS >= 0 {
		g.pdds = append(g.pdds, pddCount{pddMS, p.Calls})
	}
}

// percentile is the nearest rank: the least PDD that p percent of the calls do not exceed.
func (g *tally) percentile(p int64) int64 {
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

// Stats are the groups, the most calls first; hours, whose keys are numbers of hours since
// 1970, in order.
func (t *Tally) Stats(by By) []Stat {
	out := make([]Stat, 0, len(t.groups))
	for key, g := range t.groups {
		if by == ByHour {
			key = hour(key)
		}
		s := Stat{
			Key: key, Calls: g.Calls, Answered: g.Answered, OneWay: g.OneWay, Silent: g.Silent,
			ASR:           math.Round(1000*float64(g.Answered)/float64(g.Calls)) / 10,
			AvgDurationMS: g.DurationMS / g.Calls,
			PDDP50MS:      g.percentile(50),
			PDDP95MS:      g.percentile(95),
		}
		if g.Answered > 0 {
			s.ACDMS = g.BillableMS / g.Answered
		}
		if g.MOSCount > 0 {
			s.MOS = math.Round(100*g.MOSSum/float64(g.MOSCount)) / 100
		}
		out = append(out, s)
	}
	slices.SortFunc(out, func(a, b Stat) int {
		if by != ByHour && a.Calls != b.Calls {
			return cmp.Compare(b.Calls, a.Calls)
		}
		return cmp.Compare(a.Key, b.Key)
	})
	return out
}

// hour turns the number of an hour since 1970 into its start.
func hour(n string) string {
	h, err := strconv.ParseInt(n, 10, 64)
	if err != nil { // databases divide integers
		panic(err)
	}
	return time.Unix(h*3600, 0).UTC().Format(time.RFC3339)
}
