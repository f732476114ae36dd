package scripting

import (
	"context"
	"errors"
	"strings"

	lua "github.com/yuin/gopher-lua"

	"tandem/b2bua"
)

// reason tells an error that can be expected, and how Lua gets it. All others are misuse.
func reason(err error) (string, bool) {
	var failure *b2bua.Failure
	switch {
	case errors.Is(err, b2bua.ErrMoved):
		return b2bua.ErrMoved.Error(), true
	case errors.Is(err, b2bua.ErrHangup), errors.Is(err, context.Canceled):
		return "hangup", true
	case errors.As(err, &failure):
		return failure.Error(), true
	case errors.Is(err, b2bua.ErrState):
		return b2bua.ErrState.Error(), true
	case errors.Is(err, b2bua.ErrTooDeep), errors.Is(err, b2bua.ErrNotTaken):
		return err.Error(), true
	}
	return "", false
}

// okOrReason is what most methods return.
func okOrReason() []field {
	return []field{{"ok", "boolean?", "true, or nil"}, {"reason", "string?", "why not, such as \"hangup\""}}
}

// done ends a function that returns true, or nil and a reason.
func (a arguments) done(err error) int {
	if err == nil {
		return push(a.L, lua.LTrue)
	}
	return a.expected(err)
}

// expected returns nil and the reason, and raises what is no expected failure.
func (a arguments) expected(err error) int {
	a.rethrow(err)
	if why, ok := reason(err); ok {
		return failed(a.L, why)
	}
	_, short, _ := strings.Cut(a.name, ":")
	a.fail("%s", strings.TrimPrefix(err.Error(), short+": "))
	return 0
}

// trouble returns nil and what went wrong, whatever it is: for what may fail in the world
// though the script asked rightly.
func (a arguments) trouble(err error) int {
	a.rethrow(err)
	if why, ok := reason(err); ok {
		return failed(a.L, why)
	}
	s := of(a.L)
	s.log.Warn(a.name+" failed", "err", err)
	return failed(a.L, err.Error())
}

// rethrow raises an error that a script raised while this one waited.
func (a arguments) rethrow(err error) {
	var raised *ScriptError
	if errors.As(err, &raised) {
		a.L.Error(lua.LString(raised.Message), 0)
	}
}
