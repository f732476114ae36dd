package scripting

import "strings"

// Compiled are scripts that have been read, compiled and linted once, for engines that come
// and go: those of simulated calls. What is edited on disk afterwards does not count.
type Compiled struct {
	base
	gen   *generation
	found []FileError
}

// Compile reads the scripts that o names. What is wrong with them is FileErrors.
func Compile(o Options) (*Compiled, error) {
	c := &Compiled{base: newBase()}
	c.gen, c.found = compileAll(c.api, files{dir: o.Dir, shipped: o.Shipped})
	if errs, _ := split(c.found); len(errs) > 0 {
		sortErrors(errs)
		return nil, FileErrors(errs)
	}
	return c, nil
}

// New makes an engine that runs these scripts, and only these: o's folders do not count.
// Nothing that scripts can change is shared with other engines. With scripts that fail when
// they are loaded its error is FileErrors.
func (c *Compiled) New(o Options) (*Engine, error) {
	o.Dir, o.Shipped = c.gen.files.dir, c.gen.files.shipped
	e := engineOf(o, c.base)
	g := &generation{id: 1, files: c.gen.files, plugins: c.gen.plugins, lib: c.gen.lib, asks: map[string][]*script{}, loaded: e.o.Clock.Now()}
	if errs := e.rehearse(g, true); len(errs) > 0 {
		e.Close()
		sortErrors(errs)
		return nil, FileErrors(errs)
	}
	e.lastID, e.live = g.id, []*generation{g}
	e.current.Store(g)
	return e, nil
}

// Syntax tells what keeps a Lua text from being compiled, as a FileError; nil if nothing does.
func Syntax(name, text string) error {
	if _, _, err := compileText(text, name); err != nil {
		return syntaxError(name, strings.Count(text, "\n")+1, err)
	}
	return nil
}
