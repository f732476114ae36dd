package main

import (
	"errors"
	"fmt"
	"net/http"
	"strings"

	"tandem/web"
)

type reloadCmd struct{}

// Run has a running server read its scripts and configuration again.
func (reloadCmd) Run(a *app) error {
	c, err := a.client()
	if err != nil {
		return err
	}
	done, err := c.Reload(a.ctx)
	if e, ok := errors.AsType[*web.Error](err); ok && e.Code == http.StatusConflict {
		fmt.Fprintf(a.stderr, "%s\ntandem: not reloaded: the scripts and the configuration before stay in force\n", plainLines(e.Message))
		return errReported
	}
	if err != nil {
		return err
	}
	fmt.Fprintf(a.stdout, "generation %d: %s\n", done.Generation, plain(strings.Join(done.Files, ", ")))
	for _, w := range done.Warnings {
		fmt.Fprintf(a.stdout, "warning: %s\n", plain(w.Error()))
	}
	if len(done.Changed) > 0 {
		fmt.Fprintf(a.stdout, "in force: %s\n", plain(strings.Join(done.Changed, ", ")))
	}
	if len(done.Restart) > 0 {
		fmt.Fprintf(a.stdout, "waits for a restart: %s\n", plain(strings.Join(done.Restart, ", ")))
	}
	return nil
}

func plainLines(s string) string {
	lines := strings.Split(s, "\n")
	for i := range lines {
		lines[i] = plain(lines[i])
	}
	return strings.Join(lines, "\n")
}
