package b2bua

import (
	"context"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/emiago/sipgo/sip"
)

// A script that is killed while its caller waits gives the place and the agent back.
func TestQueueOfAKilledScript(t *testing.T) {
	results := make(chan QueueResult, 2)
	inWorld(t, func(ctx context.Context, c *Call) error {
		ctx, cancel := context.WithCancel(ctx)
		defer cancel()
		if c.Number() == "1" {
			time.AfterFunc(5*time.Second, cancel)
		}
		r, err := c.Queue(ctx, "support", QueueOptions{Agents: []string{"sip:agent@10.0.1.9:5060"}})
		if err != nil {
			t.Error(err)
		}
		results <- r
		return nil
	}, func(w *world) {
		agent := w.peer(9)
		a, b := w.peer(1), w.peer(2)
		a.talks("1")
		first := agent.request(sip.INVITE)
		agent.answer(first, 180, "x", "")
		b.talks("2")
		cancel := agent.request(sip.CANCEL)
		agent.answer(cancel, 200, "x", "")
		agent.answer(first, 487, "x", "")
		var second *sip.Request
		for range 2 { // the ACK of that and the next caller's INVITE, in any order
			if req, ok := agent.recv().(*sip.Request); ok && req.Method == sip.INVITE {
				second = req
			}
		}
		if second == nil {
			t.Fatal("the next caller has not rung the agent")
		}
		a.hungUp()
		if r := <-results; r.Why != "removed" || r.By != BySystem || r.State != StateCancelled {
			t.Errorf("the one whose script was killed: %+v", r)
		}
		agent.answer(second, 200, "y", agent.body)
		agent.request(sip.ACK)
		time.Sleep(time.Second)
		b.hangsUp()
		agent.hungUp()
		if r := <-results; r.Why != "answered" || r.Agent != "sip:agent@10.0.1.9:5060" || r.By != ByCaller {
			t.Errorf("the other: %+v", r)
		}
	})
}

// The legs of a caller whom nobody takes for hours do not pile up.
func TestQueueForHours(t *testing.T) {
	inWorld(t, func(ctx context.Context, c *Call) error {
		_, err := c.Queue(ctx, "support", QueueOptions{Agents: []string{"sip:agent@10.0.1.9:5060"}, Retry: time.Second})
		return err
	}, func(w *world) {
		agent := w.peer(9)
		a := w.peer(1)
		a.talks("1")
		for range 200 {
			req := agent.request(sip.INVITE)
			agent.answer(req, 486, "x", "")
			agent.request(sip.ACK)
		}
		synctest.Wait()
		a.hangsUp()
		if r := w.last(); len(r.Legs) > keptLegs+1 || r.Legs[len(r.Legs)-1].Seq < 200 {
			t.Errorf("%d legs in the record, the last is %d", len(r.Legs), r.Legs[len(r.Legs)-1].Seq)
		}
	})
}

// Queues and agents are bounded, and those that keep nothing give way.
func TestQueuesAreBounded(t *testing.T) {
	inWorld(t, nil, func(w *world) {
		for i := range maxQueues {
			if err := w.server.JoinQueue(fmt.Sprint("q", i), "sip:a@10.0.0.9"); err != nil {
				t.Fatal(err)
			}
		}
		if err := w.server.JoinQueue("one more", "sip:a@10.0.0.9"); err != ErrQueues {
			t.Errorf("one more: %v", err)
		}
		if !w.server.LeaveQueue("q5", "sip:a@10.0.0.9") || w.server.LeaveQueue("q5", "sip:a@10.0.0.9") {
			t.Error("cannot leave, or twice")
		}
		for i := range maxQueueAgents {
			if err := w.server.JoinQueue("one more", fmt.Sprintf("sip:a%d@10.0.0.9", i)); err != nil {
				t.Fatal(err)
			}
		}
		if err := w.server.JoinQueue("one more", "sip:last@10.0.0.9"); err == nil {
			t.Error("a queue takes any number of agents")
		}
		if n := len(w.server.Queues()); n != maxQueues {
			t.Errorf("%d queues", n)
		}
	})
}
