package main

import (
	"errors"
	"fmt"
	"path/filepath"

	"tandem/config"
	"tandem/scripting"
	"tandem/scripts"
)

type checkCmd struct {
	configFlags
	Scripts string `help:"Scripts folder." placeholder:"DIR"`
}

// Run checks the configuration and the scripts and prints what is wrong with them.
func (c *checkCmd) Run(a *app) error {
	wrong := 0
	cfg, err := c.load()
	if err == nil {
		err = cfg.CheckFiles()
	}
	if mistakes, ok := errors.AsType[config.Errors](err); ok {
		for _, m := range mistakes {
			fmt.Fprintln(a.stdout, plain(m.Error()))
		}
		wrong += len(mistakes)
		cfg = config.Default() // the scripts are checked all the same
		cfg.Scripts.Dir = config.Path(filepath.Join(filepath.Dir(c.Config), "scripts"))
	} else if err != nil {
		return err
	}
	dir := scriptsDir(cfg, c.Scripts)
	for _, e := range scripting.Check(scriptOptions(cfg, dir)) {
		if e.Warning {
			fmt.Fprintln(a.stdout, plain(e.Error()+" (warning)"))
			continue
		}
		fmt.Fprintln(a.stdout, plain(e.Error()))
		wrong++
	}
	if wrong > 0 {
		fmt.Fprintln(a.stderr, "tandem:", count(wrong, "error"))
		return errReported
	}
	file := cfg.File()
	if file == "" {
		file = "built-in configuration"
	}
	fmt.Fprintf(a.stdout, "fine: %s, %s\n", file, folderName(dir))
	return nil
}

// scriptOptions are those of the engine that cfg asks for.
func scriptOptions(cfg *config.Config, dir string) scripting.Options {
	return scripting.Options{
		Dir: dir, Shipped: scripts.FS, Recordings: recordingsDir(cfg), Watch: cfg.Scripts.Watch,
		CallCPU: cfg.Scripts.CallCPU.Std(), Memory: int64(cfg.Scripts.Memory), Settings: cfg.Scripts.Settings,
		Allow: prefixes(cfg.Scripts.HTTP.Allow), Emergency: cfg.Limits.Emergency,
	}
}

// spoolDir is where records wait that the store does not take in time; "" is nowhere.
func spoolDir(cfg *config.Config) string {
	if cfg.Store.Spool == 0 {
		return ""
	}
	return filepath.Join(string(cfg.Server.Data), "spool")
}

func recordingsDir(cfg *config.Config) string {
	return filepath.Join(string(cfg.Server.Data), "recordings")
}
