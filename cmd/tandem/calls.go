package main

import (
	"fmt"
	"strings"

	"tandem/web"
)

type callsCmd struct {
	List   callsListCmd   `cmd:"" default:"withargs" help:"List the calls in progress."`
	Show   callsShowCmd   `cmd:"" help:"Show one call and its legs."`
	Hangup callsHangupCmd `cmd:"" help:"End a call."`
}

type callsListCmd struct{ formatFlag }

// Run lists the calls in progress.
func (l *callsListCmd) Run(a *app) error {
	c, err := a.client()
	if err != nil {
		return err
	}
	calls, err := c.Calls(a.ctx)
	if err != nil {
		return err
	}
	if len(calls) == 0 && l.Format == "table" {
		fmt.Fprintln(a.stdout, "no calls")
		return nil
	}
	return l.show(a.stdout, calls, func(row func(...any)) {
		row("ID", "STATE", "FOR", "FROM", "TO", "LEGS", "SCRIPT")
		for _, c := range calls {
			row(c.ID, c.State, span(c.DurationMS), person(c.FromDisplay, c.FromUser, c.FromHost), orDash(c.Number), len(c.Legs), orDash(c.Script))
		}
	})
}

type callsShowCmd struct {
	formatFlag
	ID string `arg:"" help:"The call's id, or its first letters."`
}

// Run shows one call and its legs.
func (s *callsShowCmd) Run(a *app) error {
	c, err := a.client()
	if err != nil {
		return err
	}
	found, err := findCall(a, c, s.ID)
	if err != nil {
		return err
	}
	call, err := c.Call(a.ctx, found.ID)
	if err != nil {
		return err
	}
	if s.Format == "json" {
		return s.show(a.stdout, call, nil)
	}
	if err := s.show(a.stdout, nil, func(row func(...any)) { callTable(call, row) }); err != nil {
		return err
	}
	fmt.Fprintln(a.stdout)
	return s.show(a.stdout, nil, func(row func(...any)) {
		row("LEG", "ROLE", "STATE", "TARGET", "REMOTE", "CODEC", "MOS", "LOSS", "JITTER", "RTT", "HEARS US", "USER AGENT")
		for _, l := range call.Legs {
			cells := append([]any{l.Seq, l.Role, l.State, orDash(l.Target), orDash(l.Remote), orDash(l.Codec)}, qualityCells(l.Quality)...)
			row(append(cells, orDash(l.UserAgent))...)
		}
	})
}

func callTable(c web.Call, row func(...any)) {
	row("id", c.ID)
	row("state", c.State)
	row("from", person(c.FromDisplay, c.FromUser, c.FromHost))
	row("to", person("", c.ToUser, c.ToHost))
	row("number", orDash(c.Number))
	row("source", c.Source)
	row("user", orDash(c.AuthUser))
	row("trunk", orDash(c.Trunk))
	row("script", fmt.Sprintf("%s, generation %d", orDash(c.Script), c.Generation))
	row("started", clockTime(c.StartMS))
	if c.AnswerMS != nil {
		row("answered", clockTime(*c.AnswerMS))
	}
	row("for", span(c.DurationMS))
	activityRows(c, row)
}

type callsHangupCmd struct {
	ID string `arg:"" help:"The call's id, or its first letters."`
}

// Run ends a call.
func (h *callsHangupCmd) Run(a *app) error {
	c, err := a.client()
	if err != nil {
		return err
	}
	call, err := findCall(a, c, h.ID)
	if err != nil {
		return err
	}
	if err := c.Hangup(a.ctx, call.ID); err != nil {
		return err
	}
	fmt.Fprintf(a.stdout, "call %s from %s is hung up\n", call.ID, plain(person("", call.FromUser, call.FromHost)))
	return nil
}

// findCall finds the call in progress whose id begins with prefix.
func findCall(a *app, c *web.Client, prefix string) (web.Call, error) {
	calls, err := c.Calls(a.ctx)
	if err != nil {
		return web.Call{}, err
	}
	var found []web.Call
	for _, call := range calls {
		if call.ID == prefix {
			return call, nil
		}
		if strings.HasPrefix(call.ID, prefix) {
			found = append(found, call)
		}
	}
	switch len(found) {
	case 0:
		return web.Call{}, fmt.Errorf("there is no call %q in progress", prefix)
	case 1:
		return found[0], nil
	}
	return web.Call{}, fmt.Errorf("%d calls begin with %q", len(found), prefix)
}
