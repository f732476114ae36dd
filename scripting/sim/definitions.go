package sim

import (
	"fmt"
	"strings"
)

// definitions is sim.d.lua: what specs may call as LuaCATS, for editors to complete and check.
func definitions() string {
	var f file
	var b strings.Builder
	b.WriteString("---@meta\n-- What the specs of spec/ may call besides Lua's own, for editors: https://luals.github.io/wiki/annotations\n" +
		"-- Generated from the simulation's own table; it is not run.\n")
	for _, fn := range f.globals() {
		define(&b, fn, "")
	}
	for _, t := range tables() {
		fmt.Fprintf(&b, "\n---%s\n---@class %s\n", t.doc, t.name)
		for i, field := range t.fields {
			fmt.Fprintf(&b, "---@field %s\n", strings.TrimSpace(field+" "+t.docs[i]))
		}
	}
	for _, o := range f.objects() {
		fmt.Fprintf(&b, "\n---%s\n---@class %s\n", o.doc, o.name)
		for _, p := range o.properties {
			fmt.Fprintf(&b, "---@field %s %s %s\n", p.name, p.typ, p.doc)
		}
		fmt.Fprintf(&b, "local %s = {}\n", o.name)
		for _, fn := range o.functions {
			define(&b, fn, o.name+":")
		}
	}
	b.WriteString("\n---Simulated calls, for use inside of it and before_each.\n---@class simlib\nsim = {}\n")
	for _, fn := range f.simFunctions() {
		define(&b, fn, "sim.")
	}
	return b.String()
}

func define(b *strings.Builder, fn function, prefix string) {
	fmt.Fprintf(b, "\n---%s\n", fn.doc)
	var names []string
	for _, p := range fn.params {
		fmt.Fprintf(b, "---@param %s\n", p)
		name, _, _ := strings.Cut(p, " ")
		names = append(names, strings.TrimSuffix(name, "?"))
	}
	if fn.returns != "" {
		fmt.Fprintf(b, "---@return %s\n", fn.returns)
	}
	fmt.Fprintf(b, "function %s%s(%s) end\n", prefix, fn.name, strings.Join(names, ", "))
}

// reference is the part of docs/testing.md that lists everything.
func reference() string {
	var f file
	var b strings.Builder
	rows := func(title, prefix string, fns []function, properties []property) {
		fmt.Fprintf(&b, "\n### %s\n\n| | |\n| --- | --- |\n", title)
		for _, fn := range fns {
			fmt.Fprintf(&b, "| `%s%s` | %s |\n", prefix, written(fn), strings.ReplaceAll(fn.doc, "|", "\\|"))
		}
		for _, p := range properties {
			fmt.Fprintf(&b, "| `%s` | %s |\n", strings.ReplaceAll(prefix, ":", ".")+p.name, upperFirst(p.doc)+".")
		}
	}
	rows("A file", "", f.globals(), nil)
	rows("The simulation", "sim.", f.simFunctions(), nil)
	for _, o := range f.objects() {
		prefix := o.called + ":"
		if o.called == "expectation" {
			prefix = "expect(value):"
		}
		rows(upperFirst(o.called), prefix, o.functions, o.properties)
	}
	b.WriteString("\n### Options\n\n| | |\n| --- | --- |\n")
	for _, t := range tables() {
		for i, field := range t.fields {
			name, _, _ := strings.Cut(field, " ")
			doc := t.docs[i]
			if doc == "" {
				doc = "…"
			}
			fmt.Fprintf(&b, "| %s `%s` | %s |\n", t.name, strings.TrimSuffix(name, "?"), doc)
		}
	}
	return b.String()
}

// written is how a call of a function looks.
func written(fn function) string {
	var names []string
	for _, p := range fn.params {
		name, _, _ := strings.Cut(p, " ")
		if optional, ok := strings.CutSuffix(name, "?"); ok {
			name = "[" + optional + "]"
		}
		names = append(names, name)
	}
	return fn.name + "(" + strings.Join(names, ", ") + ")"
}

func upperFirst(s string) string { return strings.ToUpper(s[:1]) + s[1:] }
