package scripting

import (
	"math"
	"sync"

	lua "github.com/yuin/gopher-lua"

	"tandem/b2bua"
)

// Attach gives scripts the server whose calls they serve, for what is not about their own
// call. Until then registrar and calls know of nothing; what on_load has told phones until
// then, they are told now.
func (e *Engine) Attach(s *b2bua.Server) {
	e.early.mu.Lock()
	defer e.early.mu.Unlock()
	e.server.Store(s)
	for user, n := range e.early.messages {
		s.NotifyMessages(user, n.unheard, n.heard)
	}
	e.early.messages = nil
}

// early is what scripts have told phones before there was a server.
type early struct {
	mu       sync.Mutex
	messages map[string]waiting
}

type waiting struct{ unheard, heard int }

func (e *Engine) notifyMessages(user string, n waiting) {
	e.early.mu.Lock()
	defer e.early.mu.Unlock()
	if s := e.server.Load(); s != nil {
		s.NotifyMessages(user, n.unheard, n.heard)
		return
	}
	if e.early.messages == nil {
		e.early.messages = map[string]waiting{}
	}
	e.early.messages[user] = n
}

func registrarModule() module {
	user := field{"user", "string", ""}
	return module{
		name: "registrar",
		doc:  "The phones of users.",
		functions: []function{
			{name: "contacts", params: []field{user}, returns: []field{{"contacts", "Contact[]", "the best first; empty when no phone is registered"}},
				doc: "Lists the phones that a user has registered.", example: `if #registrar.contacts("1001") == 0 then call:play("not-registered") end`, run: registrarContacts},
			{name: "known", params: []field{user}, returns: []field{{"known", "boolean", "in the configuration, in the store, or registered"}},
				doc: "Tells whether there is such a user.", example: `if not registrar.known(call.number) then return call:reject(404) end`, run: registrarKnown},
			{name: "notify", params: []field{user, {"options", "NotifyOptions", ""}},
				doc:     "Tells a user's phones how many voice messages wait (RFC 3842): their lamp is lit. It is remembered for phones that ask later, until the server ends; on_load may tell it anew.",
				example: `registrar.notify("1001", { messages = 2 })`, run: registrarNotify},
		},
	}
}

func contactClass() class {
	return class{name: "Contact", doc: "A registered phone.", fields: []field{
		{"uri", "string", "as the phone wrote it"}, {"source", "CallSource?", "where it registered from"}, {"user_agent", "string", ""},
		{"registered", "number", "when it was first registered, as time.now() counts"}, {"expires", "number", "seconds from now"}, {"q", "number", "its preference, 0 to 1"},
	}}
}

func notifyOptions() class {
	return class{name: "NotifyOptions", doc: "What a user's phones are told.", fields: []field{
		{"messages", "integer", "voice messages that were not heard yet"}, {"heard?", "integer", "those that were, 0 by default"},
	}}
}

func registrarContacts(s *state, L *lua.LState) int {
	user := args(L, "registrar.contacts").str(1, "user")
	list := newTable(0, 0)
	srv := s.engine.server.Load()
	if srv == nil {
		return push(L, list)
	}
	now := s.engine.o.Clock.Now()
	for _, c := range srv.Contacts(user) {
		t := newTable(0, 6)
		t.RawSetString("uri", lua.LString(c.URI.String()))
		t.RawSetString("user_agent", lua.LString(c.UserAgent))
		t.RawSetString("registered", lua.LNumber(float64(c.Registered.UnixMilli())/1000))
		t.RawSetString("expires", lua.LNumber(math.Ceil(c.Expires.Sub(now).Seconds())))
		t.RawSetString("q", lua.LNumber(c.Q))
		if c.Source.IsValid() {
			t.RawSetString("source", sourceTable(c.Source.Addr(), int(c.Source.Port()), string(c.Flow.Proto())))
		}
		list.Append(t)
	}
	return push(L, list)
}

func registrarKnown(s *state, L *lua.LState) int {
	user := args(L, "registrar.known").str(1, "user")
	srv := s.engine.server.Load()
	return push(L, lua.LBool(srv != nil && srv.Known(user)))
}

func registrarNotify(s *state, L *lua.LState) int {
	a := args(L, "registrar.notify")
	user, o := a.str(1, "user"), a.options(2, notifyOptions())
	if !o.has("messages") {
		a.fail("option messages is missing")
	}
	unheard, heard := o.integer("messages", 0, 0), o.integer("heard", 0, 0)
	s.engine.notifyMessages(user, waiting{unheard, heard})
	return push(L, lua.LTrue)
}
