package store

import (
	"cmp"
	"math"
	"slices"
	"strconv"
	"time"
)

// Tally makes statistics of sums that a database has grouped by key.
type Tally struct{ groups map[string]*tally }

// Part is what is to be added: the sums of some calls of one key.
type Part struct {
	Calls, Answered, BillableMS, DurationMS, OneWay, Silent, MOSCount int64
	MOSSum                                                            float64
}

type tally struct {
	Part
	pdds []int64
}

// Add adds p under key, and the PDDs of those of its calls that have one.
func (t *Tally) Add(key string, p Part, pddMS []int64) {
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
	g.pdds = append(g.pdds, pddMS...)
}

// percentile is the nearest rank: the least PDD that p percent of the calls do not exceed.
// The PDDs have to be sorted.
func (g *tally) percentile(p int) int64 {
	if len(g.pdds) == 0 {
		return 0
	}
	return g.pdds[max(0, (len(g.pdds)*p+99)/100-1)]
}

// Stats are the groups, the most calls first; hours, whose keys are numbers of hours since
// 1970, in order.
func (t *Tally) Stats(by By) []Stat {
	out := make([]Stat, 0, len(t.groups))
	for key, g := range t.groups {
		if by == ByHour {
			key = hour(key)
		}
		slices.Sort(g.pdds)
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
