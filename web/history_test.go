package web

import (
	"testing"
	"time"

	"tandem/store"
)

func TestHistory(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 11, 1, 12, 0, 3, 0, time.UTC)
	calls := 0
	h := NewHistory(func() (int, int) { return calls, 7 })
	h.now = func() time.Time { return at }
	h.Started()
	for _, pdd := range []int64{10, 20, 30, 400} {
		h.Finished(&store.Call{State: store.StateAnswered, PDDMS: pdd, Flags: "one_way,no_ack"})
	}
	calls = 5
	if got := h.Hour().Items; len(got) != 1 || got[0].Started != 1 || got[0].Ended["answered"] != 4 || got[0].Flags["no_ack"] != 4 ||
		got[0].Calls != 5 || got[0].Registrations != 7 || *got[0].PDDP50MS != 20 || *got[0].PDDP95MS != 400 {
		t.Fatalf("%+v", got)
	}
	at = at.Add(25 * time.Second)
	calls = 2
	h.Finished(&store.Call{State: store.StateBusy})
	got := h.Hour().Items
	if len(got) != 3 || got[0].Calls != 5 || got[1].Calls != 5 || got[2].Calls != 2 || got[1].Started != 0 || got[2].Ended["busy"] != 1 ||
		*got[0].PDDP50MS != 20 || got[2].PDDP50MS != nil || got[2].AtMS-got[0].AtMS != 20_000 {
		t.Fatalf("%+v", got)
	}
	at = at.Add(time.Hour)
	if got := h.Hour().Items; len(got) != historyLength || got[0].AtMS != got[historyLength-1].AtMS-int64(historyLength-1)*10_000 {
		t.Errorf("after an hour: %d samples", len(got))
	}
	at = at.Add(24 * time.Hour)
	if got := h.Hour().Items; len(got) != 1 {
		t.Errorf("after a day in which nobody looked: %d samples", len(got))
	}
}
