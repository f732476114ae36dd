//go:build interop

package interop

import (
	"fmt"
	"strings"
	"testing"
)

// What scripts get from a real PostgreSQL: values of each type, one statement at a time,
// transactions that are taken back, and a statement that ends when its time is over.
func TestScriptsAskPostgres(t *testing.T) {
	t.Parallel()
	checks := []struct{ lua, want string }{
		{`crm:exec("create table t (id serial primary key, name text unique, vip boolean, score numeric, at timestamptz, raw bytea, big bigint)")`, "0"},
		{`crm:exec("insert into t (name, vip, score, at, raw, big) values ($1, $2, $3, $4, $5, $6)", "O'Hara; drop table t", true, 1.5, "2026-11-22 10:00:00+01", "\0\255", "9007199254740993")`, "1"},
		{`crm:exec("insert into t (name, vip, score) values ($1, $2, $3)", nil, false, 7)`, "1"},
		{`json.encode(crm:query("select id, name, vip, score, at, big from t order by id"))`,
			`[{"at":"2026-11-22 09:00:00+00","big":"9007199254740993","id":1,"name":"O'Hara; drop table t","score":1.5,"vip":true},{"id":2,"score":7,"vip":false}]`},
		{`crm:query("select raw from t where id = $1", 1)[1].raw:byte(2)`, "255"},
		{`json.encode(crm:query("select $1::int + 1 as n where $2", 41, true))`, `[{"n":42}]`},
		{`crm:query("select 1; select 2")`, "database:query: sql: only one statement at a time"},
		{`select(2, crm:query("select * from nothing"))`, `relation "nothing" does not exist (42P01)`},
		{`select(2, crm:exec("insert into t (name) values ($1)", "O'Hara; drop table t"))`, `duplicate key value violates unique constraint "t_name_key" (23505)`},
		{`crm:exec("set search_path to x")`, `database:exec: sql: a statement cannot begin with "set" here`},
		{`crm:transaction(function(tx) tx:exec("delete from t") return tx:query("select count(*) as n from t")[1].n end)`, "0"},
		{`crm:query("select count(*) as n from t")[1].n`, "0"},
		{`select(2, crm:transaction(function(tx) tx:exec("insert into t (name) values ('a')") tx:exec("insert into u values (1)") end))`, `relation "u" does not exist (42P01)`},
		{`tostring(crm:transaction(function(tx) tx:exec("insert into t (name) values ('b')") return false end))`, "false"},
		{`crm:query("select count(*) as n from t")[1].n`, "0"},
		{`select(2, crm:query("select pg_sleep(60)"))`, "timeout"},
		{`select(2, crm:query("select generate_series(1, 100000000)"))`, "over 10000 rows"},
		{`(select(2, db.named("away"):query("select 1"))):match("no such file or directory")`, "no such file or directory"},
		{`db.exec("create table own (a)")`, "0"},
	}
	var script strings.Builder
	script.WriteString("return { on_load = function()\nlocal crm = db.named(\"crm\")\nlocal function check(i, fn)\n" +
		"  local ok, v = pcall(fn)\n  log.info(\"check \" .. i .. \" = \" .. tostring(v) .. \" .\")\nend\n")
	for i, c := range checks {
		fmt.Fprintf(&script, "check(%d, function() return (%s) end)\n", i, c.lua)
	}
	script.WriteString("end }")
	s := serve(t, setup{
		config: "[db.crm]\nurl = \"" + startPostgres(t) + "\"\ntimeout = \"2s\"\n" +
			"[db.away]\nurl = \"postgres://nobody:hush@/x?host=" + t.TempDir() + "\"\n",
		scripts: map[string]string{"50-main.lua": script.String()},
	})
	out := s.out.String()
	for i, c := range checks {
		_, rest, _ := strings.Cut(out, fmt.Sprintf("check %d = ", i))
		line, _, _ := strings.Cut(rest, "\n")
		line = strings.ReplaceAll(line, `\"`, `"`)
		got, _, _ := strings.Cut(line, " .")
		if got != c.want && !(len(c.want) > 10 && strings.Contains(got, c.want)) {
			t.Errorf("%s\n got %s\nwant %s", c.lua, got, c.want)
		}
	}
	if strings.Contains(out, "hush") {
		t.Error("the log holds a password")
	}
}
