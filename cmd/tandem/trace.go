package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"tandem/trace"
)

type traceCmd struct {
	Call   string `help:"Of one call in progress only: its id, or its first letters." placeholder:"ID"`
	Output string `short:"o" help:"Write to a file that Wireshark opens instead." placeholder:"FILE.pcap" type:"path"`
	Short  bool   `help:"Show first lines only."`
	Color  string `help:"Colours: auto, always or never." enum:"auto,always,never" default:"auto"`
}

// Run shows messages until it is interrupted or the server ends.
func (t *traceCmd) Run(a *app) error {
	c, err := a.client()
	if err != nil {
		return err
	}
	call := t.Call
	if call != "" {
		found, err := findCall(a, c, call)
		if err != nil {
			return err
		}
		call = found.ID
	}
	if t.Output != "" {
		return t.file(a, func(each func(trace.Message) error) error { return c.Trace(a.ctx, call, each) })
	}
	screen, isFile := a.stdout.(*os.File)
	colours := t.Color == "always" || t.Color == "auto" && isFile && isTerminal(screen) && os.Getenv("NO_COLOR") == ""
	err = c.Trace(a.ctx, call, func(m trace.Message) error {
		_, err := io.WriteString(a.stdout, showMessage(m, t.Short, colours))
		return err
	})
	return untilInterrupted(err)
}

// file writes messages to a new file.
func (t *traceCmd) file(a *app, follow func(func(trace.Message) error) error) error {
	f, err := os.OpenFile(t.Output, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if errors.Is(err, os.ErrExist) {
		return fmt.Errorf("%s is there already: name a new file", t.Output)
	}
	if err != nil {
		return err
	}
	defer f.Close()
	p, err := trace.NewPcap(f)
	if err != nil {
		return err
	}
	n := 0
	fmt.Fprintf(a.stderr, "writing to %s; Ctrl-C ends\n", t.Output)
	err = follow(func(m trace.Message) error {
		n++
		return p.Write(m)
	})
	if err = untilInterrupted(err); err != nil {
		return err
	}
	fmt.Fprintf(a.stderr, "%s written\n", count(n, "message"))
	return f.Close()
}

// untilInterrupted is nil where nothing but the user or the server has ended the trace.
func untilInterrupted(err error) error {
	if errors.Is(err, context.Canceled) || errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return nil
	}
	return err
}

// showMessage is a message for people: when, which way, and what it says.
func showMessage(m trace.Message, short, colours bool) string {
	paint := func(code, text string) string {
		if !colours {
			return text
		}
		return "\x1b[" + code + "m" + text + "\x1b[0m"
	}
	way, colour := "received from", "36"
	if m.Sent {
		way, colour = "sent to", "32"
	}
	lines := bufio.NewScanner(strings.NewReader(string(m.Text)))
	lines.Scan()
	first := plain(lines.Text())
	if code, ok := strings.CutPrefix(first, "SIP/2.0 "); ok && code >= "3" {
		colour = "31"
	}
	var out strings.Builder
	fmt.Fprintf(&out, "%s %s %s %s\n", m.At.Format("15:04:05.000"), way, m.Proto, m.Remote)
	out.WriteString(paint(colour+";1", first) + "\n")
	if short {
		return out.String()
	}
	for lines.Scan() {
		line := plain(lines.Text())
		if name, value, ok := strings.Cut(line, ":"); ok && !strings.Contains(name, "=") {
			line = paint("2", name+":") + value
		}
		out.WriteString(line + "\n")
	}
	out.WriteString("\n")
	return out.String()
}
