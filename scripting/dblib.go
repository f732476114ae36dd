package scripting

import (
	"context"
	"errors"
	"math"
	"time"

	lua "github.com/yuin/gopher-lua"

	"tandem/scripting/database"
)

// slowStatement is how long a statement may take before the call's timeline tells of it.
const slowStatement = 250 * time.Millisecond

// maxParameters bounds the values of one statement.
const maxParameters = 200

func dbModule() module {
	query, exec, transaction := sessionFunctions("db.", "", "db.", args, ownDatabase)
	return module{
		name: "db",
		doc: "SQL databases: a file of the scripts' own (SQLite, `scripts.db` in the data folder), and those that `[db.NAME]` names. " +
			"One statement at a time; values are never put into its text but given after it, for `?` or `$1`. A statement takes 5 s at most, unless `[db.NAME] timeout` says otherwise. " +
			"Values are strings, numbers and booleans; NULL is nil, so its column is missing from the row. Whole numbers over 2^53 and times come as strings (times in UTC). A query gives at most 10,000 rows and 4 MB.",
		functions: []function{query, exec, transaction,
			{name: "named", params: []field{{"name", "string", "`crm` for `[db.crm]`"}}, returns: []field{{"database", "Database", ""}},
				doc: "A database that the configuration names.", example: "local rows, err = db.named(\"crm\"):query(\"select name from customers where phone = $1\", call.from.user)", run: dbNamed}},
	}
}

// sessionFunctions are what each database can do; prefix is how errors call them, setup
// and object how examples do.
func sessionFunctions(prefix, setup, object string, read func(*lua.LState, string) arguments, of func(arguments) (string, database.DB)) (query, exec, transaction function) {
	text, values := field{"sql", "string", "one statement"}, field{"...", "string|number|boolean|nil", "a value for each `?` or `$1`"}
	query = function{name: "query", params: []field{text, values},
		returns: []field{{"rows", "table[]?", "a table each, by column name; or nil"}, {"reason", "string?", "such as \"timeout\""}},
		doc:     "Asks for rows.", example: setup + "local rows, err = " + object + "query(\"select name from callers where number = ?\", call.from.user)",
		run: func(s *state, L *lua.LState) int {
			a := read(L, prefix+"query")
			name, db := of(a)
			return s.query(a, name, db, db.Timeout(), false)
		}}
	exec = function{name: "exec", params: []field{text, values},
		returns: []field{{"changed", "integer?", "rows inserted, updated or deleted; or nil"}, {"id", "integer|string", "the last inserted row's id in SQLite; or the reason"}},
		doc:     "Changes something.", example: setup + object + "exec(\"insert into callers values (?, ?) on conflict do nothing\", call.from.user, call.from.display)",
		run: func(s *state, L *lua.LState) int {
			a := read(L, prefix+"exec")
			name, db := of(a)
			return s.exec(a, name, db, db.Timeout(), false)
		}}
	transaction = function{name: "transaction", params: []field{{"fn", "fun(tx: Transaction): any", "may wait for nothing but `tx`"}},
		returns: []field{{"result", "any", "what fn returned, true for nothing; or nil"}, {"reason", "string?", "why nothing was changed"}},
		doc:     "Does several statements or none: they are taken back when fn raises an error, returns false, or one of them fails.",
		example: setup + object + "transaction(function(tx)\n  tx:exec(\"update accounts set credit = credit - 1 where number = ?\", call.from.user)\n  tx:exec(\"insert into used values (?)\", call.id)\nend)",
		run: func(s *state, L *lua.LState) int {
			a := read(L, prefix+"transaction")
			name, db := of(a)
			return s.transaction(a, name, db)
		}}
	return query, exec, transaction
}

func databaseClass() class {
	query, exec, transaction := sessionFunctions("database:", "local crm = db.named(\"crm\")\n", "crm:", method, receivedDatabase)
	return class{name: "Database", doc: "A database that the configuration names, from db.named.", methods: []function{query, exec, transaction}}
}

func transactionClass() class {
	text, values := field{"sql", "string", "one statement"}, field{"...", "string|number|boolean|nil", "a value for each `?` or `$1`"}
	return class{name: "Transaction", doc: "Statements that are done together or not at all, from db.transaction.", methods: []function{
		{name: "query", params: []field{text, values}, returns: []field{{"rows", "table[]?", "or nil"}, {"reason", "string?", ""}},
			doc: "Asks for rows.", example: "db.transaction(function(tx)\n  return tx:query(\"select credit from accounts where number = ?\", call.from.user)[1]\nend)",
			run: func(s *state, L *lua.LState) int {
				a := method(L, "transaction:query")
				t := receivedTransaction(a)
				return s.query(a, t.name, t, t.timeout, true)
			}},
		{name: "exec", params: []field{text, values}, returns: []field{{"changed", "integer?", "rows changed, or nil"}, {"id", "integer|string", "the last inserted row's id in SQLite; or the reason"}},
			doc: "Changes something.", example: "db.transaction(function(tx)\n  tx:exec(\"update accounts set credit = 0 where number = ?\", call.from.user)\nend)",
			run: func(s *state, L *lua.LState) int {
				a := method(L, "transaction:exec")
				t := receivedTransaction(a)
				return s.exec(a, t.name, t, t.timeout, true)
			}},
	}}
}

func ownDatabase(a arguments) (string, database.DB) {
	db, ok := of(a.L).engine.dbs.find("")
	if !ok {
		a.fail("%s", errNoDatabase)
	}
	return "", db
}

// databaseObject is a named database as scripts hold it. What the name means is looked up at
// each use: the configuration may have changed.
type databaseObject struct{ name string }

func receivedDatabase(a arguments) (string, database.DB) {
	if ud, ok := a.L.Get(1).(*lua.LUserData); ok {
		if o, ok := ud.Value.(*databaseObject); ok {
			return o.name, a.namedDatabase(o.name)
		}
	}
	a.fail("write a colon before the method's name, not a point")
	return "", nil
}

func (a arguments) namedDatabase(name string) database.DB {
	dbs := &of(a.L).engine.dbs
	db, ok := dbs.find(name)
	if !ok || name == "" {
		a.fail("the configuration has no [db.%s]%s", name, didYouMean(name, dbs.names()))
	}
	return db
}

func dbNamed(s *state, L *lua.LState) int {
	a := args(L, "db.named")
	name := a.str(1, "name")
	a.namedDatabase(name)
	return push(L, &lua.LUserData{Value: &databaseObject{name}, Metatable: s.engine.builtin.database})
}

// statement reads a statement and its values.
func (a arguments) statement() (text string, values []any) {
	text = a.str(1, "sql")
	n := a.L.GetTop() - a.skip - 1
	if n > maxParameters {
		a.fail("over %d values", maxParameters)
	}
	for i := range max(n, 0) {
		switch v := a.at(i + 2).(type) {
		case *lua.LNilType:
			values = append(values, nil)
		case lua.LBool:
			values = append(values, bool(v))
		case lua.LString:
			values = append(values, string(v))
		case lua.LNumber:
			if math.IsNaN(float64(v)) || math.IsInf(float64(v), 0) {
				a.fail("value %d is not a number that a database can keep", i+1)
			}
			values = append(values, float64(v))
		default:
			a.fail("value %d must be a string, a number, a boolean or nil, got %s", i+1, v.Type())
		}
	}
	return text, values
}

// txBusy is why a function given to db.transaction cannot wait for anything else: meanwhile
// others wait for what it has locked.
const txBusy = "inside of db.transaction, which others may wait for"

// ask does something with a database while the state's other functions may run.
func (s *state) ask(a arguments, limit time.Duration, inTx bool, what string, do func(context.Context) error) error {
	if inTx && s.busy == txBusy {
		s.busy = ""
		defer func() { s.busy = txBusy }()
	}
	var err error
	began := s.engine.o.Clock.Now()
	s.block(a.L, a.name, func(ctx context.Context) {
		ctx, cancel := context.WithCancelCause(ctx)
		defer cancel(nil)
		defer s.engine.o.Clock.AfterFunc(limit, func() { cancel(database.ErrTimeout) }).Stop()
		err = do(ctx)
	})
	if refused, ok := errors.AsType[*database.Refused](err); ok {
		a.fail("sql: %s", refused)
	}
	if took := s.engine.o.Clock.Now().Sub(began); err != nil || took >= slowStatement {
		how := "done"
		if err != nil {
			how = err.Error()
		}
		runningIn(a.L).note("db " + what + ": " + how + " after " + took.Round(time.Millisecond).String())
	}
	return err
}

func databaseName(name string) string {
	if name == "" {
		return "(own)"
	}
	return name
}

func (s *state) query(a arguments, name string, db database.Session, limit time.Duration, inTx bool) int {
	text, values := a.statement()
	var rows database.Rows
	err := s.ask(a, limit, inTx, databaseName(name)+" query", func(ctx context.Context) (err error) {
		rows, err = db.Query(ctx, text, values)
		return err
	})
	if err != nil {
		return failed(a.L, err.Error())
	}
	list := newTable(len(rows.Values), 0)
	list.Metatable = listMark
	for i, row := range rows.Values {
		t := newTable(0, len(row))
		for j, v := range row {
			if v != nil {
				t.RawSetString(rows.Columns[j], fromGo(v))
			}
		}
		list.RawSetInt(i+1, t)
	}
	return push(a.L, list)
}

func (s *state) exec(a arguments, name string, db database.Session, limit time.Duration, inTx bool) int {
	text, values := a.statement()
	var changed database.Changed
	err := s.ask(a, limit, inTx, databaseName(name)+" exec", func(ctx context.Context) (err error) {
		changed, err = db.Exec(ctx, text, values)
		return err
	})
	if err != nil {
		return failed(a.L, err.Error())
	}
	if changed.LastID == 0 {
		return push(a.L, lua.LNumber(changed.Rows))
	}
	return push(a.L, lua.LNumber(changed.Rows), lua.LNumber(changed.LastID))
}

// transactionObject is a transaction as the script's function holds it.
type transactionObject struct {
	name    string
	timeout time.Duration
	tx      database.Tx
	failed  error // of its first statement that failed
	ended   bool
}

func receivedTransaction(a arguments) *transactionObject {
	if ud, ok := a.L.Get(1).(*lua.LUserData); ok {
		if t, ok := ud.Value.(*transactionObject); ok {
			if t.ended {
				a.fail("the transaction has ended")
			}
			return t
		}
	}
	a.fail("write a colon before the method's name, not a point")
	return nil
}

// Query and Exec remember what fails: then nothing of the transaction is kept.
func (t *transactionObject) Query(ctx context.Context, text string, values []any) (database.Rows, error) {
	rows, err := t.tx.Query(ctx, text, values)
	t.note(err)
	return rows, err
}

func (t *transactionObject) Exec(ctx context.Context, text string, values []any) (database.Changed, error) {
	changed, err := t.tx.Exec(ctx, text, values)
	t.note(err)
	return changed, err
}

func (t *transactionObject) note(err error) {
	if t.failed == nil {
		t.failed = err
	}
}

func (s *state) transaction(a arguments, name string, db database.DB) int {
	fn := a.function(1, "fn")
	t := &transactionObject{name: name, timeout: db.Timeout()}
	what := databaseName(name) + " transaction"
	// The transaction lives by the script's context: that of one statement would end it early.
	life, end := context.WithCancelCause(a.L.Context())
	defer end(nil)
	err := s.ask(a, t.timeout, false, what, func(ctx context.Context) (err error) {
		stop := context.AfterFunc(ctx, func() { end(context.Cause(ctx)) })
		if t.tx, err = db.Begin(life); !stop() && err == nil { // it began as its time ran out
			t.tx.Rollback()
			err = context.Cause(ctx)
		}
		return err
	})
	if err != nil {
		return failed(a.L, err.Error())
	}
	before := s.busy
	s.busy = txBusy
	defer func() { // also when fn raises
		t.ended, s.busy = true, before
		s.block(a.L, a.name, func(context.Context) { t.tx.Rollback() })
	}()
	a.L.Push(fn)
	a.L.Push(&lua.LUserData{Value: t, Metatable: s.engine.builtin.transaction})
	a.L.Call(1, 1)
	result := a.L.Get(-1)
	a.L.Pop(1)
	if result == lua.LNil {
		result = lua.LTrue
	}
	if t.failed != nil {
		return failed(a.L, t.failed.Error())
	}
	if result == lua.LFalse {
		return push(a.L, result)
	}
	t.ended = true
	if err := s.ask(a, t.timeout, true, what, func(ctx context.Context) error { return t.tx.Commit(ctx) }); err != nil {
		return failed(a.L, err.Error())
	}
	return push(a.L, result)
}
