package trunk

import (
	"slices"
	"testing"
	"time"

	"github.com/emiago/sipgo/sip"
)

const (
	hostA = "10.0.2.1:5060"
	hostB = "10.0.2.2:5070"
)

func two(t *testing.T) []Config {
	return []Config{{Name: "carrier", Hosts: hosts(t, hostA, hostB), Check: 30 * time.Second}}
}

func TestProbesTakeADeadHostOutAndBringItBack(t *testing.T) {
	inWorld(t, two(t), func(w *world) {
		a, b := w.carrier(hostA), w.carrier(hostB)
		w.expect("carrier", hostA, hostB)
		opt := a.last(sip.OPTIONS)
		if opt.Recipient.Host != "10.0.2.1" || opt.Contact() == nil || opt.MaxForwards() == nil || header(opt, "Accept") == "" {
			t.Errorf("probe:\n%s", opt)
		}
		if st := w.status("carrier"); st.State != "up" || st.Hosts[0].State != "up" || st.Hosts[1].State != "up" {
			t.Errorf("status: %+v", st)
		}

		a.always(0)
		w.sleep(36 * time.Second) // the next probe, and the wait for its answer
		w.expect("carrier", hostB)
		st := w.status("carrier")
		if st.State != "up" || st.Hosts[0].State != "down" || st.Hosts[0].Error == "" || st.LastError == "" {
			t.Errorf("with one dead: %+v", st)
		}

		b.always(503)
		w.sleep(30 * time.Second)
		w.expect("carrier")
		if st := w.status("carrier"); st.State != "down" {
			t.Errorf("with both dead: %+v", st)
		}

		a.always(404) // any answer but 503 is a sign of life
		w.sleep(30 * time.Second)
		w.expect("carrier", hostA)
		b.always(200)
		w.sleep(30 * time.Second)
		w.expect("carrier", hostA, hostB)
	})
}

// A carrier may not answer OPTIONS at all: it is tried all the same, but after one that does.
func TestSilentFromTheStart(t *testing.T) {
	inWorld(t, two(t), func(w *world) {
		a, b := w.carrier(hostA), w.carrier(hostB)
		a.always(0)
		b.always(0)
		w.sleep(10 * time.Second)
		w.expect("carrier", hostA, hostB)
		if st := w.status("carrier"); st.State != "down" {
			t.Errorf("status: %+v", st)
		}
		b.always(200)
		w.sleep(30 * time.Second)
		w.expect("carrier", hostB, hostA)
	})
}

func TestCallsTellOfDeadHosts(t *testing.T) {
	inWorld(t, two(t), func(w *world) {
		a, b := w.carrier(hostA), w.carrier(hostB)
		w.expect("carrier", hostA, hostB)
		tr, _ := w.set.Trunk("carrier")
		first := tr.Hops()[0]
		tr.Failed(first, "INVITE: no answer")
		w.expect("carrier", hostB)
		probes, _ := a.requests(sip.OPTIONS)
		w.sleep(1500 * time.Millisecond) // it is asked at once, not at the next round
		if now, _ := a.requests(sip.OPTIONS); len(now) != len(probes)+1 {
			t.Errorf("%d probes, then %d", len(probes), len(now))
		}
		w.expect("carrier", hostA, hostB)

		tr.Refused(first, 20*time.Second)
		w.expect("carrier", hostB, hostA)
		w.sleep(21 * time.Second)
		w.expect("carrier", hostA, hostB)
		_ = b
	})
}

func TestWithoutProbes(t *testing.T) {
	c := two(t)
	c[0].Check = 0
	inWorld(t, c, func(w *world) {
		a := w.carrier(hostA)
		w.sleep(time.Hour)
		if reqs, _ := a.requests(sip.OPTIONS); len(reqs) != 0 {
			t.Errorf("%d probes", len(reqs))
		}
		tr, _ := w.set.Trunk("carrier")
		tr.Failed(tr.Hops()[0], "no answer")
		w.expect("carrier", hostB, hostA)
		w.sleep(restAfter)
		w.expect("carrier", hostA, hostB)
		tr.Failed(tr.Hops()[0], "no answer")
		tr.Answered(tr.Hops()[1])
		w.expect("carrier", hostA, hostB)
	})
}

func TestNamesAreLookedUpAgain(t *testing.T) {
	c := []Config{{Name: "carrier", Hosts: hosts(t, "sip.example:5080"), Check: 30 * time.Second}}
	inWorld(t, c, func(w *world) {
		w.sleep(time.Second)
		if h := w.tries("carrier"); !slices.Equal(h, []string{"invalid AddrPort"}) {
			t.Errorf("hops of a name nobody knows: %v", h) // a call looks it up itself
		}
		if st := w.status("carrier"); st.State != "down" || st.Hosts[0].Error == "" {
			t.Errorf("status: %+v", st)
		}
		w.names.set("sip.example", "10.0.2.1", "10.0.2.2")
		w.carrier("10.0.2.1:5080")
		w.carrier("10.0.2.2:5080")
		w.sleep(31 * time.Second)
		w.expect("carrier", "10.0.2.1:5080", "10.0.2.2:5080")
		w.names.set("sip.example", "10.0.2.2")
		w.sleep(30 * time.Second)
		w.expect("carrier", "10.0.2.2:5080")
		w.names.set("sip.example")
		w.sleep(30 * time.Second)
		w.expect("carrier", "10.0.2.2:5080") // what was known stays
	})
}
