package scripting

import (
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"

	lua "github.com/yuin/gopher-lua"
)

// Bounds of a table in a file: csv.load copies it into each state that asks.
const (
	maxCSV     = 16 << 20 // bytes
	maxCSVRows = 200_000
	maxColumns = 256
)

func csvModule() module {
	file, column := field{"path", "string", "below the scripts folder, such as `rates.csv`"}, field{"column", "string", "its name in the first line"}
	return module{
		name: "csv",
		doc: "Tables in files, separated by commas (or by semicolons, when the first line has more of those). The first line names the columns. A file is read once in a generation: a reload takes up its changes. " +
			"All values are strings. csv.load suits short files, for each call gets a copy; in long ones csv.find and csv.prefix look without one.",
		functions: []function{
			{name: "load", params: []field{file}, returns: []field{{"rows", "table<string, string>[]?", "a table each, by column; or nil"}, {"reason", "string?", "with file and line"}},
				doc: "All rows, at most 10,000.", example: "for _, row in ipairs(csv.load(\"holidays.csv\") or {}) do\n  if row.date == time.format(time.now(), \"%Y-%m-%d\") then return call:play(\"closed\") end\nend", run: csvLoad},
			{name: "find", params: []field{file, column, {"value", "string", ""}}, returns: []field{{"row", "table<string, string>?", "or nil"}, {"reason", "string?", "\"not found\", or what is wrong with the file"}},
				doc: "The first row whose column has the value.", example: `local customer = csv.find("customers.csv", "number", call.from.user)`, run: csvFind},
			{name: "prefix", params: []field{file, column, {"text", "string", ""}}, returns: []field{{"row", "table<string, string>?", "or nil"}, {"reason", "string?", "\"not found\", or what is wrong with the file"}},
				doc: "The row whose column has the longest beginning of the text, as rates of numbers are looked up.", example: "local rate = csv.prefix(\"rates.csv\", \"prefix\", call.number)\nif rate then call:bridge(\"trunk:\" .. rate.trunk .. \"/\" .. call.number) end", run: csvPrefix},
		},
	}
}

// maxLoaded bounds the rows that one state gets at once.
const maxLoaded = 10_000

// csvTables are the files that a generation's scripts have read.
type csvTables struct {
	mu  sync.Mutex
	all map[string]*csvTable
}

// csvTable is never changed, but for its indexes.
type csvTable struct {
	columns []string
	rows    [][]string
	err     error

	mu      sync.Mutex
	indexes map[int]map[string]int // of a column: the first row with a value
}

func (a arguments) csvTable() *csvTable {
	name := a.str(1, "path")
	p := a.place("scripts/" + strings.TrimPrefix(name, "scripts/"))
	s := of(a.L)
	all := &s.gen.tables
	all.mu.Lock()
	defer all.mu.Unlock()
	if t, ok := all.all[p.name]; ok {
		return t
	}
	t := &csvTable{indexes: map[int]map[string]int{}}
	fsys, done, err := s.openFolder(p)
	if err == nil {
		defer done()
		var content []byte
		if content, err = readBounded(fsys, p.name, maxCSV); err == nil {
			t.columns, t.rows, err = parseCSV(string(content))
		}
	}
	if err != nil {
		if strings.Contains(err.Error(), "escapes from parent") {
			a.fail("the path %s", errOutside)
		}
		t.err = csvError(p.name, err)
	}
	if all.all == nil {
		all.all = map[string]*csvTable{}
	}
	if len(all.all) < maxCSVFiles {
		all.all[p.name] = t
	}
	return t
}

// maxCSVFiles bounds what a generation remembers; names may come from callers.
const maxCSVFiles = 256

// csvError names the file, and the line where that is known.
func csvError(name string, err error) error {
	if pe, ok := errors.AsType[*csv.ParseError](err); ok {
		return fmt.Errorf("%s:%d: %w", name, pe.Line, pe.Err)
	}
	if we, ok := errors.AsType[*csvLineError](err); ok {
		return fmt.Errorf("%s:%d: %s", name, we.line, we.why)
	}
	if strings.Contains(err.Error(), "no such file") || strings.Contains(err.Error(), "not exist") {
		return fmt.Errorf("%s: not found", name)
	}
	return fmt.Errorf("%s: %w", name, err)
}

type csvLineError struct {
	line int
	why  string
}

func (e *csvLineError) Error() string { return e.why }

// parseCSV reads a table whose first line names its columns.
func parseCSV(text string) (columns []string, rows [][]string, err error) {
	text = strings.TrimPrefix(text, "\ufeff") // as spreadsheets write it
	r := csv.NewReader(strings.NewReader(text))
	head, _, _ := strings.Cut(text, "\n")
	if strings.Count(head, ";") > strings.Count(head, ",") {
		r.Comma = ';'
	}
	r.TrimLeadingSpace, r.FieldsPerRecord = true, -1
	for {
		record, err := r.Read()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, nil, err
		}
		line, _ := r.FieldPos(0)
		if columns == nil {
			if columns, err = csvColumns(record); err != nil {
				return nil, nil, &csvLineError{line, err.Error()}
			}
			continue
		}
		if len(record) != len(columns) {
			return nil, nil, &csvLineError{line, fmt.Sprintf("%d fields, but the first line names %d", len(record), len(columns))}
		}
		if len(rows) == maxCSVRows {
			return nil, nil, &csvLineError{line, fmt.Sprintf("over %d rows", maxCSVRows)}
		}
		rows = append(rows, record)
	}
	if columns == nil {
		return nil, nil, errors.New("the file is empty")
	}
	return columns, rows, nil
}

func csvColumns(record []string) ([]string, error) {
	if len(record) > maxColumns {
		return nil, fmt.Errorf("over %d columns", maxColumns)
	}
	seen := map[string]bool{}
	for i, name := range record {
		record[i] = strings.TrimSpace(name)
		if record[i] == "" || seen[record[i]] {
			return nil, fmt.Errorf("the name %q of column %d is empty or stands twice", record[i], i+1)
		}
		seen[record[i]] = true
	}
	return record, nil
}

func (t *csvTable) row(i int) *lua.LTable {
	row := newTable(0, len(t.columns))
	for j, name := range t.columns {
		row.RawSetString(name, lua.LString(t.rows[i][j]))
	}
	return row
}

// index finds the first row with each value of a column.
func (t *csvTable) index(column int) map[string]int {
	t.mu.Lock()
	defer t.mu.Unlock()
	if have, ok := t.indexes[column]; ok {
		return have
	}
	index := make(map[string]int, len(t.rows))
	for i := len(t.rows) - 1; i >= 0; i-- {
		index[t.rows[i][column]] = i
	}
	t.indexes[column] = index
	return index
}

// column finds a column by its name.
func (a arguments) column(t *csvTable) int {
	name := a.str(2, "column")
	for i, have := range t.columns {
		if have == name {
			return i
		}
	}
	a.fail("there is no column %q%s", name, didYouMean(name, t.columns))
	return 0
}

func csvLoad(_ *state, L *lua.LState) int {
	a := args(L, "csv.load")
	t := a.csvTable()
	if t.err != nil {
		return failed(L, t.err.Error())
	}
	if len(t.rows) > maxLoaded {
		return failed(L, fmt.Sprintf("%d rows are too many to load; use csv.find or csv.prefix", len(t.rows)))
	}
	list := newTable(len(t.rows), 0)
	list.Metatable = listMark
	for i := range t.rows {
		list.RawSetInt(i+1, t.row(i))
	}
	return push(L, list)
}

func csvFind(_ *state, L *lua.LState) int {
	a := args(L, "csv.find")
	t := a.csvTable()
	if t.err != nil {
		return failed(L, t.err.Error())
	}
	if i, ok := t.index(a.column(t))[a.str(3, "value")]; ok {
		return push(L, t.row(i))
	}
	return failed(L, "not found")
}

func csvPrefix(_ *state, L *lua.LState) int {
	a := args(L, "csv.prefix")
	t := a.csvTable()
	if t.err != nil {
		return failed(L, t.err.Error())
	}
	index, text := t.index(a.column(t)), a.str(3, "text")
	for n := min(len(text), 64); n >= 0; n-- {
		if i, ok := index[text[:n]]; ok {
			return push(L, t.row(i))
		}
	}
	return failed(L, "not found")
}
