package main

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"tandem/store"
	"tandem/store/sqlite"
)

// write opens, answers and finishes calls as fast as they reach the disk, beside the records
// that are there. A call leaves four rows: itself, two legs and a timeline.
func (b *bench) write(ctx context.Context) error {
	s, err := sqlite.Open(ctx, b.path, sqlite.Options{Log: slog.New(slog.DiscardHandler), Node: "bench"})
	if err != nil {
		return err
	}
	began := time.Now()
	n := 0
	for time.Since(began) < b.load {
		// As many as are up at once; what one of them changes reaches the disk before its end.
		const together = 1000
		calls := make([]*store.Call, together)
		for i := range calls {
			calls[i] = open(began, n+i)
			s.Open(calls[i])
		}
		if err := s.Flush(ctx); err != nil {
			return err
		}
		for _, c := range calls {
			c.AnswerMS = c.StartMS + 1000
			s.Update(c)
		}
		if err := s.Flush(ctx); err != nil {
			return err
		}
		for _, c := range calls {
			finish(s, c)
		}
		if err := s.Flush(ctx); err != nil {
			return err
		}
		n += together
	}
	took := time.Since(began).Seconds()
	calls := float64(n) / took
	fmt.Printf("\nwritten beside them: %.0f finished calls/s, %.0f rows/s, each call in three batches\n", calls, 4*calls)
	b.hold("calls/s", calls >= b.bars.calls)
	b.hold("rows/s", 4*calls >= b.rows)
	if h := s.Health(); h.Dropped+h.Shed > 0 {
		return fmt.Errorf("records were lost: %+v", h)
	}
	return s.Close()
}

func open(began time.Time, n int) *store.Call {
	ms := began.UnixMilli() + int64(n)
	return &store.Call{
		ID: fmt.Sprintf("%012x%08x", ms, n*2654435761&0xffffffff), StartMS: ms, State: store.StateOpen, Direction: store.Outbound,
		FromUser: "1001", AuthUser: "1001", ToUser: fmt.Sprintf("+44207%07d", n%900000), Trunk: "carrier", Source: "udp:192.0.2.10:5060",
	}
}

func finish(s *sqlite.Store, c *store.Call) {
	c.State, c.EndMS, c.DurationMS, c.BillableMS = store.StateAnswered, c.StartMS+61000, 61000, 60000
	c.SIPCode, c.ReleasedBy, c.PDDMS = 200, store.ByCaller, 100
	legs := make([]store.Leg, 2)
	for i := range legs {
		legs[i] = store.Leg{Seq: int64(i + 1), SIPCallID: c.ID, Remote: "udp:192.0.2.10:5060", UserAgent: "Phone 1.0", Codec: "pcmu",
			MediaMode: "relay", InviteMS: c.StartMS, AnswerMS: c.AnswerMS, EndMS: c.EndMS, SIPCode: 200, RxPackets: 3000, TxPackets: 3000, MOS: 4.3}
	}
	events := make([]store.Event, 24) // what a bridged call leaves: 14 messages, media, prompts and keys
	for i := range events {
		events[i] = store.Event{AtMS: c.StartMS + int64(i), Leg: int64(i%2 + 1), Kind: store.EventSIP,
			Text: fmt.Sprintf("sent INVITE sip:1002@192.0.2.10:5060, CSeq %d INVITE, to udp:192.0.2.10:5060, SDP 203.0.113.7:%d", i, 10000+2*i)}
	}
	s.Finish(c, legs, events)
}
