package main

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"os/exec"
	"time"
)

// load is the process that plays the phones; c/load.c tells how.
type load struct {
	cmd    *exec.Cmd
	input  io.WriteCloser
	output *bufio.Reader
	port   uint16
}

// heard is what one run of the load has seen.
type heard struct {
	sent, received, broken int
	p99                    time.Duration // of the way to the relay, through it and back
}

func startLoad(path string) (*load, error) {
	l := &load{cmd: exec.Command(path)}
	l.cmd.Stderr = os.Stderr
	output, err := l.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if l.input, err = l.cmd.StdinPipe(); err != nil {
		return nil, err
	}
	if err := l.cmd.Start(); err != nil {
		return nil, err
	}
	l.output = bufio.NewReader(output)
	if _, err := fmt.Fscanln(l.output, &l.port); err != nil {
		l.stop()
		return nil, fmt.Errorf("the load did not start: %w", err)
	}
	return l, nil
}

func (l *load) stop() {
	l.input.Close()
	l.cmd.Wait() // all it had to say has been read
}

// run sends for d to each port, and hears what the relay makes of it.
func (l *load) run(ports []uint16, d time.Duration) (h heard, err error) {
	w := bufio.NewWriter(l.input)
	fmt.Fprint(w, len(ports), " ", d.Milliseconds())
	for _, p := range ports {
		fmt.Fprint(w, " ", p)
	}
	fmt.Fprintln(w)
	if err := w.Flush(); err != nil {
		return h, fmt.Errorf("load: %w", err)
	}
	if _, err = fmt.Fscanln(l.output, &h.sent, &h.received, &h.broken, &h.p99); err != nil {
		err = fmt.Errorf("load: %w", err)
	}
	return h, err
}
