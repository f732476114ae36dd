package main

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"tandem/b2bua/phone"
	"tandem/web"
)

const (
	floodCalls   = 50
	floodRate    = 2000 // INVITEs a second
	floodSources = 100  // each asks as often as the limits let it
)

// TestFlood holds 50 calls up while strangers send 2,000 INVITEs a second. It runs alone, for
// it measures the memory of this process. With FLOOD=full it takes 20 s, and the delays count,
// too; without, others may be busy on this machine.
func TestFlood(t *testing.T) {
	full := os.Getenv("FLOOD") == "full"
	lasts, patience := 3*time.Second, 30*time.Second
	if full {
		lasts, patience = 20*time.Second, time.Second
	}
	callee := phoneAt(t, "127.0.0.1", phone.Options{})
	s := floodServer(t, callee)
	calls := floodedCalls(t, s, callee)
	before := memory()

	flood := newFlood(t, s.sip)
	flood.run(lasts, func() { pressAll(t, calls, lasts, patience) })
	t.Logf("%d INVITEs in %v, %d answered 401", flood.sent.Load(), flood.took, flood.challenged.Load())
	if flood.challenged.Load() < flood.sent.Load()/100 {
		t.Error("hardly any stranger was challenged: this was no flood")
	}
	for i, c := range calls {
		select {
		case <-c.Done():
			t.Fatalf("call %d is over: %+v", i, c.End())
		default:
		}
		// What the callee said came through the server: its numbers show each gap.
		if st := c.Stats(); st.RxPackets == 0 || st.Lost*100 > st.RxPackets+st.Lost {
			t.Errorf("call %d lost %d of %d packets", i, st.Lost, st.RxPackets+st.Lost)
		}
	}
	// Of a stranger nothing is kept: neither now, with the same calls up, nor in the records.
	after := memory()
	for deadline := time.Now().Add(time.Minute); after > before+before/5+4<<20; after = memory() {
		if time.Now().After(deadline) {
			t.Fatalf("heap: %d KB before, %d KB a minute after", before>>10, after>>10)
		}
		time.Sleep(100 * time.Millisecond)
	}
	t.Logf("heap: %d KB before, %d KB after", before>>10, after>>10)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	for _, c := range calls {
		if err := c.Hangup(ctx); err != nil {
			t.Error(err)
		}
	}
	s.checkFlooded(full)
}

func floodServer(t *testing.T, callee *phone.Phone) *served {
	dir := t.TempDir()
	write(t, filepath.Join(dir, "scripts", "50-main.lua"),
		fmt.Sprintf("return { on_call = function(call) call:bridge(%q) end }\n", callee.URI()))
	file := write(t, filepath.Join(dir, "tandem.toml"), "[[acl]]\nallow = ['127.0.0.1']\n")
	return serve(t, "-c", file, "--data", filepath.Join(dir, "data"))
}

// floodedCalls are up, with sound both ways.
func floodedCalls(t *testing.T, s *served, callee *phone.Phone) []*phone.Call {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	caller := phoneAt(t, "127.0.0.1", phone.Options{})
	var calls []*phone.Call
	for range floodCalls {
		got := answers(t, callee)
		c, err := caller.Dial(ctx, "sip:100@"+s.sip, phone.DialOptions{})
		if err != nil {
			t.Fatal(err)
		}
		if <-got == nil {
			t.Fatal("the callee did not answer")
		}
		calls = append(calls, c)
	}
	eventually(t, "all calls have sound", func() bool {
		for _, c := range calls {
			if c.Stats().RxPackets < 10 {
				return false
			}
		}
		return true
	})
	return calls
}

// pressAll sends requests in one call after the other for d, and waits for their answers.
func pressAll(t *testing.T, calls []*phone.Call, d, patience time.Duration) {
	var slowest time.Duration
	n := 0
	for begun := time.Now(); n < len(calls) || time.Since(begun) < d; n++ {
		ctx, cancel := context.WithTimeout(t.Context(), patience)
		start := time.Now()
		if err := calls[n%len(calls)].Info(ctx, "application/dtmf-relay", []byte("Signal=1\r\nDuration=100\r\n")); err != nil {
			t.Errorf("call %d: no answer in %v: %v", n%len(calls), patience, err)
		}
		cancel()
		slowest = max(slowest, time.Since(start))
		time.Sleep(50 * time.Millisecond) // the calls keep what they were told; it is the strangers who are to cost nothing
	}
	t.Logf("%d requests in calls, the slowest answered after %v", n, slowest)
}

// memory is what the heap holds after a collection.
func memory() uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// flood is strangers at many addresses who send INVITEs and answer nothing.
type flood struct {
	to               net.Addr
	socks            []net.PacketConn
	sent, challenged atomic.Int64
	took             time.Duration
	readers          sync.WaitGroup
}

func newFlood(t *testing.T, to string) *flood {
	t.Helper()
	f := &flood{to: net.UDPAddrFromAddrPort(netip.MustParseAddrPort(to))}
	for i := range floodSources {
		c, err := net.ListenPacket("udp", fmt.Sprintf("127.1.0.%d:0", 1+i))
		if err != nil {
			t.Fatal(err)
		}
		f.socks = append(f.socks, c)
		f.readers.Go(func() { f.read(c) })
	}
	t.Cleanup(func() {
		for _, c := range f.socks {
			c.Close()
		}
		f.readers.Wait()
	})
	return f
}

func (f *flood) read(c net.PacketConn) {
	const unauthorized = "SIP/2.0 401 "
	buf := make([]byte, 4096)
	for {
		n, _, err := c.ReadFrom(buf)
		if err != nil {
			return
		}
		if n > len(unauthorized) && string(buf[:len(unauthorized)]) == unauthorized {
			f.challenged.Add(1)
		}
	}
}

// run sends for d, at the pace, and runs meanwhile beside it.
func (f *flood) run(d time.Duration, meanwhile func()) {
	var beside sync.WaitGroup
	beside.Go(meanwhile)
	start := time.Now()
	for n := 0; time.Since(start) < d; {
		for due := int(time.Since(start).Seconds() * floodRate); n < due; n++ {
			c := f.socks[n%len(f.socks)]
			if _, err := c.WriteTo(strangersInvite(n, c.LocalAddr()), f.to); err == nil {
				f.sent.Add(1)
			}
		}
		time.Sleep(time.Millisecond)
	}
	f.took = time.Since(start)
	beside.Wait()
}

func strangersInvite(n int, from net.Addr) []byte {
	const sdp = "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio 40000 RTP/AVP 0\r\n"
	return fmt.Appendf(nil, "INVITE sip:00442071838750@example.com SIP/2.0\r\nVia: SIP/2.0/UDP %[1]s;branch=z9hG4bKf%[2]d;rport\r\n"+
		"Max-Forwards: 70\r\nFrom: <sip:%[2]d@example.com>;tag=%[2]d\r\nTo: <sip:00442071838750@example.com>\r\nCall-ID: flood-%[2]d\r\n"+
		"CSeq: 1 INVITE\r\nContact: <sip:x@%[1]s>\r\nContent-Type: application/sdp\r\nContent-Length: %[3]d\r\n\r\n%[4]s", from, n, len(sdp), sdp)
}

// checkFlooded looks at what is left of it: the records of the calls and no other, each
// without a retransmission later than a second, no port and no panic.
func (s *served) checkFlooded(strict bool) {
	s.t.Helper()
	var page struct{ Items []struct{ ID, State string } }
	eventually(s.t, "the calls are recorded", func() bool {
		s.get("/api/v1/cdrs?state=answered&limit=500", &page)
		return len(page.Items) == floodCalls
	})
	if s.get("/api/v1/cdrs?limit=500", &page); len(page.Items) != floodCalls {
		s.t.Errorf("%d records, want %d", len(page.Items), floodCalls)
	}
	for _, c := range page.Items {
		var record struct {
			Legs []struct{ Retransmissions int }
		}
		s.get("/api/v1/cdrs/"+c.ID, &record)
		for _, l := range record.Legs { // RFC 3261 §17.1.1.2: the first after 0.5 s, the second after 1.5
			if strict && l.Retransmissions > 1 {
				s.t.Errorf("call %s: %d retransmissions", c.ID, l.Retransmissions)
			}
		}
	}
	eventually(s.t, "every port is free again", func() bool {
		var st web.Status
		s.get("/api/v1/status", &st)
		return st.Media.PortsUsed == 0 && st.Calls == 0 && st.Panics == 0 && st.Banned == 0
	})
}
