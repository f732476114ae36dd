package sim

import (
	"time"

	lua "github.com/yuin/gopher-lua"

	"tandem/scripting"
)

// heardOptions reads what is listened for.
func heardOptions(L *lua.LState) (sound []string, as string, within time.Duration) {
	sound = texts(L, 2)
	t := L.OptTable(3, L.NewTable())
	fields(L, t, "as", "within")
	return sound, text(L, t, "as"), seconds(L, t.RawGetString("within"), hearLimit)
}

// saidOptions reads what is said.
func saidOptions(L *lua.LState) (sound []string, as string) {
	sound = texts(L, 2)
	t := L.OptTable(3, L.NewTable())
	fields(L, t, "as")
	return sound, text(L, t, "as")
}

func (f *file) callHears(L *lua.LState) int {
	c := self[*call](L)
	sound, as, within := heardOptions(L)
	check(L, c.act())
	check(L, c.end().hears(sound, as, within))
	return again(L)
}

func (f *file) callHearsNothing(L *lua.LState) int {
	c := self[*call](L)
	check(L, c.act())
	check(L, c.end().hearsNothing(seconds(L, L.CheckAny(2), 0)))
	return again(L)
}

func (f *file) callSays(L *lua.LState) int {
	c := self[*call](L)
	sound, as := saidOptions(L)
	check(L, c.act())
	check(L, c.end().says(sound, as))
	return again(L)
}

func (f *file) callPress(L *lua.LState) int {
	self[*call](L).press(L.CheckString(2))
	return again(L)
}

func (f *file) callRings(L *lua.LState) int {
	check(L, self[*call](L).rings())
	return again(L)
}

func (f *file) callDials(L *lua.LState) int {
	l, err := self[*call](L).dials(L.CheckString(2))
	check(L, err)
	L.Push(f.object("SimCallee", l))
	return 1
}

func (f *file) callRuns(L *lua.LState) int {
	check(L, self[*call](L).runs(seconds(L, L.CheckAny(2), 0)))
	return again(L)
}

func (f *file) callHangup(L *lua.LState) int {
	check(L, self[*call](L).hangup())
	return again(L)
}

// callEnds waits for the end and, where a code is given, holds it against that.
func (f *file) callEnds(L *lua.LState) int {
	code, err := self[*call](L).ends()
	check(L, err)
	if want := L.OptInt(2, code); want != code {
		L.RaiseError("the call ended with %d, not with %d", code, want)
	}
	return again(L)
}

func (f *file) callHolds(L *lua.LState) int {
	c := self[*call](L)
	check(L, c.act())
	check(L, c.end().holds())
	return again(L)
}

func (f *file) callResumes(L *lua.LState) int {
	c := self[*call](L)
	check(L, c.act())
	check(L, c.end().resumes())
	return again(L)
}

// callTransfers asks for a transfer; transferred tells what came of it.
func (f *file) callTransfers(L *lua.LState) int {
	c, to := self[*call](L), L.CheckString(2)
	c.pending = append(c.pending, func() error { return c.caller.asks(c.w, c.c, to) })
	return again(L)
}

func (f *file) callVanishes(L *lua.LState) int {
	check(L, self[*call](L).vanishes())
	return again(L)
}

func (f *file) callTransferred(L *lua.LState, object any) lua.LValue {
	c := object.(*call)
	check(L, c.act())
	code, err := c.caller.report(c.w, c.c)
	check(L, err)
	return lua.LNumber(code)
}

func (f *file) callCode(L *lua.LState, object any) lua.LValue {
	code, err := object.(*call).ends()
	check(L, err)
	return lua.LNumber(code)
}

func (f *file) callState(L *lua.LState, object any) lua.LValue {
	c := object.(*call)
	check(L, c.act())
	return lua.LString(c.c.State().String())
}

func (f *file) callRecord(L *lua.LState, object any) lua.LValue {
	rec, err := object.(*call).record()
	check(L, err)
	return scripting.RecordTable(&rec.Call)
}

func (f *file) callDigits(L *lua.LState, object any) lua.LValue {
	c := object.(*call)
	check(L, c.act())
	return lua.LString(c.c.Digits())
}
