package main

import (
	"fmt"
	"time"

	"tandem/web"
)

type trunksCmd struct{ formatFlag }

// Run lists the trunks and how they are.
func (t *trunksCmd) Run(a *app) error {
	c, err := a.client()
	if err != nil {
		return err
	}
	list, err := c.Trunks(a.ctx)
	if err != nil {
		return err
	}
	if len(list) == 0 && t.Format == "table" {
		fmt.Fprintln(a.stdout, "no trunk is configured")
		return nil
	}
	return t.show(a.stdout, list, func(row func(...any)) {
		row("NAME", "STATE", "HOSTS UP", "CALLS", "IN", "OUT", "SUCCESS", "MEDIAN PDD", "REGISTERED", "LAST ERROR")
		for _, k := range list {
			row(k.Name, k.State, hostsUp(k.Hosts), calls(k), k.Inbound, k.Outbound, share(k.SuccessRate), pdd(k.MedianPDDMS), registered(k.Registration), lastError(k))
		}
	})
}

func hostsUp(hosts []web.TrunkHost) string {
	up := 0
	for _, h := range hosts {
		if h.State != "down" {
			up++
		}
	}
	return fmt.Sprintf("%d of %d", up, len(hosts))
}

func calls(k web.Trunk) string {
	if k.MaxCalls == 0 {
		return fmt.Sprint(k.Calls)
	}
	return fmt.Sprintf("%d of %d", k.Calls, k.MaxCalls)
}

func share(rate *float64) string {
	if rate == nil {
		return "-"
	}
	return fmt.Sprintf("%.0f%%", *rate*100)
}

func pdd(ms *int64) string {
	if ms == nil {
		return "-"
	}
	return fmt.Sprintf("%d ms", *ms)
}

func registered(r web.TrunkRegistration) string {
	switch {
	case r.State == "off":
		return "-"
	case r.UntilMS != nil:
		return "until " + time.UnixMilli(*r.UntilMS).Format(time.TimeOnly)
	}
	return r.State
}

func lastError(k web.Trunk) string {
	if k.LastError == "" {
		return "-"
	}
	if k.LastErrorMS == nil {
		return k.LastError
	}
	return clockTime(*k.LastErrorMS) + " " + k.LastError
}
