package scripting

import (
	"testing"
	"time"

	"tandem/scripts"
)

// Whatever a file holds, it is compiled and linted, or refused with its line.
func FuzzCompile(f *testing.F) {
	for _, name := range []string{"50-main.lua", "lib/outcome.lua", "tandem.d.lua"} {
		text, err := scripts.FS.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(string(text))
	}
	f.Add("goto x ::x:: local a <const> = 1")
	f.Add("return {on_call=function(call)call:menu{[call]=...}end}")
	a := newAPI()
	f.Fuzz(func(t *testing.T, text string) {
		if len(text) > maxFile {
			t.Skip()
		}
		chunk, proto, err := compileText(text, "x.lua")
		if err != nil {
			if fe := syntaxError("x.lua", 1, err); fe.Message == "" {
				t.Errorf("no message for %v", err)
			}
			return
		}
		g := &generation{plugins: []*script{{name: "x.lua", proto: proto, chunk: chunk}}, lib: map[string]*script{}}
		lintAll(a, files{shipped: scripts.FS}, g)
	})
}

func FuzzHours(f *testing.F) {
	f.Add("Mon-Fri 09:00-17:30")
	f.Add("Sat,Sun 10:00-12:00,13:00-02:00")
	at := time.Date(2026, 11, 22, 14, 0, 0, 0, time.UTC)
	f.Fuzz(func(t *testing.T, text string) {
		spans, err := parseHours(text)
		if err == nil && len(spans) == 0 {
			t.Errorf("%q: no span and no error", text)
		}
		isOpen(spans, []string{text}, at)
	})
}

// What is read aloud is put together from prompts that ship.
func FuzzSpoken(f *testing.F) {
	for _, as := range []string{"digits", "number", "date", "time"} {
		f.Add("12", as)
		f.Add("-1.5", as)
		f.Add("2026-11-22", as)
		f.Add("23:59", as)
		f.Add("253402300799", as)
		f.Add("-99999999999999", as)
	}
	f.Fuzz(func(t *testing.T, text, as string) {
		words, err := spoken(text, as, time.Unix(0, 0).UTC())
		if err != nil {
			return
		}
		for _, w := range words {
			if _, err := shippedPrompt(w); err != nil {
				t.Errorf("%q as %q: the prompt %s does not ship", text, as, w)
			}
		}
	})
}
