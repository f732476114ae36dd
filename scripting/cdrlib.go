package scripting

import (
	"context"
	"errors"
	"strconv"
	"strings"
	"time"

	lua "github.com/yuin/gopher-lua"

	"tandem/store"
)

// Records answers questions about finished and open calls; store.Reader does.
type Records interface {
	Calls(ctx context.Context, f store.Filter) (rows []store.Call, next string, err error)
}

const (
	findTimeout = 5 * time.Second
	maxFound    = 1000 // records that one question gives
)

// errNoRecordsHere is what cdr.find says where nothing keeps records.
var errNoRecordsHere = errors.New("no records are kept here")

func cdrModule() module {
	return module{
		name: "cdr",
		doc:  "The records of calls, as `tandem cdr list` shows them.",
		functions: []function{{
			name: "find", params: []field{{"filter?", "RecordFilter", ""}},
			returns: []field{{"records", "Record[]?", "the newest first, or nil"}, {"next", "string?", "the cursor of those that follow, for option after; or the reason"}},
			doc:     "Looks for records. The call that asks may or may not be among them: a record is written behind the call's back. It takes 5 s at most.",
			example: "local missed = cdr.find{ to = call.user, state = \"noanswer\", since = \"24h\", limit = 10 }\nif missed then call:say(#missed, { as = \"number\" }) end",
			run:     cdrFind}},
	}
}

func recordFilter() class {
	return class{name: "RecordFilter", doc: "Which records cdr.find gives. A pattern is a glob: `+44*`.", fields: []field{
		{"since?", "string|number", "calls that began then or later: `24h` ago, `2026-11-01`, or seconds since 1970"},
		{"until?", "string|number", "calls that began before then"},
		{"from?", "string", "a pattern for who called"}, {"to?", "string", "a pattern for what was dialled"},
		{"user?", "string", "a pattern"}, {"trunk?", "string", "a pattern"},
		{"state?", `"open"|"answered"|"busy"|"noanswer"|"failed"|"cancelled"|"lost"`, ""},
		{"min_duration?", "string|number", "seconds, or `2m`"}, {"flag?", "string", "such as one_way"},
		{"limit?", "integer", "50 by default, 1000 at most"}, {"after?", "string", "the cursor that the last answer gave"},
	}}
}

func cdrFind(s *state, L *lua.LState) int {
	a := args(L, "cdr.find")
	f := a.recordFilter(a.options(1, recordFilter()))
	if s.engine.o.Records == nil {
		return failed(L, errNoRecordsHere.Error())
	}
	var rows []store.Call
	var next string
	var err error
	s.block(L, a.name, func(ctx context.Context) {
		ctx, cancel := context.WithCancelCause(ctx)
		defer cancel(nil)
		defer s.engine.o.Clock.AfterFunc(findTimeout, func() { cancel(errHTTPTimeout) }).Stop()
		if rows, next, err = s.engine.o.Records.Calls(ctx, f); err != nil && ctx.Err() != nil {
			err = context.Cause(ctx)
		}
	})
	if err != nil {
		return failed(L, err.Error())
	}
	list := newTable(len(rows), 0)
	list.Metatable = listMark
	for i := range rows {
		list.RawSetInt(i+1, RecordTable(&rows[i]))
	}
	return push(L, list, orNil(next))
}

// recordFilter reads what is looked for, as it is typed elsewhere; what cannot be meant is raised.
func (a arguments) recordFilter(o options) store.Filter {
	t := store.FilterText{From: o.str("from", ""), To: o.str("to", ""), User: o.str("user", ""), Trunk: o.str("trunk", ""),
		State: o.str("state", ""), Flag: o.str("flag", ""), After: o.str("after", ""), Limit: strconv.Itoa(o.integer("limit", store.DefaultLimit, 1))}
	t.Since, t.Until = a.whenText(o, "since"), a.whenText(o, "until")
	if n, ok := o.get("min_duration").(lua.LNumber); ok {
		o.a.duration("option min_duration", float64(n))
		t.MinDuration = strconv.FormatInt(int64(n), 10) + "s"
	} else {
		t.MinDuration = o.str("min_duration", "")
	}
	f, err := t.Filter(of(a.L).now())
	if wrong, ok := errors.AsType[*store.FilterError](err); ok {
		a.fail("option %s %q: %s", strings.ReplaceAll(wrong.Field, "-", "_"), wrong.Value, wrong.Why)
	} else if err != nil {
		a.fail("%s", err)
	}
	if f.Limit > maxFound {
		a.fail("option limit must be at most %d", maxFound)
	}
	return f
}

// whenText writes seconds since 1970 as people type a moment.
func (a arguments) whenText(o options, key string) string {
	if n, ok := o.get(key).(lua.LNumber); ok {
		return fromSeconds(float64(n)).UTC().Format(time.RFC3339)
	}
	return o.str(key, "")
}
