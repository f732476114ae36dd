package auth

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"runtime"
	"testing"
	"testing/synctest"
	"time"
)

var shipped = Limits{CallsPerSecond: 500, PerSource: PerSource{CallsPerSecond: 20, RegistersPerMinute: 60, AuthFailures: 5, Ban: 10 * time.Minute}}

// burst is how many requests of a kind pass at once.
func burst(l *Limiter, ip netip.Addr, k Kind) (n int) {
	for l.Allow(ip, k) && n < 10_000 {
		n++
	}
	return n
}

func TestRates(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		kind   Kind
		limits Limits
		burst  int
		after  time.Duration // until one more passes
	}{
		{Calling, shipped, 20, time.Second / 20},
		{Registering, shipped, 60, time.Second},
		{Asking, shipped, 80, time.Minute / 1260},
		{Guessing, shipped, 3, time.Second},
		{Calling, Limits{}, 10_000, 0},
		{Asking, Limits{}, 10_000, 0},
	} {
		synctest.Test(t, func(t *testing.T) {
			l := NewLimiter(nil, tt.limits)
			if got := burst(l, phone, tt.kind); got != tt.burst {
				t.Errorf("kind %d: %d at once, want %d", tt.kind, got, tt.burst)
			}
			if tt.after == 0 {
				return
			}
			time.Sleep(tt.after - time.Microsecond)
			if l.Allow(phone, tt.kind) {
				t.Errorf("kind %d: another passes too early", tt.kind)
			}
			time.Sleep(time.Microsecond)
			if !l.Allow(phone, tt.kind) || l.Allow(phone, tt.kind) {
				t.Errorf("kind %d: not one more after %v", tt.kind, tt.after)
			}
			if !l.Allow(stranger, tt.kind) {
				t.Errorf("kind %d: another source pays for it", tt.kind)
			}
			for other := range kinds {
				if other != tt.kind && !l.Allow(phone, other) {
					t.Errorf("kind %d uses up kind %d", tt.kind, other)
				}
			}
			time.Sleep(time.Hour)
			if got := burst(l, phone, tt.kind); got != tt.burst {
				t.Errorf("kind %d: %d at once after an hour, want %d", tt.kind, got, tt.burst)
			}
		})
	}
}

func TestRateOfAllCalls(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := NewLimiter(nil, shipped)
		for n := range 500 {
			if l.Overloaded() || !l.AllowCall() {
				t.Fatalf("call %d is refused", n)
			}
		}
		if !l.Overloaded() || l.AllowCall() {
			t.Error("501 calls at once")
		}
		time.Sleep(2 * time.Millisecond)
		if l.Overloaded() || !l.AllowCall() || l.AllowCall() {
			t.Error("not one call more after 2 ms")
		}
		l.SetLimits(Limits{})
		if l.Overloaded() || !l.AllowCall() {
			t.Error("no limit is no limit")
		}
	})
}

func spoofed(n int) netip.Addr {
	var b [4]byte
	binary.BigEndian.PutUint32(b[:], uint32(n)*2654435761)
	return netip.AddrFrom4(b)
}

// A million addresses that each send one packet cost no memory and do not wash away the one
// that sends much.
func TestSpoofedSourcesCostNothing(t *testing.T) {
	l := NewLimiter(nil, shipped)
	burst(l, phone, Calling)
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	passed, began := 0, time.Now()
	for n := range 1_000_000 {
		if !l.Allow(spoofed(n), Asking) {
			t.Fatalf("address %d is refused its first request", n)
		}
		if n%1000 == 0 && l.Allow(phone, Calling) {
			passed++
		}
	}
	took := time.Since(began)
	runtime.GC()
	runtime.ReadMemStats(&after)
	if grown := int64(after.HeapAlloc) - int64(before.HeapAlloc); grown > 64<<10 {
		t.Errorf("the heap has grown by %d bytes", grown)
	}
	if len(l.banned)+len(l.offenders)+len(l.names) != 0 {
		t.Errorf("%d bans, %d offenders, %d names", len(l.banned), len(l.offenders), len(l.names))
	}
	// 1,000 tries of one source in the second or so that this takes: 20 a second are let through.
	if most := 40 + int(20*took.Seconds()); passed > most {
		t.Errorf("the flood let %d requests of one source through in %v", passed, took)
	}
	runtime.KeepAlive(l)
}

func TestBan(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := NewLimiter(nil, shipped)
		for n := range 4 {
			if _, banned := l.Failed(stranger, fmt.Sprint(n), true); banned || l.Banned(stranger) {
				t.Fatalf("banned after %d failures", n+1)
			}
		}
		b, banned := l.Failed(stranger, "4", true)
		if !banned || !l.Banned(stranger) || l.Banned(phone) {
			t.Fatal("not banned after five failures")
		}
		if b.Source.String() != "198.51.100.1/32" || b.Failures != 5 || b.Until.Sub(time.Now()) != 10*time.Minute {
			t.Errorf("%+v", b)
		}
		time.Sleep(10*time.Minute - 1)
		if !l.Banned(stranger) || len(l.Bans()) != 1 {
			t.Error("the ban ends too early")
		}
		time.Sleep(1)
		if l.Banned(stranger) || len(l.Bans()) != 0 {
			t.Error("the ban does not end")
		}
		if _, banned := l.Failed(stranger, "5", true); banned {
			t.Error("the count did not begin anew")
		}
	})
}

func TestFailuresAreForgotten(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := NewLimiter(nil, shipped)
		fail := func(user string) (banned bool) { _, banned = l.Failed(stranger, user, true); return banned }
		for range 4 {
			fail("a")
		}
		time.Sleep(10*time.Minute + 1)
		if fail("a") {
			t.Error("failures of long ago count")
		}
		for range 3 {
			fail("a")
		}
		l.Succeeded(stranger, "a")
		if fail("a") {
			t.Error("the right password does not make up for the user's typing errors")
		}
		for i := range 3 {
			fail("b")
			l.Succeeded(stranger, "mine")
			if l.Banned(stranger) {
				t.Fatalf("banned after %d", i)
			}
		}
		if !fail("c") {
			t.Error("an account of one's own buys guesses at others")
		}
	})
}

func TestOnlyTheNameIsSlowed(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := NewLimiter(nil, shipped)
		var waits []time.Duration
		for range 13 {
			if _, banned := l.Failed(phone, "1001", false); banned {
				t.Fatal("a source that may not be banned was")
			}
			waits = append(waits, l.Wait(phone, "1001"))
		}
		want := []time.Duration{0, 0, 0, 0, 1, 2, 4, 8, 16, 32, 60, 60, 60}
		for i := range want {
			if waits[i] != want[i]*time.Second {
				t.Fatalf("waits %v, want %v s", waits, want)
			}
		}
		if l.Wait(phone, "1002") != 0 || l.Wait(stranger, "1001") != 0 || l.Banned(phone) {
			t.Error("others are slowed, too")
		}
		time.Sleep(time.Minute)
		if l.Wait(phone, "1001") != 0 {
			t.Error("the name rests for ever")
		}
		l.Succeeded(phone, "1001")
		if l.Failed(phone, "1001", false); l.Wait(phone, "1001") != 0 {
			t.Error("a success does not set the count back")
		}
	})
}

func TestIPv6CountsByNetwork(t *testing.T) {
	t.Parallel()
	l := NewLimiter(nil, shipped)
	for n := range 5 {
		l.Failed(netip.MustParseAddr(fmt.Sprintf("2001:db8:0:7::%d", n+1)), "u", true)
	}
	if !l.Banned(netip.MustParseAddr("2001:db8:0:7:ffff::9")) || l.Banned(netip.MustParseAddr("2001:db8:0:8::1")) {
		t.Error("a host of IPv6 is not its /64")
	}
	if got := l.Bans()[0].Source.String(); got != "2001:db8:0:7::/64" {
		t.Errorf("banned %s", got)
	}
	for range 5 {
		l.Failed(netip.MustParseAddr("::ffff:192.0.2.1"), "u", true)
	}
	if !l.Banned(phone) {
		t.Error("an IPv4-mapped address is another source")
	}
}

func TestBansAreRestoredAndLifted(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		now := time.Now()
		l := NewLimiter(nil, shipped)
		l.Restore([]Ban{
			{Source: netip.MustParsePrefix("192.0.2.1/32"), Since: now.Add(-time.Minute), Until: now.Add(time.Minute), Failures: 5},
			{Source: netip.MustParsePrefix("192.0.2.2/32"), Since: now.Add(-time.Hour), Until: now.Add(-time.Minute)},
			{Source: netip.MustParsePrefix("2001:db8::/64"), Since: now, Until: now.Add(time.Hour)},
		})
		bans := l.Bans()
		if len(bans) != 2 || bans[0].Source.String() != "2001:db8::/64" || bans[1].Failures != 5 || !l.Banned(phone) {
			t.Errorf("in force: %+v", bans)
		}
		lifted, ok := l.Lift(phone)
		if _, again := l.Lift(phone); !ok || again || lifted.Failures != 5 || l.Banned(phone) || !l.Banned(netip.MustParseAddr("2001:db8::1")) {
			t.Error("the wrong ban was lifted")
		}
	})
}

func TestTablesAreBounded(t *testing.T) {
	t.Parallel()
	l := NewLimiter(nil, Limits{PerSource: PerSource{AuthFailures: 1, Ban: time.Hour}})
	for n := range maxBans + 500 {
		l.Failed(spoofed(n), "u", true)
	}
	if len(l.banned) > maxBans {
		t.Errorf("%d bans", len(l.banned))
	}
	for n := range maxOffenders + maxNames {
		l.Failed(spoofed(n), fmt.Sprint(n), false)
	}
	if len(l.offenders) > maxOffenders || len(l.names) > maxNames {
		t.Errorf("%d offenders, %d names", len(l.offenders), len(l.names))
	}
}

func BenchmarkAllow(b *testing.B) {
	l := NewLimiter(nil, shipped)
	b.ReportAllocs()
	n := 0
	for b.Loop() {
		l.Allow(spoofed(n), Asking)
		n++
	}
}

// Bans for what a request says of itself, which anybody can send in anybody's name, neither
// grow the table nor push out those that were earned.
func TestBarredSourcesMakeRoomForNone(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := NewLimiter(nil, shipped)
		for range shipped.PerSource.AuthFailures {
			l.Failed(phone, "1001", true)
		}
		at := func(n int) netip.Addr {
			var a [4]byte
			binary.BigEndian.PutUint32(a[:], 0x0a000000+uint32(n))
			return netip.AddrFrom4(a)
		}
		barred := 0
		for n := range 3 * maxBans {
			if _, ok := l.Bar(at(n)); ok {
				barred++
			}
		}
		if barred != maxBans/2-1 || len(l.Bans()) != maxBans/2 || !l.Banned(phone) {
			t.Errorf("%d barred, %d bans, the earned one is %v", barred, len(l.Bans()), l.Banned(phone))
		}
		if _, again := l.Bar(phone); again {
			t.Error("a ban begins anew")
		}
		time.Sleep(shipped.PerSource.Ban)
		if b, ok := l.Bar(stranger); !ok || b.Failures != 0 || len(l.Bans()) != 1 {
			t.Errorf("afterwards %+v %v, %d bans", b, ok, len(l.Bans()))
		}
	})
}
