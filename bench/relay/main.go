// Command relay measures what the media engine costs for one relayed packet, beside a
// plain epoll loop in C and a goroutine a socket in Go, in the same run: G.711, 20 ms, a
// port a stream. It prints the ratios and fails when one misses its bar.
package main

import (
	"cmp"
	"errors"
	"flag"
	"fmt"
	"os"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// bars are what must hold.
type bars struct {
	c          float64 // CPU a packet of ours over that of C
	goroutines float64 // and over that of a goroutine a socket
	memory     int64   // bytes a call
	delay      time.Duration
}

var (
	full = bars{c: 1.25, goroutines: 0.75, memory: 40 << 10, delay: 5 * time.Millisecond}
	// On a machine that others use at the same time only loss and gross faults are told.
	rough = bars{c: 2.5, goroutines: 1.25, memory: 60 << 10, delay: time.Second}
)

func main() {
	short := flag.Bool("short", false, "a few seconds, with bars that hold on a busy machine")
	rounds := flag.Int("rounds", 7, "how often each relay is measured; the median counts")
	seconds := flag.Duration("for", 2*time.Second, "how long each time")
	streams := flag.String("streams", "200,400,1000", "how many streams")
	soak := flag.Duration("soak", time.Minute, "how long 400 calls are relayed without a loss")
	child := flag.String("relay", "", "be the relay: ours or goroutines")
	legs := flag.Int("legs", 2, "of the relay")
	peer := flag.Int("peer", 0, "where the relay sends to")
	flag.Parse()
	err := func() error {
		switch *child {
		case "ours":
			return serve(ours, *legs, uint16(*peer))
		case "goroutines":
			return serve(goroutines, *legs, uint16(*peer))
		}
		b := bench{bars: full, rounds: *rounds, length: *seconds, soak: *soak}
		sizes := strings.Split(*streams, ",")
		if *short {
			b, sizes = bench{bars: rough, rounds: 2, length: 1500 * time.Millisecond}, []string{"200"}
		}
		return b.run(sizes)
	}()
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench-relay:", err)
		os.Exit(1)
	}
}

// bench is one run of everything.
type bench struct {
	bars
	rounds int
	length time.Duration
	soak   time.Duration

	load   *load
	relays []relay
	failed []error
}

// relay is one of those compared.
type relay struct {
	name string
	args func(legs int) []string // the program and its arguments
}

// figures are what one relay has shown at one size.
type figures struct {
	perPacket []time.Duration // CPU, by round
	sent      int
	lost      int
	p99       []time.Duration
	memory    int64
}

func (b *bench) run(sizes []string) error {
	ahead := goAhead()
	dir, err := os.MkdirTemp("", "bench-relay")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	c, err := compile(dir, "epoll")
	if err != nil {
		return err
	}
	phones, err := compile(dir, "load")
	if err != nil {
		return err
	}
	self, err := os.Executable()
	if err != nil {
		return err
	}
	if b.load, err = startLoad(phones); err != nil {
		return err
	}
	defer b.load.stop()
	peer := strconv.Itoa(int(b.load.port))
	goRelay := func(name string) relay {
		return relay{name, func(legs int) []string {
			return []string{self, "-relay", name, "-legs", strconv.Itoa(legs), "-peer", peer}
		}}
	}
	b.relays = []relay{
		{"C epoll", func(legs int) []string { return []string{c, strconv.Itoa(legs), peer} }},
		goRelay("ours"),
		goRelay("goroutines"),
	}
	fmt.Printf("%s, %s, %d cores, %s; µs of CPU a relayed packet (median of %d rounds of %v)\n",
		time.Now().Format(time.DateOnly), runtime.Version(), runtime.NumCPU(), ahead, b.rounds, b.length)
	fmt.Printf("%8s %9s %9s %11s %7s %14s %7s %10s %9s\n",
		"streams", "C epoll", "ours", "goroutines", "ours/C", "ours/goroutines", "lost", "p99 ours", "KB/call")
	for _, s := range sizes {
		n, err := strconv.Atoi(s)
		if err != nil || n < 2 || n%2 != 0 {
			return fmt.Errorf("streams: %q is not an even number", s)
		}
		if err := b.compare(n); err != nil {
			return err
		}
	}
	if b.soak > 0 {
		if err := b.endure(400); err != nil {
			return err
		}
	}
	return errors.Join(b.failed...)
}

// goAhead asks that the load and the relays, which inherit it from this thread, run before
// whatever else the machine does. Only root may.
func goAhead() string {
	runtime.LockOSThread()
	err := unix.SchedSetAttr(0, &unix.SchedAttr{
		Size: unix.SizeofSchedAttr, Policy: unix.SCHED_RR, Priority: 1,
	}, 0)
	if err != nil {
		return "shared with whatever runs"
	}
	return "ahead of whatever else runs"
}

// compare measures the relays in turn, so that what else the machine does meets all alike.
func (b *bench) compare(streams int) error {
	all := make([]figures, len(b.relays))
	for range b.rounds {
		for i, r := range b.relays {
			if err := b.measure(r, streams, b.length, &all[i]); err != nil {
				return fmt.Errorf("%s: %w", r.name, err)
			}
		}
	}
	c, our, gor := &all[0], &all[1], &all[2]
	toC, toGo := ratio(our, c), ratio(our, gor)
	fmt.Printf("%8d %9.2f %9.2f %11.2f %7.2f %14.2f %7d %10v %9.1f\n", streams, c.cost(), our.cost(),
		gor.cost(), toC, toGo, our.lost, our.delay(), float64(our.memory)/1024)
	b.check(toC <= b.c, "%d streams: %.2f of C, the bar is %.2f", streams, toC, b.c)
	b.check(toGo <= b.goroutines, "%d streams: %.2f of a goroutine a socket, the bar is %.2f", streams, toGo, b.goroutines)
	b.check(our.lost == 0, "%d streams: %d of %d packets lost", streams, our.lost, our.sent)
	b.check(our.memory <= b.memory, "%d streams: %d bytes a call, the bar is %d", streams, our.memory, b.memory)
	return nil
}

// endure relays calls for long, and forgives no loss.
func (b *bench) endure(calls int) error {
	var f figures
	if err := b.measure(b.relays[1], 2*calls, b.soak, &f); err != nil {
		return err
	}
	fmt.Printf("%d calls for %v: %d of %d packets lost, p99 %v, %.2f µs a packet, %.1f KB a call\n",
		calls, b.soak, f.lost, f.sent, f.delay(), f.cost(), float64(f.memory)/1024)
	b.check(f.lost == 0, "%d calls: %d of %d packets lost", calls, f.lost, f.sent)
	b.check(f.delay() <= b.bars.delay, "%d calls: p99 %v, the bar is %v", calls, f.delay(), b.bars.delay)
	return nil
}

func (b *bench) check(holds bool, format string, args ...any) {
	if !holds {
		b.failed = append(b.failed, fmt.Errorf(format, args...))
	}
}

// measure runs one relay once.
func (b *bench) measure(r relay, streams int, d time.Duration, f *figures) error {
	empty, err := b.resident(r, 2)
	if err != nil {
		return err
	}
	args := r.args(streams)
	p, err := start(args[0], args[1:]...)
	if err != nil {
		return err
	}
	defer p.stop()
	if _, err := b.load.run(p.ports, 300*time.Millisecond); err != nil { // latch, warm up
		return err
	}
	before, err := p.cpu()
	if err != nil {
		return err
	}
	h, err := b.load.run(p.ports, d)
	if err != nil {
		return err
	}
	after, err := p.cpu()
	if err != nil {
		return err
	}
	memory, err := p.resident()
	if err != nil {
		return err
	}
	if h.received == 0 || h.broken > 0 {
		return fmt.Errorf("%d of %d packets came back, %d broken", h.received, h.sent, h.broken)
	}
	f.perPacket = append(f.perPacket, (after-before)/time.Duration(h.received))
	f.sent += h.sent
	f.lost += h.sent - h.received
	f.p99 = append(f.p99, h.p99)
	f.memory = (memory - empty) / int64(streams/2)
	return nil
}

// resident is the memory of a relay with hardly any legs.
func (b *bench) resident(r relay, legs int) (int64, error) {
	args := r.args(legs)
	p, err := start(args[0], args[1:]...)
	if err != nil {
		return 0, err
	}
	defer p.stop()
	if _, err := b.load.run(p.ports, 300*time.Millisecond); err != nil {
		return 0, err
	}
	return p.resident()
}

// cost is the CPU a packet in µs.
func (f *figures) cost() float64 { return float64(median(f.perPacket)) / float64(time.Microsecond) }

// delay is what 99 of 100 packets took at most.
func (f *figures) delay() time.Duration { return median(f.p99).Round(time.Microsecond) }

// ratio compares round by round: what disturbs one disturbs its neighbour as well.
func ratio(a, b *figures) float64 {
	var list []float64
	for i := range a.perPacket {
		list = append(list, float64(a.perPacket[i])/float64(b.perPacket[i]))
	}
	return median(list)
}

func median[T cmp.Ordered](list []T) T {
	sorted := slices.Sorted(slices.Values(list))
	return sorted[len(sorted)/2]
}
