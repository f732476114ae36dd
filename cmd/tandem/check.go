package main

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"

	"tandem/config"
	"tandem/scripting"
	"tandem/scripting/database"
	"tandem/scripts"
)

type checkCmd struct {
	configFlags
	Scripts string `help:"Scripts folder." placeholder:"DIR"`
	JSON    bool   `name:"json" help:"Print one array of { file, line, column, severity, message }, for editors and CI."`
}

// finding is a mistake as --json prints it.
type finding struct {
	File     string `json:"file"`
	Line     int    `json:"line"`             // 0: the file as a whole
	Column   int    `json:"column,omitempty"` // from 1; left out when it is not known
	Severity string `json:"severity"`         // error, warning
	Message  string `json:"message"`
}

func (f finding) String() string {
	text := scripting.FileError{File: f.File, Line: f.Line, Message: f.Message}.Error()
	if f.Severity == severityWarning {
		text += " (warning)"
	}
	return text
}

const (
	severityError   = "error"
	severityWarning = "warning"
)

// Run checks the configuration and the scripts and prints what is wrong with them.
func (c *checkCmd) Run(a *app) error {
	cfg, found, err := c.configuration()
	if err != nil {
		return err
	}
	dir := scriptsDir(cfg, c.Scripts)
	for _, e := range scripting.Check(scriptOptions(cfg, dir)) {
		f := finding{File: e.File, Line: e.Line, Column: e.Column, Severity: severityError, Message: e.Message}
		if e.Warning {
			f.Severity = severityWarning
		}
		found = append(found, f)
	}
	if c.JSON {
		if err := json.NewEncoder(a.stdout).Encode(found); err != nil {
			return err
		}
	}
	wrong := 0
	for _, f := range found {
		if f.Severity == severityError {
			wrong++
		}
		if !c.JSON {
			fmt.Fprintln(a.stdout, plain(f.String()))
		}
	}
	if wrong > 0 {
		fmt.Fprintln(a.stderr, "tandem:", count(wrong, "error"))
		return errReported
	}
	if !c.JSON {
		fmt.Fprintf(a.stdout, "fine: %s, %s\n", cmp.Or(cfg.File(), "built-in configuration"), folderName(dir))
	}
	return nil
}

// configuration reads it. With mistakes, those are returned with the defaults, so that the
// scripts are checked all the same.
func (c *checkCmd) configuration() (*config.Config, []finding, error) {
	found := []finding{}
	cfg, err := c.load()
	if err == nil {
		err = cfg.CheckFiles()
	}
	mistakes, ok := errors.AsType[config.Errors](err)
	if !ok {
		return cfg, found, err
	}
	for _, m := range broken(mistakes).Errors {
		found = append(found, finding{File: m.File, Line: m.Line, Severity: severityError, Message: m.Message})
	}
	cfg = config.Default()
	cfg.Scripts.Dir = config.Path(filepath.Join(filepath.Dir(c.Config), "scripts"))
	return cfg, found, nil
}

// scriptOptions are those of the engine that cfg asks for.
func scriptOptions(cfg *config.Config, dir string) scripting.Options {
	return scripting.Options{
		Dir: dir, Shipped: scripts.FS, Recordings: recordingsDir(cfg), Watch: cfg.Scripts.Watch,
		CallCPU: cfg.Scripts.CallCPU.Std(), Memory: int64(cfg.Scripts.Memory), Settings: cfg.Scripts.Settings,
		Allow: prefixes(cfg.Scripts.HTTP.Allow), Emergency: cfg.Limits.Emergency,
		Database: filepath.Join(string(cfg.Server.Data), "scripts.db"), Databases: databases(cfg.DB),
	}
}

// spoolDir is where records wait that the store does not take in time; "" is nowhere.
func spoolDir(cfg *config.Config) string {
	if cfg.Store.Spool == 0 {
		return ""
	}
	return filepath.Join(string(cfg.Server.Data), "spool")
}

// databases are those that scripts reach by name.
func databases(named map[string]config.DB) map[string]database.Source {
	sources := map[string]database.Source{}
	for name, db := range named {
		sources[name] = database.Source{URL: string(db.URL), Timeout: db.Timeout.Std(), Connections: db.Connections}
	}
	return sources
}

func recordingsDir(cfg *config.Config) string {
	return filepath.Join(string(cfg.Server.Data), "recordings")
}
