// Command script measures what it costs to have a call decided by Lua, beside a handler in Go
// that decides the same: real calls over loopback, each server a process of its own. It tells the
// CPU of a routing script, the memory and threads of scripts that wait, and what a reload of a
// hundred plugins does to the calls that come meanwhile, and fails when a bar is missed.
package main

import (
	"flag"
	"fmt"
	"os"
	"time"
)

// bars are what must hold. The script's part is what ours takes more than the reference.
type bars struct {
	cpu     time.Duration // of the script's part of a call
	memory  int64         // bytes of the script's part of a waiting call
	threads int           // more than before any call waited
	delay   time.Duration // of a call by a reload
}

var (
	full = bars{cpu: 150 * time.Microsecond, memory: 60 << 10, threads: 16, delay: 20 * time.Millisecond}
	// On a machine that others use at the same time only gross faults are told.
	rough = bars{cpu: 1500 * time.Microsecond, memory: 120 << 10, threads: 64, delay: 2 * time.Second}
)

func main() {
	short := flag.Bool("short", false, "a few seconds, with bars that hold on a busy machine")
	child := flag.String("serve", "", "be the server: lua or go")
	ahead := flag.Bool("ahead", false, "set once the process runs ahead of all else")
	flag.Parse()
	err := func() error {
		if *child != "" {
			return serve(*child)
		}
		if !*short && !*ahead {
			goAhead()
		}
		b := bench{bars: full, rounds: 5, length: 2 * time.Second, waiting: 5000, reloads: 20}
		if *short {
			b = bench{bars: rough, rounds: 1, length: 500 * time.Millisecond, waiting: 300, reloads: 2}
		}
		return b.run()
	}()
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench-script:", err)
		os.Exit(1)
	}
}

// bench is one run of everything.
type bench struct {
	bars
	rounds  int
	length  time.Duration // of a round, for each server
	waiting int           // calls in gather at once
	reloads int
}

func (b *bench) run() error {
	ours, err := start("lua")
	if err != nil {
		return err
	}
	defer ours.stop()
	reference, err := start("go")
	if err != nil {
		return err
	}
	defer reference.stop()
	for _, measure := range []func(ours, reference *process) error{b.routing, b.reloading, b.waits} {
		if err := measure(ours, reference); err != nil {
			return err
		}
	}
	return nil
}

// routing measures the CPU of calls that a script looks at and refuses.
func (b *bench) routing(ours, reference *process) error {
	var scripts, calls, plain, ratios []float64
	for range b.rounds {
		l, err := ours.perCall(b.length)
		if err != nil {
			return err
		}
		g, err := reference.perCall(b.length)
		if err != nil {
			return err
		}
		calls, plain = append(calls, us(l)), append(plain, us(g))
		scripts, ratios = append(scripts, us(l-g)), append(ratios, float64(l)/float64(g))
	}
	script := median(scripts)
	fmt.Printf("                             lua        go\n")
	fmt.Printf("µs of CPU a call          %6.0f    %6.0f   ratio %.2f, the script's part %.0f µs\n", median(calls), median(plain), median(ratios), script)
	if script > us(b.cpu) {
		return fmt.Errorf("a routing script takes %.0f µs of CPU a call, %v is allowed", script, b.cpu)
	}
	return nil
}

// waits measures what calls hold that wait for a key.
func (b *bench) waits(ours, reference *process) error {
	l, err := ours.hold(b.waiting)
	if err != nil {
		return err
	}
	g, err := reference.hold(b.waiting)
	if err != nil {
		return err
	}
	n := int64(b.waiting)
	script := (l.bytes - g.bytes) / n
	fmt.Printf("KB a waiting call         %6.1f    %6.1f   ratio %.2f, the script's part %.1f KB\n",
		kb(l.bytes/n), kb(g.bytes/n), float64(l.bytes)/float64(g.bytes), kb(script))
	fmt.Printf("goroutines a waiting call %6.2f    %6.2f\n", float64(l.goroutines)/float64(n), float64(g.goroutines)/float64(n))
	fmt.Printf("threads more for %5d    %6d    %6d\n", n, l.threads, g.threads)
	switch {
	case script > b.memory:
		return fmt.Errorf("a waiting script holds %d bytes, %d are allowed", script, b.memory)
	case l.threads > b.threads:
		return fmt.Errorf("%d waiting scripts took %d threads, %d are allowed", n, l.threads, b.threads)
	}
	return nil
}

// reloading measures the answers to calls while the scripts are loaded again and again, and
// beforehand.
func (b *bench) reloading(ours, _ *process) error {
	calm, err := ours.underReload(0, time.Duration(b.reloads)*reloadEvery)
	if err != nil {
		return err
	}
	busy, err := ours.underReload(b.reloads, time.Duration(b.reloads)*reloadEvery)
	if err != nil {
		return err
	}
	delay := busy.most - calm.median
	fmt.Printf("%d reloads of %d plugins, %.1f ms each, %d calls a second: none of %d calls dropped\n",
		b.reloads, plugins, ms(busy.reload), callRate, busy.calls)
	fmt.Printf("ms to the answer: median %.2f, at most %.2f; without reloads %.2f and %.2f\n", ms(busy.median), ms(busy.most), ms(calm.median), ms(calm.most))
	if delay > b.delay {
		return fmt.Errorf("a reload delayed a call by %v, %v is allowed", delay, b.delay)
	}
	return nil
}
