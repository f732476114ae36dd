package main

import (
	"errors"
	"fmt"
	"net/http"
	"strings"

	"tandem/web"
)

type reloadCmd struct {
	Back bool `help:"Bring the scripts back that were in force before the present ones."`
}

// Run has a running server read its scripts and configuration again, or go back to the
// scripts before.
func (r *reloadCmd) Run(a *app) error {
	c, err := a.client()
	if err != nil {
		return err
	}
	do := c.Reload
	if r.Back {
		do = c.Back
	}
	done, err := do(a.ctx)
	if e, ok := errors.AsType[*web.Error](err); ok && e.Code == http.StatusConflict {
		fmt.Fprintf(a.stderr, "%s\ntandem: not reloaded: the scripts and the configuration before stay in force\n", plainLines(e.Message))
		return errReported
	}
	if err != nil {
		return err
	}
	fmt.Fprintf(a.stdout, "%s: %s\n", generationName(done.Generation, done.Again), plain(strings.Join(done.Files, ", ")))
	if r.Back {
		fmt.Fprintln(a.stdout, "the files are as they were: the next change of one, or reload, reads them again")
	}
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

// generationName tells of a generation, and of which one it is the return.
func generationName(id, again int64) string {
	if again == 0 {
		return fmt.Sprintf("generation %d", id)
	}
	return fmt.Sprintf("generation %d (generation %d again)", id, again)
}

func plainLines(s string) string {
	lines := strings.Split(s, "\n")
	for i := range lines {
		lines[i] = plain(lines[i])
	}
	return strings.Join(lines, "\n")
}
