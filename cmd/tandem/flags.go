package main

import (
	"errors"
	"os"
	"path/filepath"

	"tandem/config"
)

// configFlags are those of every command that works on a server's files.
type configFlags struct {
	Config string `short:"c" help:"Configuration file; ./tandem.toml if it is there." placeholder:"FILE"`
	Data   string `help:"Data folder; the store is tandem.db in it unless the file names one." placeholder:"DIR"`
}

// load reads the configuration as serve does: the file that -c names, else
// ./tandem.toml if it is there, else what is built in; then the flags over it.
func (f configFlags) load() (*config.Config, error) {
	c, err := f.read()
	if err != nil {
		return nil, err
	}
	if f.Data != "" {
		dir, err := filepath.Abs(f.Data)
		if err != nil {
			return nil, err
		}
		c.SetData(dir)
	}
	return c, nil
}

func (f configFlags) read() (*config.Config, error) {
	if f.Config != "" {
		return config.Load(f.Config)
	}
	c, err := config.Load("tandem.toml")
	if errors.Is(err, os.ErrNotExist) {
		return config.Default(), nil
	}
	return c, err
}

// scriptsDir is where the scripts lie; "" stands for the shipped ones, which serve
// when neither the file nor a flag names a folder and the default one is not there.
func scriptsDir(c *config.Config, flag string) string {
	if flag != "" {
		return flag
	}
	dir := string(c.Scripts.Dir)
	if info, err := os.Stat(dir); !c.Set("scripts.dir") && (err != nil || !info.IsDir()) {
		return ""
	}
	return dir
}
