package trunk

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/emiago/sipgo/sip"

	"tandem/b2bua/auth"
)

func registering(t *testing.T, list ...string) []Config {
	return []Config{{Name: "carrier", Hosts: hosts(t, list...), Username: "me", Password: "secret", Register: true, Expires: 10 * time.Minute}}
}

// registrar makes a carrier challenge and bind as a registrar does.
func (c *carrier) registrar(password string, expires int) *auth.Digest {
	d := auth.NewDigest(auth.DigestOptions{Realm: "carrier.example"})
	cred := auth.NewCredential("me", "carrier.example", password)
	c.says(func(req *sip.Request) (int, []string) {
		if req.Method != sip.REGISTER {
			return 200, nil
		}
		if d.Verify(ours.Addr(), "REGISTER", header(req, "Authorization"), cred, true) != auth.OK {
			var h []string
			for _, v := range d.Challenge(ours.Addr(), false) {
				h = append(h, "WWW-Authenticate: "+v)
			}
			return 401, h
		}
		return 200, []string{fmt.Sprintf("Contact: %s;expires=%d", req.Contact().Value(), expires)}
	})
	return d
}

func TestRegistersAndRefreshes(t *testing.T) {
	inWorld(t, registering(t, hostA), func(w *world) {
		a := w.carrier(hostA)
		a.registrar("secret", 300)
		w.sleep(time.Second)
		reqs, _ := a.requests(sip.REGISTER)
		if len(reqs) != 2 {
			t.Fatalf("%d REGISTERs; want one that is challenged and one that answers", len(reqs))
		}
		r := reqs[1]
		tr, _ := w.set.Trunk("carrier")
		contact := r.Contact().Address
		if r.Recipient.String() != "sip:10.0.2.1:5060" || r.From().Address.String() != "sip:me@10.0.2.1" || r.To().Address.String() != "sip:me@10.0.2.1" ||
			contact.User != tr.Token() || contact.Host != "10.0.0.1" || contact.Port != 5060 || header(r, "Expires") != "600" {
			t.Errorf("REGISTER:\n%s", r)
		}
		if r.CallID().Value() != reqs[0].CallID().Value() || r.CSeq().SeqNo != reqs[0].CSeq().SeqNo+1 {
			t.Error("the two do not belong together")
		}
		st := w.status("carrier")
		if st.State != "up" || st.Registration.State != "registered" || time.Until(st.Registration.Expires) > 300*time.Second {
			t.Errorf("status: %+v", st)
		}

		w.sleep(10 * time.Minute)
		reqs, at := a.requests(sip.REGISTER)
		// The nonce is five minutes old at most: the refreshes carry it and are challenged only when it is stale.
		if len(reqs) < 4 || header(reqs[2], "Authorization") == "" || !strings.Contains(header(reqs[2], "Authorization"), "nc=00000002") {
			t.Errorf("%d REGISTERs, the third:\n%s", len(reqs), reqs[2])
		}
		if gap := at[2].Sub(at[1]); gap < 220*time.Second || gap > 260*time.Second {
			t.Errorf("refreshed after %v of 300 s", gap)
		}

		w.set.Configure(nil)
		w.sleep(time.Second)
		if last := a.last(sip.REGISTER); header(last, "Expires") != "0" || header(last, "Authorization") == "" {
			t.Errorf("taken out, it does not un-register:\n%s", last)
		}
	})
}

func TestRegistersElsewhereWhenAHostIsDead(t *testing.T) {
	inWorld(t, registering(t, hostA, hostB), func(w *world) {
		a, b := w.carrier(hostA), w.carrier(hostB)
		a.always(0)
		b.registrar("secret", 600)
		w.sleep(registerTimeout + time.Second)
		if st := w.status("carrier"); st.Registration.State != "registered" || st.Registration.Host != "10.0.2.2" {
			t.Fatalf("status: %+v", st)
		}
		b.always(500) // and back to the first when that one fails
		a.registrar("secret", 600)
		w.sleep(9 * time.Minute)
		if st := w.status("carrier"); st.Registration.State != "registered" || st.Registration.Host != "10.0.2.1" {
			t.Errorf("status: %+v", st)
		}
	})
}

func TestBacksOff(t *testing.T) {
	inWorld(t, registering(t, hostA), func(w *world) {
		a := w.carrier(hostA)
		a.always(500)
		w.sleep(20 * time.Minute)
		_, at := a.requests(sip.REGISTER)
		if len(at) < 5 || len(at) > 20 {
			t.Errorf("%d tries in 20 minutes", len(at))
		}
		for i := 1; i < len(at); i++ {
			most := min(backOffLeast<<(i-1), backOffMost)
			if gap := at[i].Sub(at[i-1]); gap < most/2 || gap > most+time.Second {
				t.Errorf("wait %d is %v; want %v to %v", i, gap, most/2, most)
			}
		}
		if st := w.status("carrier"); st.State != "unregistered" || st.Registration.State != "refused" || !strings.Contains(st.LastError, "500") {
			t.Errorf("status: %+v", st)
		}
		a.registrar("secret", 600)
		w.sleep(backOffMost)
		if st := w.status("carrier"); st.State != "up" || st.Registration.State != "registered" || st.Registration.Error != "" {
			t.Errorf("status: %+v", st)
		}
	})
}

func TestWrongPasswordIsTriedSeldom(t *testing.T) {
	inWorld(t, registering(t, hostA, hostB), func(w *world) {
		a, b := w.carrier(hostA), w.carrier(hostB)
		a.registrar("another", 600)
		b.registrar("another", 600)
		w.sleep(time.Hour)
		reqs, _ := a.requests(sip.REGISTER)
		if len(reqs) > 20 {
			t.Errorf("%d REGISTERs in an hour", len(reqs))
		}
		if other, _ := b.requests(sip.REGISTER); len(other) > 0 {
			t.Error("another host got the wrong password too")
		}
		if strings.Contains(w.log.String(), "secret") {
			t.Error("the log has the password")
		}
	})
}

func TestIntervalTooBriefAndRetryAfter(t *testing.T) {
	inWorld(t, registering(t, hostA), func(w *world) {
		a := w.carrier(hostA)
		a.says(func(req *sip.Request) (int, []string) {
			if header(req, "Expires") == "1800" {
				return 200, []string{"Expires: 1800"}
			}
			return 423, []string{"Min-Expires: 1800"}
		})
		w.sleep(time.Second)
		if st := w.status("carrier"); st.Registration.State != "registered" || time.Until(st.Registration.Expires) < 29*time.Minute {
			t.Errorf("status: %+v", st)
		}
		a.always(503, "Retry-After: 900 (maintenance)")
		w.sleep(50 * time.Minute)
		_, at := a.requests(sip.REGISTER)
		if gap := at[3].Sub(at[2]); gap < 900*time.Second {
			t.Errorf("asked again after %v; Retry-After was 900 s", gap)
		}
	})
}

// A host that was away may have forgotten us, as a registrar without a database does.
func TestRegistersAnewWhenTheHostIsBack(t *testing.T) {
	c := registering(t, hostA)
	c[0].Check = 30 * time.Second
	inWorld(t, c, func(w *world) {
		a := w.carrier(hostA)
		a.registrar("secret", 600)
		w.sleep(time.Minute)
		before, _ := a.requests(sip.REGISTER)
		a.always(0)
		w.sleep(40 * time.Second)
		w.expect("carrier")
		a.registrar("secret", 600)
		w.sleep(40 * time.Second)
		after, _ := a.requests(sip.REGISTER)
		if len(after) <= len(before) || w.status("carrier").Registration.State != "registered" {
			t.Errorf("%d REGISTERs before, %d after: %+v", len(before), len(after), w.status("carrier"))
		}
	})
}

func TestRegistersAnewOverAnotherConnection(t *testing.T) {
	c := registering(t, hostA)
	c[0].Transport = "tcp"
	inWorld(t, c, func(w *world) {
		l, err := w.net.Listen(mustAddrPort(hostA))
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		for round := range 2 {
			w.start()
			conn, err := l.Accept()
			if err != nil {
				t.Fatal(err)
			}
			buf := make([]byte, 4096)
			n, err := conn.Read(buf)
			if err != nil {
				t.Fatal(err)
			}
			m, err := sip.ParseMessage(buf[:n])
			if err != nil {
				t.Fatal(err)
			}
			req := m.(*sip.Request)
			if p, _ := req.Contact().Address.UriParams.Get("transport"); p != "tcp" {
				t.Errorf("contact %s", req.Contact().Value())
			}
			if _, err := conn.Write([]byte(response(req, 200, []string{"Expires: 600"}))); err != nil {
				t.Fatal(err)
			}
			if st := w.status("carrier"); st.Registration.State != "registered" {
				t.Errorf("round %d: %+v", round, st)
			}
			_ = conn.Close()
		}
	})
}

func TestBackOff(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		n           int
		out         outcome
		least, most time.Duration
	}{
		{1, outcome{elsewhere: true}, 2 * time.Second, 4 * time.Second},
		{3, outcome{elsewhere: true, answered: true}, 8 * time.Second, 16 * time.Second},
		{50, outcome{elsewhere: true}, 150 * time.Second, 300 * time.Second},
		{1, outcome{answered: true}, 16 * time.Second, 32 * time.Second},
		{50, outcome{answered: true}, 15 * time.Minute, 30 * time.Minute},
		{1, outcome{answered: true, elsewhere: true, after: time.Minute}, time.Minute, time.Minute},
		{1, outcome{answered: true, after: 1000 * time.Hour}, refusedMost, refusedMost},
	} {
		for range 100 {
			if d := backOff(c.n, c.out); d < c.least || d > c.most {
				t.Errorf("failure %d %+v: %v; want %v to %v", c.n, c.out, d, c.least, c.most)
			}
		}
	}
}
