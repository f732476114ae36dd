package scripting

import (
	"context"
	"math"
	"slices"
	"strings"
	"time"

	lua "github.com/yuin/gopher-lua"

	"tandem/b2bua"
	"tandem/media"
)

func menuOptions() class {
	return class{name: "MenuOptions", index: "[string] string|string[]|fun(call: Call, digits: string): any", doc: "A menu. Other keys are what callers press: one or more of 0-9 * #. Their value is a function, a target to bridge to, `\"repeat\"` or `\"back\"`.",
		fields: []field{
			{"prompt?", "Source", "played until the first key"},
			{"tries?", "integer", "3 by default"},
			{"invalid?", "Source", "played when no entry has what was pressed"},
			{"timeout?", "number", "seconds from the end of the prompt to the first key, 5 by default"},
			{"digit_timeout?", "number", "seconds to wait for more keys of a longer entry, 2 by default"},
		}}
}

func menuFunction() function {
	return function{name: "menu", params: []field{{"menu", "MenuOptions", ""}},
		returns: []field{{"result", "any", "the function's result, the bridge's table, or \"back\"; or nil"}, {"why", `"timeout"|"invalid"|"hangup"|nil`, "when the tries are used up"}},
		doc:     "Offers choices. A function is called with the call and the keys pressed; when it returns \"repeat\" the menu plays again, and so it does when a menu within it returns \"back\".",
		example: "call:menu{\n  prompt = \"main-menu\", invalid = \"invalid\",\n  [\"1\"] = function(call) return call:play(\"opening-hours\") end,\n  [\"2\"] = \"user:1001\",\n  [\"101\"] = \"user:1101\",\n  [\"*\"] = \"repeat\",\n}",
		run:     callMenu}
}

// menu is one run of call:menu.
type menu struct {
	a               arguments
	s               *state
	leg             *b2bua.Leg
	entries         map[string]lua.LValue
	longest         int
	prompt, invalid []media.Source
	timeout, next   time.Duration
	tries           int
}

func callMenu(s *state, L *lua.LState) int {
	a := method(L, "call:menu")
	leg, t := a.receiver(), a.table(1, "menu")
	c := menuOptions()
	m := &menu{a: a, s: s, leg: leg, entries: map[string]lua.LValue{}}
	settings := newTable(0, len(c.fields))
	t.ForEach(func(k, v lua.LValue) {
		if key, ok := menuKey(k); ok {
			m.add(key, v)
			return
		}
		settings.RawSet(k, v)
	})
	o := options{a: a, of: c, t: settings}
	known := c.fieldNames()
	settings.ForEach(func(k, _ lua.LValue) {
		if !slices.Contains(known, k.String()) {
			a.fail("unknown option %q%s; an entry is one or more of 0-9 * #", k.String(), didYouMean(k.String(), known))
		}
	})
	if len(m.entries) == 0 {
		a.fail("the menu has no entry")
	}
	m.prompt, m.invalid = o.sources("prompt"), o.sources("invalid")
	m.timeout, m.next = positive(o.seconds("timeout", 5*time.Second)), positive(o.seconds("digit_timeout", 2*time.Second))
	m.tries = o.integer("tries", 3, 1)
	return m.run()
}

// menuKey tells a key that callers press: text, or a number as in { [1] = … }.
func menuKey(k lua.LValue) (string, bool) {
	switch k := k.(type) {
	case lua.LNumber:
		return k.String(), k >= 0 && float64(k) == math.Trunc(float64(k))
	case lua.LString:
		s := string(k)
		return s, s != "" && strings.Trim(s, "0123456789*#ABCD") == ""
	}
	return "", false
}

func (m *menu) add(key string, v lua.LValue) {
	switch v.Type() {
	case lua.LTFunction, lua.LTString, lua.LTTable:
	default:
		m.a.wrong("entry "+key, "a function, a target, \"repeat\" or \"back\"", v)
	}
	m.entries[key] = v
	m.longest = max(m.longest, len(key))
}

func (m *menu) run() int {
	for failures := 0; ; {
		keys, why, err := m.listen()
		if err != nil {
			return m.a.trouble(err)
		}
		if entry, ok := m.entries[keys]; ok {
			if n, again := m.choose(entry, keys); !again {
				return n
			}
			failures = 0
			continue
		}
		if why == "invalid" && len(m.invalid) > 0 {
			m.s.block(m.a.L, m.a.name, func(ctx context.Context) { _, err = m.leg.Play(ctx, m.invalid, b2bua.PlayOptions{}) })
			if err != nil {
				return m.a.trouble(err)
			}
		}
		if failures++; failures >= m.tries {
			return failed(m.a.L, why)
		}
	}
}

// listen plays the menu and takes keys until they are one entry and cannot become another.
func (m *menu) listen() (keys, why string, err error) {
	opts := b2bua.GatherOptions{Prompt: m.prompt, Max: 1, Timeout: m.timeout}
	for {
		var got b2bua.Gathered
		m.s.block(m.a.L, m.a.name, func(ctx context.Context) { got, err = m.leg.Gather(ctx, opts) })
		switch {
		case err != nil:
			return "", "", err
		case !got.OK && keys == "":
			return "", "timeout", nil
		case !got.OK:
			return keys, "invalid", nil
		case got.Digits == "#" && keys != "" && !m.leads(keys+"#"): // as elsewhere, # ends input
			return keys, "invalid", nil
		}
		keys += got.Digits
		if _, ok := m.entries[keys]; ok && !m.longer(keys) || len(keys) >= m.longest {
			return keys, "invalid", nil
		}
		opts = b2bua.GatherOptions{Max: 1, Timeout: m.next}
	}
}

// leads tells whether keys are an entry or the beginning of one.
func (m *menu) leads(keys string) bool {
	_, ok := m.entries[keys]
	return ok || m.longer(keys)
}

// longer tells whether keys are the beginning of a longer entry.
func (m *menu) longer(keys string) bool {
	for k := range m.entries {
		if len(k) > len(keys) && strings.HasPrefix(k, keys) {
			return true
		}
	}
	return false
}

// choose does what an entry says. again: the menu is to be played once more.
func (m *menu) choose(entry lua.LValue, keys string) (n int, again bool) {
	L := m.a.L
	switch v := entry.(type) {
	case *lua.LFunction:
		return m.call(v, keys)
	case *lua.LTable:
		return m.bridge(m.a.targets("entry "+keys, v)), false
	}
	switch word := entry.String(); word {
	case "repeat":
		return 0, true
	case "back":
		return push(L, lua.LString("back")), false
	default:
		return m.bridge([]string{word}), false
	}
}

func (m *menu) call(fn *lua.LFunction, keys string) (n int, again bool) {
	L := m.a.L
	top := L.GetTop()
	L.Push(fn)
	L.Push(L.Get(1))
	L.Push(lua.LString(keys))
	L.Call(2, lua.MultRet)
	switch first := L.Get(top + 1); {
	case L.GetTop() > top && (first == lua.LString("repeat") || first == lua.LString("back")):
		L.SetTop(top)
		return 0, true
	}
	return L.GetTop() - top, false
}

func (m *menu) bridge(targets []string) int {
	c := m.a.call()
	opts := b2bua.DialOptions{Timeout: 30 * time.Second}
	m.s.screen(m.a, targets, &opts)
	var raised *ScriptError
	return m.s.bridge(m.a, &raised, func(ctx context.Context) (b2bua.BridgeResult, error) { return c.BridgeTo(ctx, targets, opts) })
}
