package sim

import (
	"time"

	lua "github.com/yuin/gopher-lua"
)

// after reads how long somebody lets it ring.
func after(L *lua.LState, n int) time.Duration {
	t := L.OptTable(n, L.NewTable())
	fields(L, t, "after")
	return seconds(L, t.RawGetString("after"), 0)
}

func (f *file) calleeAnswers(L *lua.LState) int {
	check(L, self[*callee](L).answers(after(L, 2)))
	return again(L)
}

// calleeFails takes a code, or the word for what goes wrong.
func (f *file) calleeFails(L *lua.LState) int {
	l := self[*callee](L)
	code := 0
	switch v := L.CheckAny(2).(type) {
	case lua.LNumber:
		code = int(v)
	case lua.LString:
		if v == "network" {
			check(L, l.c.w.vanish(l.party))
			return again(L)
		}
		known := map[string]int{"busy": 486, "declined": 603, "unavailable": 503, "noanswer": 0}
		n, ok := known[string(v)]
		if !ok {
			L.RaiseError("fails: %q is not one of busy, declined, unavailable, noanswer, network", string(v))
		}
		code = n
	default:
		L.RaiseError("fails takes a code, or busy, declined, unavailable, noanswer or network")
	}
	if code != 0 && (code < 300 || code > 699) {
		L.RaiseError("fails: %d is not a code from 300 to 699", code)
	}
	check(L, l.fails(code, after(L, 3)))
	return again(L)
}

func (f *file) calleeRings(L *lua.LState) int {
	check(L, self[*callee](L).rings())
	return again(L)
}

func (f *file) calleeProgresses(L *lua.LState) int {
	check(L, self[*callee](L).progresses(texts(L, 2)))
	return again(L)
}

func (f *file) calleeHears(L *lua.LState) int {
	l := self[*callee](L)
	sound, as, within := heardOptions(L)
	check(L, l.end().hears(sound, as, within))
	return again(L)
}

func (f *file) calleeHearsNothing(L *lua.LState) int {
	check(L, self[*callee](L).end().hearsNothing(seconds(L, L.CheckAny(2), 0)))
	return again(L)
}

func (f *file) calleeSays(L *lua.LState) int {
	l := self[*callee](L)
	sound, as := saidOptions(L)
	check(L, l.end().says(sound, as))
	return again(L)
}

func (f *file) calleePress(L *lua.LState) int {
	l, keys := self[*callee](L), L.CheckString(2)
	check(L, l.end().presses(keys))
	return again(L)
}

func (f *file) calleeHangup(L *lua.LState) int {
	check(L, self[*callee](L).hangup())
	return again(L)
}

func (f *file) calleeEnds(L *lua.LState) int {
	check(L, self[*callee](L).ends())
	return again(L)
}

func (f *file) calleeHolds(L *lua.LState) int {
	check(L, self[*callee](L).end().holds())
	return again(L)
}

func (f *file) calleeResumes(L *lua.LState) int {
	check(L, self[*callee](L).end().resumes())
	return again(L)
}

// calleeForwards answers with a redirection.
func (f *file) calleeForwards(L *lua.LState) int {
	check(L, self[*callee](L).forwards(L.CheckString(2)))
	return again(L)
}

func (f *file) calleeTransfers(L *lua.LState) int {
	l, to := self[*callee](L), L.CheckString(2)
	l.c.pending = append(l.c.pending, func() error { return l.party.asks(l.c.w, l.in, to) })
	return again(L)
}

func (f *file) calleeVanishes(L *lua.LState) int {
	l := self[*callee](L)
	check(L, l.c.w.vanish(l.party))
	return again(L)
}

func (f *file) calleeHeader(L *lua.LState) int {
	if h := self[*callee](L).in.Invite().GetHeader(L.CheckString(2)); h != nil {
		L.Push(lua.LString(h.Value()))
	} else {
		L.Push(lua.LNil)
	}
	return 1
}

func (f *file) calleeState(_ *lua.LState, object any) lua.LValue {
	return lua.LString(object.(*callee).in.State().String())
}

func (f *file) calleeFrom(L *lua.LState, object any) lua.LValue {
	from := object.(*callee).in.Invite().From()
	if from == nil {
		L.RaiseError("the INVITE has no From")
	}
	return lua.LString(unescape(from.Address.User))
}

func (f *file) calleeDisplay(L *lua.LState, object any) lua.LValue {
	from := object.(*callee).in.Invite().From()
	if from == nil {
		L.RaiseError("the INVITE has no From")
	}
	return lua.LString(from.DisplayName)
}

func (f *file) calleeNumber(_ *lua.LState, object any) lua.LValue {
	return lua.LString(unescape(object.(*callee).in.Invite().Recipient.User))
}

func (f *file) calleeDigits(_ *lua.LState, object any) lua.LValue {
	return lua.LString(object.(*callee).in.Digits())
}

func (f *file) calleeHost(_ *lua.LState, object any) lua.LValue {
	return lua.LString(object.(*callee).in.Invite().Recipient.HostPort())
}

func (f *file) calleeTransferred(L *lua.LState, object any) lua.LValue {
	l := object.(*callee)
	check(L, l.c.act())
	code, err := l.party.report(l.c.w, l.in)
	check(L, err)
	return lua.LNumber(code)
}
