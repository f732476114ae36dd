package scripting

import (
	"context"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"tandem/scripting/database"
)

// dbEngine has a database of its own and one called crm.
func dbEngine(t *testing.T) *Engine {
	t.Helper()
	dir := t.TempDir()
	return emptyEngine(t, func(o *Options) {
		o.Database = filepath.Join(dir, "scripts.db")
		o.Databases = map[string]database.Source{"crm": {URL: "sqlite:" + filepath.Join(dir, "crm.db"), Timeout: time.Minute},
			"hasty": {URL: "sqlite:" + filepath.Join(dir, "hasty.db"), Timeout: 50 * time.Millisecond}}
	})
}

func TestDB(t *testing.T) {
	t.Parallel()
	e := dbEngine(t)
	for _, tt := range []struct{ text, want string }{
		{`return db.exec("create table t (id integer primary key, name text, vip boolean, score real)")`, "0"},
		{`return table.concat({ db.exec("insert into t (name, vip, score) values (?, ?, ?)", "O'Hara; drop table t", true, 1.5) }, ",")`, "1,1"},
		{`return table.concat({ db.exec("insert into t (name, vip, score) values ($1, $2, $3)", nil, false, nil) }, ",")`, "1,2"},
		{`local rows = db.query("select * from t order by id") return #rows .. json.encode(rows)`,
			`2[{"id":1,"name":"O'Hara; drop table t","score":1.5,"vip":true},{"id":2,"vip":false}]`},
		{`return json.encode(db.query("select id from t where name = ?", "nobody"))`, "[]"},
		{`return (db.exec("update t set score = 2 where id > ?", 0))`, "2"},
		{`return select(2, db.exec("insert into t (id) values (1)"))`, "UNIQUE constraint failed: t.id"},
		{`return select(2, db.query("select * frm t"))`, `near "frm": syntax error`},
		{`return db.named("crm"):exec("create table c (a)")`, "0"},
		{`return select(2, db.query("select * from c"))`, "no such table: c"},
		{`return #db.named("crm"):query("select * from c")`, "0"},
		{`return select(2, db.named("hasty"):query("with recursive n(i) as (select 1 union all select i + 1 from n) select count(*) from n"))`, "timeout"},
		{`return tostring(db.named("crm"))`, "database"},
		// transactions
		{`return tostring(db.transaction(function(tx) tx:exec("insert into t (name) values ('a')") end)) .. #db.query("select 1 from t")`, "true3"},
		{`return db.transaction(function(tx) return tx:query("select count(*) as n from t")[1].n end)`, "3"},
		{`return tostring(db.transaction(function(tx) tx:exec("delete from t") return false end)) .. #db.query("select 1 from t")`, "false3"},
		{`local ok, err = pcall(db.transaction, function(tx) tx:exec("delete from t") error("no", 0) end) return err .. #db.query("select 1 from t")`, "no3"},
		{`local ok, err = db.transaction(function(tx) tx:exec("delete from t") tx:exec("insert into u values (1)") return 7 end) return tostring(ok) .. err .. #db.query("select 1 from t")`, "nilno such table: u3"},
		{`local kept db.transaction(function(tx) kept = tx end) return select(2, pcall(kept.query, kept, "select 1"))`, "transaction:query: the transaction has ended"},
		{`local ok, err = pcall(db.transaction, function(tx) db.query("select 1") end) return err`, "db.query waits, and cannot be used inside of db.transaction, which others may wait for"},
		{`return db.named("crm"):transaction(function(tx) return tx:exec("insert into c values (1)") end)`, "1"},
		// misuse
		{`db.query()`, "test.lua:1: db.query: sql must be a string, got nil"},
		{`db.query("select ?", {})`, "test.lua:1: db.query: value 1 must be a string, a number, a boolean or nil, got table"},
		{`db.query("select ?", 0/0)`, "test.lua:1: db.query: value 1 is not a number that a database can keep"},
		{`db.exec("select 1; select 2")`, "test.lua:1: db.exec: sql: only one statement at a time"},
		{`db.exec("attach 'x' as y")`, `test.lua:1: db.exec: sql: a statement cannot begin with "attach" here`},
		{`db.named("crn")`, "test.lua:1: db.named: the configuration has no [db.crn] (did you mean crm?)"},
		{`db.named("crm").query("x")`, "test.lua:1: database:query: write a colon before the method's name, not a point"},
		{`db.named("crm"):ask()`, "test.lua:1: a database has no property or method ask"},
	} {
		got, err := eval(t, e, tt.text)
		if err != nil {
			got = err.Message
		}
		if got = strings.TrimPrefix(got, "test.lua:1: "); got != strings.TrimPrefix(tt.want, "test.lua:1: ") {
			t.Errorf("%s = %q; want %q", tt.text, got, tt.want)
		}
	}
	without := emptyEngine(t, nil)
	if _, err := eval(t, without, `db.query("select 1")`); err == nil || !strings.Contains(err.Message, "no database of their own") {
		t.Errorf("without one: %v", err)
	}
}

// A changed configuration means other databases, also to a handle that a script holds.
func TestDBReload(t *testing.T) {
	t.Parallel()
	e := dbEngine(t)
	second := map[string]database.Source{"crm": {URL: "sqlite:" + filepath.Join(t.TempDir(), "second.db")}}
	if _, err := eval(t, e, `db.named("crm"):exec("create table first (a)")`); err != nil {
		t.Fatal(err)
	}
	if err := e.SetDatabases(second); err != nil {
		t.Fatal(err)
	}
	if got, err := eval(t, e, `return select(2, db.named("crm"):query("select * from first"))`); err != nil || got != "no such table: first" {
		t.Errorf("in the second: %s, %v", got, err)
	}
	if err := e.SetDatabases(map[string]database.Source{"x": {URL: "nothing"}}); err == nil || !strings.HasPrefix(err.Error(), "db.x.url: ") {
		t.Errorf("a bad one: %v", err)
	}
	if got, err := eval(t, e, `return #db.named("crm"):query("select 1")`); err != nil || got != "1" {
		t.Errorf("after a bad one: %s, %v", got, err)
	}
}

// A statement goes on after the hangup, and a transaction that the script leaves open by
// dying is taken back.
func TestDBAfterHangup(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	inWorldOf(t, map[string]string{"50-main.lua": `return { on_call = function(call)
		call:answer()
		db.exec("create table t (a)")
		db.exec("insert into t values (1)")
		log.info(tostring(select(2, call:sleep(60))))
		log.info("changed " .. db.exec("update t set a = 2"))
		db.transaction(function(tx)
			tx:exec("update t set a = 3")
			error("dead")
		end)
	end }`}, func(w *world) {
		c := w.caller("700")
		time.Sleep(time.Second)
		w.hangup(c)
		r := w.record()
		if got := says(r); !strings.Contains(got, "hangup") || !strings.Contains(got, "changed 1") {
			t.Errorf("the script said %s", got)
		}
		if !strings.Contains(r.Call.ScriptError, "dead") {
			t.Errorf("it ended with %s", r.Call.ScriptError)
		}
		rows, err := w.engine.dbs.own.Query(context.Background(), "select a from t", nil)
		if err != nil || fmt.Sprint(rows.Values) != "[[2]]" {
			t.Errorf("left: %v, %v", rows.Values, err)
		}
	}, func(o *Options) { o.Database = filepath.Join(dir, "scripts.db") })
}
