package scripting

import (
	"fmt"
	"strings"
)

// reference is docs/lua.md, the same API for people.
func (a *api) reference() string {
	var b strings.Builder
	b.WriteString(referenceHead)
	for _, t := range a.aliases {
		fmt.Fprintf(&b, "\n**%s**: %s\n", t.name, t.doc)
	}
	b.WriteString("\n## Objects\n")
	for _, c := range a.classes {
		if len(c.methods) > 0 {
			fmt.Fprintf(&b, "\n### %s\n%s\n", c.name, c.doc)
			fieldTable(&b, c)
			for _, f := range c.methods {
				if f.run != nil {
					a.describe(&b, f, lowerFirst(c.name)+":")
				}
			}
			if missing := unbuilt(c.methods); len(missing) > 0 {
				fmt.Fprintf(&b, "\nNot built yet: %s.\n", strings.Join(missing, ", "))
			}
		}
	}
	b.WriteString("\n## Functions\n")
	for _, f := range a.globals {
		a.describe(&b, f, "")
	}
	b.WriteString("\n## Modules\nThey are always there, without `require`.\n")
	for _, m := range a.modules {
		fmt.Fprintf(&b, "\n### %s\n%s\n", m.name, m.doc)
		for _, f := range m.functions {
			a.describe(&b, f, m.name+".")
		}
	}
	b.WriteString("\n## Tables\n")
	for _, c := range a.classes {
		if len(c.methods) == 0 {
			fmt.Fprintf(&b, "\n### %s\n%s\n", c.name, c.doc)
			fieldTable(&b, c)
		}
	}
	return b.String()
}

const referenceHead = "# The Lua API\n" +
	"Generated from the server's own table by `go test ./scripting -run TestGenerated -update`; editors read the same from\n" +
	"`scripts/tandem.d.lua`.\n\n" +
	"A failure that can be expected returns nil and a reason. Misuse raises an error that names the argument.\n" +
	"After a hangup, what waits returns nil, \"hangup\" at once, then and from then on; the script has 5 s to tidy up.\n\n## Sounds and targets\n"

func unbuilt(fns []function) []string {
	var out []string
	for _, f := range fns {
		if f.run == nil {
			out = append(out, "`"+f.name+"`")
		}
	}
	return out
}

func fieldTable(b *strings.Builder, c class) {
	if len(c.fields) == 0 {
		return
	}
	b.WriteString("\n| name | type | |\n| --- | --- | --- |\n")
	for _, f := range c.fields {
		fmt.Fprintf(b, "| `%s` | %s | %s |\n", f.name, cell(f.typ), f.doc)
	}
}

// cell writes a type where a bar would end the cell.
func cell(typ string) string { return "`" + strings.ReplaceAll(typ, "|", "\\|") + "`" }

func (a *api) describe(b *strings.Builder, f function, prefix string) {
	var params, results []string
	for _, p := range f.params {
		name, optional := p.optional()
		if optional {
			name = "[" + name + "]"
		}
		params = append(params, name)
	}
	for _, r := range f.returns {
		results = append(results, r.name)
	}
	title := prefix + f.name + "(" + strings.Join(params, ", ") + ")"
	if len(results) > 0 {
		title += " → " + strings.Join(results, ", ")
	}
	fmt.Fprintf(b, "\n#### `%s`\n%s\n", title, f.doc)
	for _, p := range append(append([]field{}, f.params...), f.returns...) {
		if p.doc != "" || a.class(p.typ).fields != nil {
			fmt.Fprintf(b, "- %s\n", words("`"+strings.TrimSuffix(p.name, "?")+"`", "(`"+p.typ+"`)", p.doc))
		}
	}
	if f.example != "" {
		fmt.Fprintf(b, "```lua\n%s\n```\n", f.example)
	}
}
