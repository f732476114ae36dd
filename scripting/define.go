package scripting

import (
	"fmt"
	"strings"
)

// definitions is tandem.d.lua: the whole API as LuaCATS, for editors to complete and check.
func (a *api) definitions() string {
	var b strings.Builder
	b.WriteString("---@meta\n-- What Tandem's scripts may call, for editors: https://luals.github.io/wiki/annotations\n" +
		"-- Generated from the server's own table; it is not run.\n")
	for _, t := range a.aliases {
		fmt.Fprintf(&b, "\n---%s\n---@alias %s %s\n", t.doc, t.name, t.typ)
	}
	for _, c := range a.classes {
		a.defineClass(&b, c)
	}
	for _, m := range a.modules {
		fmt.Fprintf(&b, "\n---%s\n---@class %slib\n%s = {}\n", m.doc, m.name, m.name)
		for _, f := range m.functions {
			defineFunction(&b, f, m.name+".")
		}
	}
	for _, f := range a.globals {
		defineFunction(&b, f, "")
	}
	return b.String()
}

func (a *api) defineClass(b *strings.Builder, c class) {
	fmt.Fprintf(b, "\n---%s\n---@class %s\n", c.doc, c.name)
	for _, f := range c.fields {
		fmt.Fprintf(b, "---@field %s\n", words(f.name, f.typ, f.doc))
	}
	if c.index != "" {
		fmt.Fprintf(b, "---@field %s\n", c.index)
	}
	if len(c.methods) == 0 {
		return
	}
	fmt.Fprintf(b, "local %s = {}\n", c.name)
	for _, f := range c.methods {
		defineFunction(b, f, c.name+":")
	}
}

func defineFunction(b *strings.Builder, f function, prefix string) {
	fmt.Fprintf(b, "\n---%s\n", f.doc)
	if f.example != "" {
		b.WriteString("---```lua\n")
		for _, line := range strings.Split(f.example, "\n") {
			fmt.Fprintf(b, "---%s\n", line)
		}
		b.WriteString("---```\n")
	}
	for _, p := range f.params {
		fmt.Fprintf(b, "---@param %s\n", words(p.name, p.typ, p.doc))
	}
	for _, r := range f.returns {
		fmt.Fprintf(b, "---@return %s\n", words(r.typ, r.name, r.doc))
	}
	fmt.Fprintf(b, "function %s%s(%s) end\n", prefix, f.name, strings.Join(names(f.params), ", "))
}

// words joins what is not empty.
func words(parts ...string) string {
	var out []string
	for _, p := range parts {
		if p != "" {
			out = append(out, p)
		}
	}
	return strings.Join(out, " ")
}
