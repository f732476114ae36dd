package scripting

import (
	"errors"
	"fmt"
	"math"
	"sort"
	"strconv"

	lua "github.com/yuin/gopher-lua"
)

// Bounds of what leaves a Lua state as data.
const (
	maxDepth = 64
	maxItems = 1 << 20
)

// toGo copies a Lua value as plain data: nil, bool, float64, string, []any or map[string]any.
// A table with the keys 1 to n and no others is a list; an empty one is an empty map unless
// it was decoded from a list.
func toGo(v lua.LValue) (any, error) {
	c := copier{left: maxItems}
	return c.toGo(v, 0)
}

type copier struct{ left int }

func (c *copier) toGo(v lua.LValue, depth int) (any, error) {
	if c.left--; c.left < 0 {
		return nil, errors.New("too large")
	}
	switch v := v.(type) {
	case *lua.LNilType:
		return nil, nil
	case lua.LBool:
		return bool(v), nil
	case lua.LNumber:
		return float64(v), nil
	case lua.LString:
		return string(v), nil
	case *lua.LTable:
		if depth == maxDepth {
			return nil, errors.New("nested too deep, or it contains itself")
		}
		return c.table(v, depth)
	}
	return nil, fmt.Errorf("a %s is not data", v.Type())
}

func (c *copier) table(t *lua.LTable, depth int) (any, error) {
	n, others := t.Len(), false
	t.ForEach(func(k, _ lua.LValue) {
		i, ok := k.(lua.LNumber)
		others = others || !ok || float64(i) != math.Trunc(float64(i)) || i < 1 || int(i) > n
	})
	if !others && (n > 0 || t.Metatable == listMark) {
		list := make([]any, n)
		for i := range list {
			var err error
			if list[i], err = c.toGo(t.RawGetInt(i+1), depth+1); err != nil {
				return nil, fmt.Errorf("[%d]: %w", i+1, err)
			}
		}
		return list, nil
	}
	out := map[string]any{}
	var failure error
	t.ForEach(func(k, v lua.LValue) {
		if failure != nil {
			return
		}
		key, ok := tableKey(k)
		if !ok {
			failure = fmt.Errorf("a %s cannot be a key", k.Type())
			return
		}
		if out[key], failure = c.toGo(v, depth+1); failure != nil {
			failure = fmt.Errorf("%s: %w", key, failure)
		}
	})
	return out, failure
}

func tableKey(k lua.LValue) (string, bool) {
	switch k := k.(type) {
	case lua.LString:
		return string(k), true
	case lua.LNumber:
		return strconv.FormatFloat(float64(k), 'f', -1, 64), true
	}
	return "", false
}

// listMark is the metatable of lists decoded from JSON, so that an empty one stays a list.
var listMark = sealed(&lua.LTable{Metatable: lua.LNil})

// fromGo makes a Lua value of plain data.
func fromGo(v any) lua.LValue {
	switch v := v.(type) {
	case bool:
		return lua.LBool(v)
	case float64:
		return lua.LNumber(v)
	case int64:
		return lua.LNumber(v)
	case int:
		return lua.LNumber(v)
	case string:
		return lua.LString(v)
	case []any:
		t := newTable(len(v), 0)
		t.Metatable = listMark
		for i, item := range v {
			t.RawSetInt(i+1, fromGo(item))
		}
		return t
	case map[string]any:
		t := newTable(0, len(v))
		keys := make([]string, 0, len(v))
		for k := range v {
			keys = append(keys, k)
		}
		sort.Strings(keys)
		for _, k := range keys {
			t.RawSetString(k, fromGo(v[k]))
		}
		return t
	case fmt.Stringer:
		return lua.LString(v.String())
	}
	return lua.LNil
}

// newTable is a table that belongs to no state yet, with room for so many entries.
func newTable(list, hash int) *lua.LTable {
	return (*lua.LState)(nil).CreateTable(list, hash)
}
