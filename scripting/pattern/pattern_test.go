package pattern

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	lua "github.com/yuin/gopher-lua"
)

// find renders a match as "start,end" and its captures, all 0-based.
func find(src, pat string, interrupt func() bool) (string, error) {
	p, err := Compile(pat, true)
	if err != nil {
		return "", err
	}
	m, ok, err := NewMatcher(p, src, interrupt).Find(0)
	if err != nil || !ok {
		return "", err
	}
	out := fmt.Sprintf("%d,%d", m.Start, m.End)
	for _, c := range m.Captures {
		if c.End < 0 {
			out += fmt.Sprintf(" @%d", c.Start)
		} else {
			out += " " + src[c.Start:c.End]
		}
	}
	return out, nil
}

func TestFind(t *testing.T) {
	t.Parallel()
	tests := []struct{ src, pat, want string }{
		{"hello", "l", "2,3"},
		{"hello", "l+", "2,4"},
		{"hello", "x*", "0,0"},
		{"hello", "^ello", ""},
		{"hello", "lo$", "3,5"},
		{"a$b", "$b", "1,3"},
		{"key = value", "(%w+)%s*=%s*(%w+)", "0,11 key value"},
		{"<a><b>", "<(.-)>", "0,3 a"},
		{"<a><b>", "<(.*)>", "0,6 a><b"},
		{"+44 20 7183", "^%+?(%d+)", "0,3 44"},
		{"44", "^%+?(%d+)", "0,2 44"},
		{"f(a(b)c)d", "%b()", "1,8"},
		{"((", "%b()", ""},
		{"THE (quick) fox", "%f[%a]%a+%f[%A]", "0,3"},
		{"x THE", "%f[%u]%u+$", "2,5"},
		{"say \"hi\" 'x'", `(["'])(.-)%1`, "4,8 \" hi"},
		{"abc", "()b()", "1,2 @1 @2"},
		{"a]b", "[]]", "1,2"},
		{"a-b", "[a%-]+", "0,2"},
		{"x^y", "[%^]", "1,2"},
		{"abc", "[^a]+", "1,3"},
		{"a.b", "%.", "1,2"},
		{"1001", "^1%d%d%d$", "0,4"},
		{"10011", "^1%d%d%d$", ""},
		{"nul\x00x", "%z", "3,4"},
		{"aXb", "%u", "1,2"},
		{"ab12", "%W", ""},
		{"", "", "0,0"},
		{"aaa", "a-$", "0,3"},
		{"a-z", "[z-]", "1,2"},
		{"0xFF", "%x%x$", "2,4"},
	}
	for _, tt := range tests {
		got, err := find(tt.src, tt.pat, nil)
		if err != nil || got != tt.want {
			t.Errorf("find(%q, %q) = %q, %v; want %q", tt.src, tt.pat, got, err, tt.want)
		}
	}
}

func TestMalformed(t *testing.T) {
	t.Parallel()
	for pat, want := range map[string]string{
		"%":                       "ends with '%'",
		"[a":                      "missing ']'",
		"[]":                      "missing ']'",
		"(a":                      "unfinished capture",
		"a)":                      "invalid pattern capture",
		"%1":                      "invalid capture index",
		"(a%1)":                   "invalid capture index",
		"%0":                      "invalid capture index",
		"%b(":                     "unbalanced",
		"%fa":                     "missing '['",
		strings.Repeat("()", 33):  "too many captures",
		strings.Repeat("a*", 300): "too complex",
	} {
		if _, err := Compile(pat, true); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("Compile(%q) = %v; want an error with %q", pat, err, want)
		}
	}
}

// A pattern that would backtrack for years ends when its interrupt says so.
func TestInterrupt(t *testing.T) {
	t.Parallel()
	deadline := time.Now().Add(20 * time.Millisecond)
	src := strings.Repeat("a", 3000)
	_, err := find(src, strings.Repeat("a*", 20)+"b", func() bool { return time.Now().After(deadline) })
	if !errors.Is(err, ErrInterrupted) {
		t.Fatalf("got %v; want ErrInterrupted", err)
	}
	if late := time.Since(deadline); late > time.Second {
		t.Fatalf("ended %v after the interrupt", late)
	}
}

// FuzzFind holds the matcher to gopher-lua's own where both accept a pattern.
func FuzzFind(f *testing.F) {
	for _, s := range [][2]string{{"key = value", "(%w+)%s*=%s*(%w+)"}, {"f(a(b)c)", "%b()"}, {"aab", "^(a-)b$"}, {"x", "[^%d-z]"}} {
		f.Add(s[0], s[1])
	}
	f.Fuzz(func(t *testing.T, src, pat string) {
		if len(src) > 40 || len(pat) > 12 {
			t.Skip()
		}
		budget := 0
		got, err := find(src, pat, func() bool { budget++; return budget > 10 })
		if err != nil || !simple(pat) {
			return
		}
		if want, ok := reference(src, pat); ok && want != got {
			t.Fatalf("find(%q, %q) = %q; gopher-lua says %q", src, pat, got, want)
		}
	})
}

// simple tells whether gopher-lua's matcher can be trusted with pat: it has no frontier, reads
// sets in its own way, and lets quantifiers follow captures.
func simple(pat string) bool {
	return !strings.ContainsAny(pat, "[]^$%") && pat != "" &&
		!strings.Contains(pat, "(*") && !strings.Contains(pat, ")*") && !strings.ContainsAny(pat, "()+?-")
}

func reference(src, pat string) (string, bool) {
	L := lua.NewState()
	defer L.Close()
	L.SetGlobal("src", lua.LString(src))
	L.SetGlobal("pat", lua.LString(pat))
	if err := L.DoString(`a, b = string.find(src, pat)`); err != nil {
		return "", false
	}
	a, ok := L.GetGlobal("a").(lua.LNumber)
	if !ok {
		return "", true
	}
	b := L.GetGlobal("b").(lua.LNumber)
	return fmt.Sprintf("%d,%d", int(a)-1, int(b)), true
}
