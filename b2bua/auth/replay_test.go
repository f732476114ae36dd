package auth

import (
	"encoding/binary"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

func TestWindow(t *testing.T) {
	t.Parallel()
	var w window
	for i, step := range []struct {
		count uint32
		want  bool
	}{
		{1, true}, {1, false}, {3, true}, {2, true}, {2, false}, {70, true}, {6, false}, {7, true}, {7, false},
		{3, false}, {200, true}, {136, false}, {137, true}, {137, false}, {1<<32 - 1, true}, {1<<32 - 1, false}, {1<<32 - 64, true}, {1<<32 - 65, false},
	} {
		if got := w.take(step.count); got != step.want {
			t.Errorf("step %d, nc %d: %v, want %v", i, step.count, got, step.want)
		}
	}
}

// count gives header another nc and the response that goes with it.
func count(d *Digest, header string, nc int) string {
	ps, _ := parseDigest(header)
	a, _ := ParseAlgorithm(ps["algorithm"])
	before := `response="` + ps["response"] + `"`
	ps["nc"] = fmt.Sprintf("%08x", nc)
	after := `response="` + a.response(NewCredential(ps["username"], ps["realm"], "p").HA1[a], "REGISTER", ps, "") + `"`
	return strings.NewReplacer("nc=00000001", "nc="+ps["nc"], before, after).Replace(header)
}

func TestReplayIsStale(t *testing.T) {
	t.Parallel()
	d := NewDigest(DigestOptions{Realm: "r"})
	cred := NewCredential("1001", "r", "p")
	h := answer(t, d.Challenge(phone, false), "p")
	verify := func(h string) Verdict { return d.Verify(phone, "REGISTER", h, cred, true) }
	if got := verify(strings.Replace(h, `response="`, `response="0`, 1)); got != Bad || len(d.replays.bins) != 0 {
		t.Errorf("a wrong answer: %v, %d bins kept", got, len(d.replays.bins))
	}
	for _, step := range []struct {
		name   string
		header string
		want   Verdict
	}{
		{"first", h, OK},
		{"again", h, Stale},
		{"next", count(d, h, 2), OK},
		{"far ahead", count(d, h, 100), OK},
		{"within the window", count(d, h, 50), OK},
		{"below the window", count(d, h, 36), Stale},
		{"at its edge", count(d, h, 37), OK},
		{"its edge again", count(d, h, 37), Stale},
	} {
		if got := verify(step.header); got != step.want {
			t.Errorf("%s: %v, want %v", step.name, got, step.want)
		}
	}
	if got := d.Verify(stranger, "REGISTER", count(d, h, 3), cred, true); got != Stale {
		t.Errorf("the nonce from another address: %v", got)
	}
}

func nonceAt(at time.Time, n uint64) (id nonceID) {
	binary.BigEndian.PutUint64(id[:], uint64(at.UnixMilli()))
	binary.BigEndian.PutUint64(id[nonceTime:], n)
	return id
}

func TestReplaysAreBounded(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := replays{max: 1000}
		take := func(id nonceID) bool { return r.take(id, 1, time.Now(), time.Minute) }
		first := nonceAt(time.Now(), 0)
		if !take(first) || take(first) {
			t.Fatal("the first nonce is not taken once")
		}
		time.Sleep(binWidth)
		issued := time.Now()
		for i := range uint64(1000) {
			if !take(nonceAt(issued, i)) {
				t.Fatalf("nonce %d of the second bin is refused", i)
			}
		}
		if r.count > 1000 {
			t.Errorf("%d nonces are held", r.count)
		}
		// The first bin had to go: its nonces must not come in a second time.
		if take(first) || take(nonceAt(time.Now().Add(-binWidth), 9)) {
			t.Error("a nonce of a forgotten bin is taken")
		}
		if take(nonceAt(issued, 5)) {
			t.Error("a nonce that is held is taken twice")
		}
		time.Sleep(2 * time.Minute)
		if !take(nonceAt(time.Now(), 1)) || r.count != 1 || len(r.bins) != 1 {
			t.Errorf("after the lifetime %d nonces in %d bins are held", r.count, len(r.bins))
		}
	})
}

func TestReplaysTakeEachCountOnce(t *testing.T) {
	t.Parallel()
	r := replays{max: 1000}
	now := time.Now()
	var taken atomic.Int64
	var done sync.WaitGroup
	for range 8 {
		done.Go(func() {
			for n := range uint64(50) {
				for c := range uint32(60) {
					if r.take(nonceAt(now, n), c+1, now, time.Minute) {
						taken.Add(1)
					}
				}
			}
		})
	}
	done.Wait()
	if taken.Load() != 50*60 {
		t.Errorf("%d counts taken, want %d", taken.Load(), 50*60)
	}
}

// RFC 8760 §2.4: a client prefers SHA-256, also where the user has an MD5 hash only.
func TestMD5OnlyUsersDoNotShow(t *testing.T) {
	t.Parallel()
	d := NewDigest(DigestOptions{Realm: "r"})
	both := NewCredential("1001", "r", "p")
	old := Credential{User: "1001", HA1: map[Algorithm]string{MD5: both.HA1[MD5]}}
	sha := func(password string) string { return answer(t, d.Challenge(phone, false, SHA256), password) }
	md5 := func(password string) string { return answer(t, d.Challenge(phone, false, MD5), password) }
	verdicts := func(password string) (out []Verdict) {
		for _, c := range []struct {
			cred  Credential
			found bool
		}{{both, true}, {old, true}, {Credential{}, false}} {
			out = append(out, d.Verify(phone, "REGISTER", sha(password), c.cred, c.found), d.Verify(phone, "REGISTER", md5(password), c.cred, c.found))
		}
		return out
	}
	same := func(what string, got []Verdict, want ...Verdict) {
		t.Helper()
		if fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("%s: %v, want %v", what, got, want)
		}
	}
	same("no such user expected, wrong", verdicts("x"), Bad, Bad, Bad, Bad, Bad, Bad)
	d.ExpectMD5Only()
	same("wrong", verdicts("x"), Unmatched, Bad, Unmatched, Bad, Unmatched, Bad)
	same("right", verdicts("p"), OK, OK, Unmatched, OK, Unmatched, Bad)
	strong := NewDigest(DigestOptions{Realm: "r", Algorithms: []Algorithm{SHA256}})
	strong.ExpectMD5Only()
	if got := strong.Verify(phone, "REGISTER", answer(t, strong.Challenge(phone, false), "x"), both, true); got != Bad {
		t.Errorf("where MD5 is not offered: %v", got)
	}
}

// A user held to SHA-256 is not let in by MD5, though others may use it.
func TestUserOfTheBetterAlgorithmOnly(t *testing.T) {
	t.Parallel()
	d := NewDigest(DigestOptions{Realm: "r"})
	d.ExpectMD5Only()
	cred := NewCredential("1001", "r", "p")
	delete(cred.HA1, MD5)
	for a, want := range map[Algorithm]Verdict{SHA256: OK, MD5: Bad} {
		if got := d.Verify(phone, "REGISTER", answer(t, d.Challenge(phone, false, a), "p"), cred, true); got != want {
			t.Errorf("by %s: %v, want %v", a, got, want)
		}
	}
}
