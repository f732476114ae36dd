package main

import (
	"fmt"

	"tandem/web"
)

type bansCmd struct {
	List bansListCmd `cmd:"" default:"withargs" help:"List the sources that are not listened to."`
	Lift bansLiftCmd `cmd:"" help:"Listen to a source again."`
}

type bansListCmd struct{ formatFlag }

// Run lists the bans in force.
func (b *bansListCmd) Run(a *app) error {
	c, err := a.client()
	if err != nil {
		return err
	}
	list, err := c.Bans(a.ctx)
	if err != nil {
		return err
	}
	if len(list) == 0 && b.Format == "table" {
		fmt.Fprintln(a.stdout, "nobody is banned")
		return nil
	}
	return b.show(a.stdout, list, func(row func(...any)) {
		row("SOURCE", "SINCE", "UNTIL", "WHY")
		for _, ban := range list {
			row(ban.Source, clockTime(ban.SinceMS), clockTime(ban.UntilMS), banReason(ban))
		}
	})
}

func banReason(b web.Ban) string {
	if b.Failures == 0 {
		return "a scanner"
	}
	return count(b.Failures, "failure")
}

type bansLiftCmd struct {
	Source string `arg:"" help:"Its address, as the list shows it."`
}

// Run lifts a ban.
func (b *bansLiftCmd) Run(a *app) error {
	c, err := a.client()
	if err != nil {
		return err
	}
	if err := c.LiftBan(a.ctx, b.Source); err != nil {
		return err
	}
	fmt.Fprintf(a.stdout, "%s is listened to again\n", plain(b.Source))
	return nil
}
