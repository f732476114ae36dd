package scripting

import (
	"context"

	lua "github.com/yuin/gopher-lua"

	"tandem/b2bua"
	"tandem/media"
)

// carryMethods are about what goes on between two who talk.
func carryMethods() []function {
	return []function{
		{name: "refer", params: []field{{"uri", "string", "whom the phone shall call"}}, returns: []field{{"ok", "boolean?", "true, or nil"}, {"failure", "Failure|string|nil", "why not"}},
			doc: "Asks the caller's phone to call somebody else by itself (REFER) and waits until it says that it has.", example: `call:refer("sip:bob@example.com")`, run: callRefer},
		{name: "hold_music", params: []field{{"source", "Source?", "nil passes a hold on to the other phone again"}}, returns: okOrReason(),
			doc: "What one side hears while the other has it on hold.", example: `call:hold_music("one-moment")`, run: callHoldMusic},
	}
}

func callRefer(s *state, L *lua.LState) int {
	a := method(L, "call:refer")
	c, uri := a.call(), a.str(1, "uri")
	var err error
	s.block(L, a.name, func(ctx context.Context) { err = c.Refer(ctx, uri) })
	if f, ok := err.(*b2bua.Failure); ok {
		return push(L, lua.LNil, failureTable(f))
	}
	return a.done(err)
}

func callHoldMusic(s *state, L *lua.LState) int {
	a := method(L, "call:hold_music")
	c := a.call()
	var srcs []media.Source
	if a.at(1) != lua.LNil {
		if srcs = a.sources("source", a.at(1)); len(srcs) == 0 {
			return failed(L, "not found")
		}
	}
	var err error
	s.block(L, a.name, func(ctx context.Context) { err = c.SetHoldMusic(ctx, srcs) })
	return a.done(err)
}
