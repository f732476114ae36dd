package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"tandem/scripting/sim"
)

type testCmd struct {
	configFlags
	Scripts string   `help:"Scripts folder." placeholder:"DIR"`
	Filter  string   `help:"Run only specs with this in their name." placeholder:"NAME"`
	Verbose bool     `short:"v" help:"List the specs that held, too."`
	JSON    bool     `name:"json" help:"Print one JSON object."`
	Watch   bool     `help:"Run again whenever a script or spec changes; Ctrl-C ends it."`
	Files   []string `arg:"" optional:"" help:"Spec files; all of spec/ in the scripts folder by default." name:"file"`
}

// Run runs the specs of scripts on simulated calls. A spec sets what it needs: of the
// configuration only the folder, the bounds of scripts and the emergency numbers count.
func (c *testCmd) Run(a *app) error {
	cfg, err := c.load()
	if err != nil {
		return err
	}
	o := sim.Options{Scripts: scriptOptions(cfg, scriptsDir(cfg, c.Scripts)), Files: c.Files, Filter: c.Filter,
		Out: a.stdout, Context: a.ctx, Verbose: c.Verbose, JSON: c.JSON}
	if c.Watch {
		return c.watch(a, o)
	}
	result, err := sim.Run(o)
	if err != nil {
		return err
	}
	if result.Failed > 0 {
		return errReported
	}
	return nil
}

// watchEvery is how often files are looked at for changes.
const watchEvery = 300 * time.Millisecond

// watch runs the specs again after each change, until a signal. It looks at the files itself:
// a watcher that is told by the system would be at work within a simulation.
func (c *testCmd) watch(a *app, o sim.Options) error {
	switch {
	case c.JSON:
		return usageError{errors.New("--watch prints for people: leave out --json")}
	case o.Scripts.Dir == "":
		return usageError{errors.New("--watch needs a scripts folder: the shipped scripts do not change (tandem init makes one)")}
	}
	for {
		seen := filesSeen(o)
		if _, err := sim.Run(o); err != nil && a.ctx.Err() == nil {
			fmt.Fprintln(a.stdout, err)
		}
		if a.ctx.Err() != nil {
			return nil
		}
		fmt.Fprintf(a.stdout, "%s waiting for changes in %s\n", time.Now().Format(time.TimeOnly), o.Scripts.Dir)
		if !changed(a, o, seen) {
			return nil
		}
		fmt.Fprintln(a.stdout)
	}
}

// changed waits for files other than those seen that then stay as they are for a moment; false
// when a signal came first.
func changed(a *app, o sim.Options, seen string) bool {
	for before := seen; ; {
		select {
		case <-a.ctx.Done():
			return false
		case <-time.After(watchEvery):
		}
		now := filesSeen(o)
		if now != seen && now == before {
			return true
		}
		before = now
	}
}

// filesSeen tells files by their names, sizes and times.
func filesSeen(o sim.Options) string {
	var b strings.Builder
	look := func(name string, info fs.FileInfo, err error) {
		if err == nil {
			fmt.Fprintln(&b, name, info.Size(), info.ModTime().UnixNano())
		}
	}
	_ = filepath.WalkDir(o.Scripts.Dir+string(filepath.Separator), func(name string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			info, err := d.Info()
			look(name, info, err)
		}
		return nil // what cannot be read is as good as not there
	})
	for _, name := range o.Files {
		info, err := os.Stat(name)
		look(name, info, err)
	}
	return b.String()
}
