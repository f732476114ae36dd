package config

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/pelletier/go-toml/v2"
)

// maxFile bounds a configuration's size in bytes.
const maxFile = 1 << 20

// Load reads the file at path over the defaults and checks it. A file that cannot
// be read gives the system's error; mistakes in it come back together, as Errors.
func Load(path string) (*Config, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err != nil {
		return nil, err
	}
	c, err := Parse(path, data, os.LookupEnv)
	if err != nil {
		return nil, err
	}
	return c, nil
}

// Parse reads a configuration's text. Name is the file it came from, for messages
// and for relative paths; env gives the values of ${NAME}.
func Parse(name string, data []byte, env func(string) (string, bool)) (*Config, error) {
	p := &problems{file: name}
	if len(data) > maxFile {
		return nil, Errors{{File: name, Msg: fmt.Sprintf("is larger than %d bytes", maxFile)}}
	}
	values, err := parseValues(name, data)
	if err != nil {
		return nil, err
	}
	p.lines = keyLines(data)
	c := Default()
	c.file, c.lines = name, p.lines
	d := decoder{problems: p, env: env}
	d.table("", values, c)
	c.resolve(filepath.Dir(name))
	if len(p.list) == 0 { // what could not be read would only be reported twice
		c.validate(p)
	}
	if err := p.err(); err != nil {
		return nil, err
	}
	return c, nil
}

// Validate checks a configuration whose values were changed since it was read, as
// by flags.
func (c *Config) Validate() error {
	p := &problems{file: c.file, lines: c.lines}
	c.validate(p)
	return p.err()
}

// resolve makes the paths count from the file's folder.
func (c *Config) resolve(dir string) {
	for _, p := range []*Path{&c.Server.Data, &c.SIP.TLSCert, &c.SIP.TLSKey, &c.SIP.TLSCA, &c.Scripts.Dir, &c.Mail.TLSCA} {
		if *p != "" && !filepath.IsAbs(string(*p)) {
			*p = Path(filepath.Join(dir, string(*p)))
		}
	}
	for name, db := range c.DB {
		if file, ok := strings.CutPrefix(string(db.URL), "sqlite:"); ok && file != "" && !filepath.IsAbs(file) {
			db.URL = Secret("sqlite:" + filepath.Join(dir, file))
			c.DB[name] = db
		}
	}
	path, ok := c.Store.URL.SQLite()
	switch {
	case !c.Set("store.url"):
		c.SetData(string(c.Server.Data))
	case ok && !filepath.IsAbs(path):
		c.Store.URL = StoreURL("sqlite:" + filepath.Join(dir, path))
	}
}

// parseValues reads the syntax: tables, arrays and values without a meaning yet.
func parseValues(file string, data []byte) (map[string]any, error) {
	var values map[string]any
	err := toml.Unmarshal(data, &values)
	if err == nil {
		return values, nil
	}
	e := &Error{File: file, Msg: strings.TrimPrefix(err.Error(), "toml: ")}
	if de, ok := errors.AsType[*toml.DecodeError](err); ok {
		e.Line, _ = de.Position()
		e.Key = strings.Join(de.Key(), ".")
	}
	return nil, Errors{e}
}
