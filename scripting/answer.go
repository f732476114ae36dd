package scripting

import (
	"context"

	lua "github.com/yuin/gopher-lua"

	"tandem/b2bua"
)

func answerOptions() class {
	return class{name: "AnswerOptions", doc: "Options of call:answer.", fields: []field{headersField()}}
}

func progressOptions() class {
	return class{name: "ProgressOptions", doc: "Options of call:progress.", fields: []field{{"play?", "Source", "early media"}}}
}

func headersField() field {
	return field{"headers?", "table<string, string|string[]>", "header fields to add"}
}

// answerMethods are those that answer, or refuse to.
func answerMethods() []function {
	ok := okOrReason()
	return []function{
		{name: "ring", returns: ok, doc: "Lets the caller hear ringing (180). It does not take the call.",
			example: "call:ring()\ncall:sleep(2)\ncall:answer()", run: callRing},
		{name: "progress", params: []field{{"options?", "ProgressOptions", ""}}, returns: ok,
			doc:     "Sends 183 with early media and returns when it has been played. It does not take the call: call:reject may follow.",
			example: "call:progress{ play = \"not-available\" }\ncall:reject(480)", run: callProgress},
		{name: "answer", params: []field{{"options?", "AnswerOptions", ""}}, returns: ok,
			doc: "Answers the call. Answering an answered call does nothing.", example: "call:answer()", run: callAnswer},
		{name: "reject", params: []field{{"code", "integer", "300 to 699"}, {"reason?", "string", "the standard phrase by default"},
			{"headers?", "table<string, string|string[]>", ""}}, returns: ok,
			doc: "Refuses an unanswered call.", example: `call:reject(486, "Busy Here")`, run: callReject},
		{name: "redirect", params: []field{{"uri", "string", "where to call instead"}, {"...", "string", "more, in order of preference"}}, returns: ok,
			doc: "Tells the caller's phone to call somebody else (302).", example: `call:redirect("sip:bob@example.com")`, run: callRedirect},
		{name: "hangup", params: []field{{"cause?", "integer", "Q.850 cause"}}, returns: ok,
			doc: "Ends the call.", example: "call:hangup()", run: callHangup},
	}
}

func callRing(s *state, L *lua.LState) int {
	a := method(L, "call:ring")
	c := a.call()
	var err error
	s.block(L, a.name, func(ctx context.Context) { err = c.Ring(ctx) })
	return a.done(err)
}

func callProgress(s *state, L *lua.LState) int {
	a := method(L, "call:progress")
	c := a.call()
	o := a.options(1, progressOptions())
	srcs := o.sources("play")
	if o.has("play") && len(srcs) == 0 {
		return failed(L, "not found")
	}
	var err error
	s.block(L, a.name, func(ctx context.Context) { err = c.Progress(ctx, srcs) })
	return a.done(err)
}

func callAnswer(s *state, L *lua.LState) int {
	a := method(L, "call:answer")
	c := a.call()
	h := a.headers("option headers", a.options(1, answerOptions()).table("headers"))
	var err error
	s.block(L, a.name, func(ctx context.Context) { err = c.Answer(ctx, h) })
	return a.done(err)
}

func callReject(s *state, L *lua.LState) int {
	a := method(L, "call:reject")
	c := a.call()
	code := a.num(1, "code")
	if code != float64(int(code)) || code < 300 || code > 699 {
		a.fail("code must be a whole number from 300 to 699, got %v", code)
	}
	why, n := "", 2
	if a.at(2).Type() != lua.LTTable {
		why, n = a.optStr(2, "reason", ""), 3
	}
	var h b2bua.Headers
	if a.at(n) != lua.LNil {
		h = a.headers("headers", a.table(n, "headers"))
	}
	var err error
	s.block(L, a.name, func(ctx context.Context) { err = ended(ctx, c, c.Reject(ctx, int(code), why, h)) })
	return a.done(err)
}

func callRedirect(s *state, L *lua.LState) int {
	a := method(L, "call:redirect")
	c := a.call()
	uris := []string{a.str(1, "uri")}
	for n := 2; n < L.GetTop(); n++ {
		uris = append(uris, a.str(n, "uri"))
	}
	var err error
	s.block(L, a.name, func(ctx context.Context) { err = ended(ctx, c, c.Redirect(ctx, uris)) })
	return a.done(err)
}

func callHangup(s *state, L *lua.LState) int {
	a := method(L, "call:hangup")
	c := a.call()
	cause := a.optNum(1, "cause", 0)
	if cause != float64(int(cause)) || cause < 0 || cause > 127 {
		a.fail("cause must be a whole number from 0 to 127, got %v", cause)
	}
	var err error
	s.block(L, a.name, func(ctx context.Context) { err = ended(ctx, c, c.Hangup(ctx, int(cause))) })
	return a.done(err)
}

// ended waits until the call is over in the eyes of everybody, unless err says that it is not.
func ended(ctx context.Context, c *b2bua.Call, err error) error {
	if err != nil {
		return err
	}
	select {
	case <-c.Done():
	case <-ctx.Done():
	}
	return nil
}
