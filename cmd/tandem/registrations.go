package main

import "fmt"

type registrationsCmd struct{ formatFlag }

// Run lists the registered phones.
func (r *registrationsCmd) Run(a *app) error {
	c, err := a.client()
	if err != nil {
		return err
	}
	list, err := c.Registrations(a.ctx)
	if err != nil {
		return err
	}
	if len(list) == 0 && r.Format == "table" {
		fmt.Fprintln(a.stdout, "no phone is registered")
		return nil
	}
	return r.show(a.stdout, list, func(row func(...any)) {
		row("USER", "CONTACT", "SOURCE", "NAT", "EXPIRES IN", "USER AGENT")
		for _, g := range list {
			row(g.User, g.Contact, g.Source, yesNo(g.NAT), span(g.Expires*1000), orDash(g.UserAgent))
		}
	})
}

func yesNo(b bool) string {
	if b {
		return "yes"
	}
	return "no"
}
