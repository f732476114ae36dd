package main

import (
	"tandem/scripting/sim"
)

type testCmd struct {
	configFlags
	Scripts string   `help:"Scripts folder." placeholder:"DIR"`
	Files   []string `arg:"" optional:"" help:"Spec files; all of spec/ in the scripts folder by default." name:"file"`
}

// Run runs the specs of scripts on simulated calls. A spec sets what it needs: of the
// configuration only the folder, the bounds of scripts and the emergency numbers count.
func (c *testCmd) Run(a *app) error {
	cfg, err := c.load()
	if err != nil {
		return err
	}
	o := sim.Options{Scripts: scriptOptions(cfg, scriptsDir(cfg, c.Scripts)), Files: c.Files, Out: a.stdout}
	result, err := sim.Run(o)
	if err != nil {
		return err
	}
	if result.Failed > 0 {
		return errReported
	}
	return nil
}
