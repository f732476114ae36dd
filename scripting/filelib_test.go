package scripting

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"tandem/scripts"
	"tandem/store"
	"tandem/store/sqlite"
)

// checkAll runs lines of Lua and compares what they return, or raise.
func checkAll(t *testing.T, e *Engine, tests [][2]string) {
	t.Helper()
	for _, tt := range tests {
		got, err := eval(t, e, tt[0])
		if err != nil {
			got = err.Message
		}
		if got = strings.TrimPrefix(got, "test.lua:1: "); got != tt[1] {
			t.Errorf("%s = %q; want %q", tt[0], got, tt[1])
		}
	}
}

// fileEngine has recordings and scripts with files among them.
func fileEngine(t *testing.T) (e *Engine, recordings, dir string) {
	t.Helper()
	recordings = t.TempDir()
	dir = scriptDir(t, map[string]string{"50-main.lua": "return {}", "notice.txt": "hello",
		"rates.csv": "\ufeffprefix, trunk,price\n44,uk,1\n4420,\"London, \"\"cheap\"\"\",0.5\n,any,9\n",
		"semi.csv":  "a;b\n1,5;2\n", "short.csv": "a,b\n1,2\n3\n", "twice.csv": "a,a\n", "quote.csv": "a\n\"x\ny", "empty.csv": ""})
	for name, text := range map[string]string{"messages/1.wav": "RIFF", "messages/2.wav": "RIFF2", "large": strings.Repeat("x", maxString+1)} {
		path := filepath.Join(recordings, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	outside := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(outside, []byte("secret"), 0o644); err != nil {
		t.Fatal(err)
	}
	for _, folder := range []string{recordings, dir} {
		if err := os.Symlink(outside, filepath.Join(folder, "link.csv")); err != nil {
			t.Fatal(err)
		}
	}
	o := testOptions(dir)
	o.Recordings, o.Shipped = recordings, scripts.FS
	e, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(e.Close)
	return e, recordings, dir
}

func TestFile(t *testing.T) {
	t.Parallel()
	e, recordings, dir := fileEngine(t)
	checkAll(t, e, [][2]string{
		{`return file.read("messages/1.wav")`, "RIFF"},
		{`return file.read("scripts/notice.txt")`, "hello"},
		{`return file.read("scripts/lib/countries.lua"):match("return")`, "return"},
		{`return select(2, file.read("nothing"))`, "not found"},
		{`return select(2, file.read("scripts/nothing"))`, "not found"},
		{`return select(2, file.read("messages"))`, "not a file"},
		{`return select(2, file.read("large"))`, "too large: over 8388608 bytes"},
		{`local l = file.list("messages") return #l .. l[2].name .. l[2].path .. l[2].size .. tostring(l[2].folder)`, "22.wavmessages/2.wav5false"},
		{`local n = {} for _, e in ipairs(file.list()) do n[#n + 1] = e.path end return table.concat(n, " ")`, "large link.csv messages"},
		{`return select(2, file.list("nothing"))`, "not found"},
		{`local n = 0 for _, e in ipairs(file.list("scripts")) do if e.path == "scripts/notice.txt" then n = n + 1 end end return n`, "1"},
		{`return tostring(file.delete("messages/1.wav")) .. select(2, file.delete("messages/1.wav"))`, "truenot found"},
		{`return select(2, file.delete("messages"))`, "directory not empty"},
		// what must not be
		{`file.read("../x")`, `file.read: path "../x" leads out of its folder: it has neither .. nor a leading /`},
		{`file.read("/etc/passwd")`, `file.read: path "/etc/passwd" leads out of its folder: it has neither .. nor a leading /`},
		{`file.read("scripts/../tandem.toml")`, `file.read: path "scripts/../tandem.toml" leads out of its folder: it has neither .. nor a leading /`},
		{`file.read("link.csv")`, "file.read: the path leads out of its folder"},
		{`file.read("scripts/link.csv")`, "file.read: the path leads out of its folder"},
		{`csv.load("link.csv")`, "csv.load: the path leads out of its folder"},
		{`file.delete("scripts/notice.txt")`, "file.delete: only what lies below the recordings folder can be deleted"},
		{`file.delete(".")`, "file.delete: only what lies below the recordings folder can be deleted"},
		{`file.read()`, "file.read: path must be a string, got nil"},
	})
	if _, err := os.Stat(filepath.Join(recordings, "messages", "2.wav")); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(filepath.Join(dir, "notice.txt")); err != nil {
		t.Error(err)
	}
}

func TestCSV(t *testing.T) {
	t.Parallel()
	e, _, dir := fileEngine(t)
	checkAll(t, e, [][2]string{
		{`return json.encode(csv.load("rates.csv"))`, `[{"prefix":"44","price":"1","trunk":"uk"},{"prefix":"4420","price":"0.5","trunk":"London, \"cheap\""},{"prefix":"","price":"9","trunk":"any"}]`},
		{`local t = csv.load("rates.csv") t[1].trunk = "x" return csv.load("rates.csv")[1].trunk`, "uk"},
		{`return json.encode(csv.load("semi.csv"))`, `[{"a":"1,5","b":"2"}]`},
		{`return csv.find("rates.csv", "trunk", "uk").price`, "1"},
		{`return select(2, csv.find("rates.csv", "trunk", "fr"))`, "not found"},
		{`return csv.prefix("rates.csv", "prefix", "442071838750").price`, "0.5"},
		{`return csv.prefix("rates.csv", "prefix", "441611838750").price`, "1"},
		{`return csv.prefix("scripts/rates.csv", "prefix", "33").price`, "9"},
		{`return select(2, csv.load("short.csv"))`, "short.csv:3: 1 fields, but the first line names 2"},
		{`return select(2, csv.load("twice.csv"))`, `twice.csv:1: the name "a" of column 2 is empty or stands twice`},
		{`return select(2, csv.load("quote.csv"))`, `quote.csv:3: extraneous or missing " in quoted-field`},
		{`return select(2, csv.load("empty.csv"))`, "empty.csv: the file is empty"},
		{`return select(2, csv.load("missing.csv"))`, "missing.csv: not found"},
		{`csv.find("rates.csv", "trnk", "x")`, `csv.find: there is no column "trnk" (did you mean trunk?)`},
		{`csv.load("../x.csv")`, `csv.load: path "scripts/../x.csv" leads out of its folder: it has neither .. nor a leading /`},
	})
	// A generation keeps what it has read; the next one reads anew.
	if err := os.WriteFile(filepath.Join(dir, "rates.csv"), []byte("prefix,trunk,price\n1,us,3\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	const price = `return csv.load("rates.csv")[1].price`
	if got, err := eval(t, e, price); err != nil || got != "1" {
		t.Errorf("in the same generation: %s, %v", got, err)
	}
	if errs := e.Reload(); len(errs) > 0 {
		t.Fatal(errs)
	}
	if got, err := eval(t, e, price); err != nil || got != "3" {
		t.Errorf("in the next: %s, %v", got, err)
	}
}

func FuzzCSV(f *testing.F) {
	for _, seed := range []string{"a,b\n1,2\n", "a;b\n\"x;\ny\";2", "\ufeffa\n", "a,a\n", ",\n"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		columns, rows, err := parseCSV(text)
		if err != nil {
			if msg := csvError("x.csv", err).Error(); !strings.HasPrefix(msg, "x.csv:") {
				t.Errorf("the error names no file: %s", msg)
			}
			return
		}
		for _, row := range rows {
			if len(row) != len(columns) {
				t.Fatalf("%q: %d fields for %d columns", text, len(row), len(columns))
			}
		}
	})
}

// Scripts look for records as people do, in a real store.
func TestCDRFind(t *testing.T) {
	t.Parallel()
	st, err := sqlite.Open(t.Context(), filepath.Join(t.TempDir(), "tandem.db"), sqlite.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { st.Close() })
	now := time.Now()
	for i := range 5 {
		c := &store.Call{ID: fmt.Sprintf("call-%d", i), FromUser: fmt.Sprintf("+44%d", i), ToUser: "700", State: "answered", Vars: `{"a":1}`,
			StartMS: now.Add(-time.Duration(i) * time.Hour).UnixMilli(), DurationMS: int64(i) * 10_000}
		st.Open(c)
		st.Finish(c, nil, nil)
	}
	if err := st.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	e := emptyEngine(t, func(o *Options) { o.Records = st })
	ids := `local out = {} for _, r in ipairs(rows) do out[#out + 1] = r.id end return table.concat(out, " ")`
	checkAll(t, e, [][2]string{
		{`local rows = cdr.find() ` + ids, "call-0 call-1 call-2 call-3 call-4"},
		{`local rows = cdr.find{ limit = 2 } ` + ids, "call-0 call-1"},
		{`local rows, next = cdr.find{ limit = 2 } rows = cdr.find{ limit = 2, after = next } ` + ids, "call-2 call-3"},
		{`local rows = cdr.find{ from = "+44[12]", to = "700" } ` + ids, "call-1 call-2"},
		{`local rows = cdr.find{ since = "150m" } ` + ids, "call-0 call-1 call-2"},
		{`local rows = cdr.find{ since = time.now() - 5400, state = "answered" } ` + ids, "call-0 call-1"},
		{`local rows = cdr.find{ min_duration = 30 } ` + ids, "call-3 call-4"},
		{`local rows = cdr.find{ state = "busy" } return #rows .. json.encode(rows)`, "0[]"},
		{`return cdr.find{ limit = 1 }[1].vars.a`, "1"},
		{`cdr.find{ sate = "busy" }`, `cdr.find: unknown option "sate" (did you mean state?)`},
		{`cdr.find{ state = "bsy" }`, `cdr.find: option state "bsy": want one of ` + strings.Join(store.States(), ", ")},
	})
	for _, text := range []string{`cdr.find{ since = "soon" }`, `cdr.find{ min_duration = "x" }`, `cdr.find{ limit = 5000 }`, `cdr.find{ after = "x" }`} {
		if _, err := eval(t, e, text); err == nil || !strings.Contains(err.Message, "cdr.find: option ") {
			t.Errorf("%s: %v", text, err)
		}
	}
	none := emptyEngine(t, func(o *Options) { o.Records = store.None() })
	if got, err := eval(t, none, `return select(2, cdr.find())`); err != nil || got != store.ErrNoRecords.Error() {
		t.Errorf("without records: %s, %v", got, err)
	}
}
