package media

import (
	"net/netip"
	"testing"
	"time"

	"tandem/media/rtp"
)

// latchStep is one packet, or several a frame apart, of a source.
type latchStep struct {
	at     int // ms
	from   string
	count  int  // packets, 20 ms apart; 0 means 1
	heard  bool // is the last one accepted
	jump   bool // the sequence does not follow on
	strays bool // of a payload type never agreed on
}

func TestLatch(t *testing.T) {
	t.Parallel()
	const promised, nat, signalling, stranger = "192.0.2.1:4000", "192.0.2.1:9999", "192.0.2.7:5000", "203.0.113.9:6000"
	for _, c := range []struct {
		name   string
		steps  []latchStep
		remote string
	}{
		{"promised from the first packet", []latchStep{{at: 0, from: promised, heard: true}}, promised},
		{"same host after four", []latchStep{{at: 0, from: nat, count: 3}, {at: 60, from: nat, heard: true}}, nat},
		{"signalling host after four", []latchStep{{at: 0, from: signalling, count: 4, heard: true}}, signalling},
		{"an unnamed host waits for the window", []latchStep{
			{at: 0, from: stranger, count: 49}, {at: 1000, from: stranger, heard: true}}, stranger},
		{"no run, no candidate", []latchStep{
			{at: 0, from: nat, count: 3}, {at: 60, from: nat, jump: true}, {at: 80, from: nat, count: 2}}, ""},
		{"a payload type nobody agreed on counts for nothing", []latchStep{
			{at: 0, from: nat, count: 60, strays: true}}, ""},
		{"injection before the right source", []latchStep{
			{at: 0, from: stranger, count: 40},
			{at: 800, from: promised, heard: true},
			{at: 820, from: stranger, count: 20}}, promised},
		{"injection from the same host before the right source", []latchStep{
			{at: 0, from: nat, count: 40, heard: true},
			{at: 900, from: promised, heard: true},
			{at: 920, from: nat, count: 10}}, promised},
		{"a better source within the window", []latchStep{
			{at: 0, from: signalling, count: 10, heard: true},
			{at: 300, from: nat, count: 4, heard: true},
			{at: 400, from: signalling, count: 10}}, nat},
		{"an equal source does not take over", []latchStep{
			{at: 0, from: nat, count: 10, heard: true},
			{at: 300, from: "192.0.2.1:7777", count: 20}}, nat},
		{"injection after the lock", []latchStep{
			{at: 0, from: nat, count: 60, heard: true},
			{at: 1300, from: promised, count: 40},
			{at: 2110, from: nat, heard: true}}, nat},
		{"a named address takes over from an unnamed one", []latchStep{
			{at: 0, from: stranger, count: 60, heard: true},
			{at: 3000, from: stranger, heard: true},
			{at: 3010, from: promised, count: 3},
			{at: 3070, from: promised, heard: true}}, promised},
		{"two seconds of silence unlock", []latchStep{
			{at: 0, from: promised, count: 10, heard: true},
			{at: 2200, from: nat, count: 3}, {at: 2260, from: nat, heard: true}}, nat},
		{"less does not", []latchStep{
			{at: 0, from: promised, count: 10, heard: true},
			{at: 2100, from: nat, count: 3}}, promised},
		{"many strangers do not push out a candidate", []latchStep{
			{at: 0, from: nat, count: 3},
			{at: 60, from: "203.0.113.1:1"}, {at: 60, from: "203.0.113.2:1"}, {at: 60, from: "203.0.113.3:1"},
			{at: 60, from: "203.0.113.4:1"}, {at: 60, from: "203.0.113.5:1"}, {at: 60, from: "203.0.113.6:1"},
			{at: 61, from: nat, heard: true}}, nat},
	} {
		t.Run(c.name, func(t *testing.T) {
			l := &latch{signalling: netip.MustParseAddr("192.0.2.7")}
			l.promise(netip.MustParseAddrPort(promised))
			runLatch(t, l, c.steps)
			if got := l.current.addr; c.remote == "" && got.IsValid() || c.remote != "" && got.String() != c.remote {
				t.Errorf("sends to %v, want %q", got, c.remote)
			}
		})
	}
}

func runLatch(t *testing.T, l *latch, steps []latchStep) {
	t.Helper()
	start, seq := time.Now(), map[string]uint16{}
	for i, s := range steps {
		if s.jump {
			seq[s.from] += 100
		}
		var heard bool
		for n := range max(1, s.count) {
			h := rtp.Header{SSRC: 1, Sequence: seq[s.from]}
			seq[s.from]++
			at := start.Add(time.Duration(s.at+20*n) * time.Millisecond)
			heard = l.accept(netip.MustParseAddrPort(s.from), h, !s.strays, at)
		}
		if heard != s.heard {
			t.Errorf("step %d: packet from %s heard: %v", i, s.from, heard)
		}
	}
}

func TestLatchUnlocksByANewDescription(t *testing.T) {
	t.Parallel()
	l := &latch{}
	a, b := netip.MustParseAddrPort("192.0.2.1:4000"), netip.MustParseAddrPort("198.51.100.1:4000")
	l.promise(a)
	runLatch(t, l, []latchStep{{from: a.String(), count: 60, heard: true}})
	l.promise(a) // a session refresh: who was heard goes on being heard
	runLatch(t, l, []latchStep{{from: "192.0.2.1:4002", count: 10}, {at: 210, from: a.String(), heard: true}})
	l.promise(b) // moved: the old place is forgotten
	if got := l.current.addr; got.IsValid() {
		t.Errorf("sends to %v after the peer moved to %v", got, b)
	}
	runLatch(t, l, []latchStep{{from: a.String(), count: 10}, {at: 210, from: b.String(), heard: true}})
}
