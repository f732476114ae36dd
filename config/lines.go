package config

import (
	"bytes"
	"sort"
	"strconv"

	"github.com/pelletier/go-toml/v2/unstable"
)

// keyLines finds the line of each key, table and array element of a valid TOML
// text. Paths look like "trunk[1].hosts[0]".
func keyLines(data []byte) map[string]int {
	k := &liner{lines: map[string]int{}, arrays: map[string]int{}, starts: []int{0}}
	for i, c := range data {
		if c == '\n' {
			k.starts = append(k.starts, i+1)
		}
	}
	k.parser.Reset(bytes.Clone(data))
	table := ""
	for k.parser.NextExpression() {
		e := k.parser.Expression()
		switch e.Kind {
		case unstable.Table:
			table = k.keys("", e.Key())
		case unstable.ArrayTable:
			table = k.keys("", e.Key())
			n := k.arrays[table]
			k.arrays[table] = n + 1
			table += "[" + strconv.Itoa(n) + "]"
			k.note(table, k.last)
		case unstable.KeyValue:
			k.value(k.keys(table, e.Key()), e.Value())
		}
	}
	return k.lines
}

type liner struct {
	parser unstable.Parser
	lines  map[string]int
	arrays map[string]int // entries seen of each array of tables
	starts []int          // offset of each line
	last   int            // line of the key walked last
}

func (k *liner) line(n *unstable.Node) int {
	if n.Raw.Length == 0 {
		return 0
	}
	return sort.SearchInts(k.starts, int(n.Raw.Offset)+1)
}

// note keeps the first line that names a path.
func (k *liner) note(path string, line int) {
	if k.lines[path] == 0 && line > 0 {
		k.lines[path] = line
	}
}

// keys walks a dotted key below at. A step into an array of tables is one into
// its latest entry.
func (k *liner) keys(at string, it unstable.Iterator) string {
	for it.Next() {
		if n := k.arrays[at]; n > 0 {
			at += "[" + strconv.Itoa(n-1) + "]"
		}
		at = join(at, string(it.Node().Data))
		k.last = k.line(it.Node())
		k.note(at, k.last)
	}
	return at
}

func (k *liner) value(path string, n *unstable.Node) {
	switch n.Kind {
	case unstable.Array:
		it := n.Children()
		for i := 0; it.Next(); i++ {
			at := path + "[" + strconv.Itoa(i) + "]"
			k.note(at, k.line(it.Node()))
			k.value(at, it.Node())
		}
	case unstable.InlineTable:
		it := n.Children()
		for it.Next() {
			k.value(k.keys(path, it.Node().Key()), it.Node().Value())
		}
	}
}

func join(path, key string) string {
	if path == "" {
		return key
	}
	return path + "." + key
}
