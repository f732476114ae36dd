// Command registrar measures what it costs to hold a hundred thousand registrations and to
// refresh them, beside a server that only reads the same REGISTERs, checks their digest and
// answers: real sockets on loopback, each server a process of its own. It prints the ratio and
// fails when a bar is missed.
package main

import (
	"flag"
	"fmt"
	"os"
	"slices"
	"time"
)

// bars are what must hold.
type bars struct {
	reference float64 // CPU a refresh of ours over that of the reference
	memory    int64   // bytes a binding
	rate      float64 // refreshes a second
}

var (
	full = bars{reference: 3.5, memory: 2 << 10, rate: 3000}
	// On a machine that others use at the same time only gross faults are told.
	rough = bars{reference: 8, memory: 6 << 10, rate: 200}
)

func main() {
	short := flag.Bool("short", false, "a few seconds, with bars that hold on a busy machine")
	child := flag.String("serve", "", "be the server: ours or reference")
	hasty := flag.Bool("hasty", false, "the server forgets its transactions soon")
	bindings := flag.Int("bindings", 100_000, "how many are held")
	rounds := flag.Int("rounds", 5, "how often each server is measured; the median counts")
	length := flag.Duration("for", 5*time.Second, "how long each time")
	flag.Parse()
	err := func() error {
		if *child != "" {
			return serve(*child, *bindings, *hasty)
		}
		b := bench{bars: full, bindings: *bindings, rounds: *rounds, length: *length}
		if *short {
			b = bench{bars: rough, bindings: 5000, rounds: 2, length: time.Second, hasty: true}
		}
		return b.run()
	}()
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench-registrar:", err)
		os.Exit(1)
	}
}

// bench is one run of everything.
type bench struct {
	bars
	bindings int
	rounds   int
	length   time.Duration
	hasty    bool
}

// figures are what one round shows.
type figures struct {
	perRefresh time.Duration // CPU
	rate       float64       // refreshes a second
}

func (b *bench) run() error {
	ours, err := b.start("ours")
	if err != nil {
		return err
	}
	defer ours.stop()
	reference, err := b.start("reference")
	if err != nil {
		return err
	}
	defer reference.stop()

	empty, _, err := ours.settled()
	if err != nil {
		return err
	}
	began := time.Now()
	for _, p := range []*process{ours, reference} {
		if err := p.phones.registerAll(b.bindings); err != nil {
			return err
		}
	}
	fmt.Printf("%d bindings made in %v\n", b.bindings, time.Since(began).Round(time.Millisecond))
	held, n, err := ours.settled()
	switch {
	case err != nil:
		return err
	case n != b.bindings:
		return fmt.Errorf("%d bindings are held, want %d", n, b.bindings)
	}
	memory := (held - empty) / int64(b.bindings)

	var by [2][]figures
	for range b.rounds {
		for i, p := range []*process{ours, reference} {
			f, err := p.measure(b.length)
			if err != nil {
				return err
			}
			by[i] = append(by[i], f)
		}
	}
	return b.judge(memory, by[0], by[1])
}

// judge prints the figures and tells which bars are missed.
func (b *bench) judge(memory int64, ours, reference []figures) error {
	ratios := make([]float64, len(ours))
	for i := range ours {
		ratios[i] = float64(ours[i].perRefresh) / float64(reference[i].perRefresh)
	}
	cpu := func(f figures) float64 { return float64(f.perRefresh) / 1e3 }
	rate := func(f figures) float64 { return f.rate }
	ratio, fast := median(ratios), median(each(ours, rate))
	fmt.Printf("                 ours  reference\n")
	fmt.Printf("µs a refresh   %6.1f     %6.1f   ratio %.2f\n", median(each(ours, cpu)), median(each(reference, cpu)), ratio)
	fmt.Printf("refreshes/s    %6.0f     %6.0f\n", fast, median(each(reference, rate)))
	fmt.Printf("bytes a binding %5d\n", memory)
	switch {
	case ratio > b.reference:
		return fmt.Errorf("a refresh costs %.2f of the reference, %.2f is allowed", ratio, b.reference)
	case fast < b.rate:
		return fmt.Errorf("%.0f refreshes a second, %.0f are wanted", fast, b.rate)
	case memory > b.memory:
		return fmt.Errorf("%d bytes a binding, %d are allowed", memory, b.memory)
	}
	return nil
}

func each(list []figures, of func(figures) float64) []float64 {
	out := make([]float64, len(list))
	for i, f := range list {
		out[i] = of(f)
	}
	return out
}

func median(list []float64) float64 {
	list = slices.Sorted(slices.Values(list))
	return list[len(list)/2]
}
