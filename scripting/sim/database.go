package sim

import (
	"context"
	"fmt"
	"path/filepath"

	lua "github.com/yuin/gopher-lua"

	"tandem/scripting"
	"tandem/scripting/database"
)

// withDatabases gives a simulation files of its own: the scripts' database is an empty one,
// and each that a spec names with sim.db an SQLite file with what the spec put there. None of
// the configuration's is ever reached.
func withDatabases(o *scripting.Options, folder string, named []string) {
	o.Database = filepath.Join(folder, "scripts.db")
	o.Databases = map[string]database.Source{}
	for _, name := range named {
		o.Databases[name] = source(folder, name)
	}
}

func source(folder, name string) database.Source {
	return database.Source{URL: "sqlite:" + databaseFile(folder, name)}
}

// databaseFile is where a named database lies; names are the configuration's, and may hold
// anything.
func databaseFile(folder, name string) string {
	if name == "" {
		return filepath.Join(folder, "scripts.db")
	}
	return filepath.Join(folder, fmt.Sprintf("named-%x.db", name))
}

// simDB puts something into a database before or while scripts use it, and looks into it:
// sim.db("crm", "insert …", …) for [db.crm], sim.db("", …) for the scripts' own. It gives the
// rows of a query.
func (f *file) simDB(L *lua.LState) int {
	r := f.spec(L)
	name, text := L.CheckString(1), L.CheckString(2)
	check(L, r.makeFolder())
	if name != "" && !r.names(name) {
		if r.world != nil {
			L.RaiseError("sim.db: name %q before the first call: the server has begun without it", name)
		}
		r.options.databases = append(r.options.databases, name)
	}
	var values []any
	for i := 3; i <= L.GetTop(); i++ {
		v := goValue(L.Get(i))
		if L.Get(i) == lua.LNil {
			v = nil
		}
		values = append(values, v)
	}
	db, err := database.Open(database.Source{URL: "sqlite:" + databaseFile(r.options.beside, name)})
	check(L, err)
	defer db.Close()
	rows, err := db.Query(context.Background(), text, values)
	check(L, err)
	list := L.NewTable()
	for _, row := range rows.Values {
		t := L.NewTable()
		for i, v := range row {
			switch v := v.(type) {
			case string:
				t.RawSetString(rows.Columns[i], lua.LString(v))
			case float64:
				t.RawSetString(rows.Columns[i], lua.LNumber(v))
			case bool:
				t.RawSetString(rows.Columns[i], lua.LBool(v))
			}
		}
		list.Append(t)
	}
	L.Push(list)
	return 1
}

func (r *running) names(name string) bool {
	for _, have := range r.options.databases {
		if have == name {
			return true
		}
	}
	return false
}
