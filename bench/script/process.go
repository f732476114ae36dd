package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// process is a server that runs, and who calls it.
type process struct {
	cmd    *exec.Cmd
	input  io.WriteCloser
	output *bufio.Reader
	caller *caller
}

func start(which string) (*process, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	p := &process{cmd: exec.Command(self, "-serve", which)}
	p.cmd.Stderr = os.Stderr
	if p.input, err = p.cmd.StdinPipe(); err != nil {
		return nil, err
	}
	out, err := p.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	p.output = bufio.NewReader(out)
	if err := p.cmd.Start(); err != nil {
		return nil, err
	}
	line, err := p.output.ReadString('\n')
	if err == nil {
		var to netip.AddrPort
		if to, err = netip.ParseAddrPort(strings.TrimSpace(line)); err == nil {
			p.caller, err = newCaller(to)
		}
	}
	if err != nil {
		p.stop()
		return nil, fmt.Errorf("%s did not start: %w", which, err)
	}
	return p, nil
}

func (p *process) stop() {
	p.input.Close()
	p.cmd.Wait() // how it ends says nothing about how it ran
}

// ask sends an order and reads the answer.
func (p *process) ask(order string, into ...any) error {
	if _, err := io.WriteString(p.input, order+"\n"); err != nil {
		return err
	}
	_, err := fmt.Fscanln(p.output, into...)
	return err
}

// cpu is the time that all threads have had a core, in the kernel's nanoseconds.
func (p *process) cpu() (sum time.Duration, err error) {
	files, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/schedstat", p.cmd.Process.Pid))
	if err != nil || len(files) == 0 {
		return 0, fmt.Errorf("no /proc/%d/task/*/schedstat", p.cmd.Process.Pid)
	}
	for _, f := range files {
		text, err := os.ReadFile(f)
		if errors.Is(err, os.ErrNotExist) {
			continue // the thread has ended
		}
		var ns int64
		if _, err := fmt.Sscan(string(text), &ns); err != nil {
			return 0, fmt.Errorf("%s: %w", f, err)
		}
		sum += time.Duration(ns)
	}
	return sum, nil
}

// perCall calls for so long, some calls at once, and gives the CPU of one.
func (p *process) perCall(length time.Duration) (time.Duration, error) {
	before, err := p.cpu()
	if err != nil {
		return 0, err
	}
	n, err := p.caller.callFor(length)
	if err != nil {
		return 0, err
	}
	after, err := p.cpu()
	return (after - before) / time.Duration(n), err
}

// holding is what calls have taken that wait, all together.
type holding struct {
	bytes               int64
	goroutines, threads int
}

// hold has n calls wait for a key, and gives what they hold.
func (p *process) hold(n int) (holding, error) {
	var before, after holding
	var calls int
	if err := p.ask("held", &before.bytes, &before.goroutines, &before.threads, &calls); err != nil {
		return holding{}, err
	}
	if err := p.caller.park(n); err != nil {
		return holding{}, err
	}
	if err := p.ask("held", &after.bytes, &after.goroutines, &after.threads, &calls); err != nil {
		return holding{}, err
	}
	if calls != n {
		return holding{}, fmt.Errorf("%d calls wait, %d should", calls, n)
	}
	return holding{after.bytes - before.bytes, after.goroutines - before.goroutines, after.threads - before.threads}, nil
}

const (
	callRate    = 100                    // calls a second while scripts are reloaded
	reloadEvery = 500 * time.Millisecond // and how often they are
)

// answering is how fast calls were answered.
type answering struct {
	calls        int
	median, most time.Duration
	reload       time.Duration // median
}

// underReload calls at a steady rate for so long, and has the scripts reloaded so many times
// meanwhile. Each call must be answered.
func (p *process) underReload(times int, length time.Duration) (answering, error) {
	took := make(chan error, 1)
	var reloads []time.Duration
	go func() {
		for range times {
			var ns int64
			if err := p.ask("reload", &ns); err != nil {
				took <- err
				return
			}
			reloads = append(reloads, time.Duration(ns))
			time.Sleep(max(0, reloadEvery-time.Duration(ns)))
		}
		took <- nil
	}()
	delays, err := p.caller.callSteadily(length)
	if err := errors.Join(err, <-took); err != nil {
		return answering{}, err
	}
	slices.Sort(delays)
	out := answering{calls: len(delays), median: delays[len(delays)/2], most: delays[len(delays)-1]}
	if len(reloads) > 0 {
		slices.Sort(reloads)
		out.reload = reloads[len(reloads)/2]
	}
	return out, nil
}
