package journal

import (
	"strings"

	"tandem/store"
)

// SumColumns names what statistics add up of each call that has ended, in a narrow table
// of their own: reading a day of whole records and legs takes seconds where there are many.
func SumColumns() []string {
	return []string{"start_ms", "call_id", "trunk", "auth_user", "sip_code", "answered", "billable_ms", "duration_ms",
		"pdd_ms", "one_way", "silent", "mos_sum", "mos_count"}
}

// Sums are the values of SumColumns.
func (e *Entry) Sums() []any {
	c := &e.Call
	has := func(flag string) int64 {
		for f := range strings.SplitSeq(c.Flags, ",") {
			if f == flag {
				return 1
			}
		}
		return 0
	}
	var answered, billable, mosCount int64
	if c.AnswerMS > 0 {
		answered, billable = 1, c.BillableMS
	}
	mosSum := 0.0
	for i := range e.Legs {
		if e.Legs[i].MOS > 0 {
			mosSum += e.Legs[i].MOS
			mosCount++
		}
	}
	return []any{c.StartMS, c.ID, c.Trunk, c.AuthUser, c.SIPCode, answered, billable, c.DurationMS,
		orMinus(c.PDDMS), has(store.FlagOneWay), has(store.FlagSilent), mosSum, mosCount}
}

// orMinus keeps "none" apart from a PDD.
func orMinus(ms int64) int64 {
	if ms == 0 {
		return -1
	}
	return ms
}
