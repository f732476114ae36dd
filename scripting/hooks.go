package scripting

import (
	"context"
	"encoding/hex"
	"fmt"
	"strings"

	lua "github.com/yuin/gopher-lua"

	"tandem/b2bua"
	"tandem/b2bua/auth"
)

// The Engine answers the server's questions (b2bua.Hooks): each in a fresh state, by the
// first plugin that has something to say.
var _ b2bua.Hooks = (*Engine)(nil)

// Asks tells whether a plugin of the generation in force has the handler.
func (e *Engine) Asks(handler string) bool { return len(e.current.Load().asks[handler]) > 0 }

// maxAnswers is how many values a handler may return.
const maxAnswers = 3

// ask goes down the chain of plugins until one returns something other than nil; without
// one all answers are nil. question makes the arguments.
func (e *Engine) ask(ctx context.Context, handler string, question ...lua.LValue) ([]lua.LValue, error) {
	g := e.current.Load()
	s := newState(ctx, e, g, nil)
	defer s.release()
	for _, p := range g.asks[handler] {
		answers, err := s.askPlugin(s.L, p, handler, question...)
		if err != nil {
			e.o.Log.Error("script: "+err.Message, "script", p.name, "handler", handler, "generation", g.id, "traceback", err.Traceback)
			return nil, err
		}
		if answers[0] != lua.LNil {
			return answers, nil
		}
	}
	return noAnswers(), nil
}

func noAnswers() []lua.LValue { return []lua.LValue{lua.LNil, lua.LNil, lua.LNil} }

// askPlugin calls a plugin's handler.
func (s *state) askPlugin(L *lua.LState, p *script, handler string, question ...lua.LValue) ([]lua.LValue, *ScriptError) {
	handlers, err := s.handlers(L, p)
	if err != nil {
		return nil, err
	}
	fn, ok := handlers.RawGetString(handler).(*lua.LFunction)
	if !ok { // the top level does not return the same each time
		return noAnswers(), nil
	}
	s.baton.Lock()
	s.meter.start()
	defer s.baton.Unlock()
	defer s.meter.pause()
	return s.protectAll(L, maxAnswers, fn, question...)
}

// Register asks on_register: nil and true let the phone register, false and a code refuse it.
func (e *Engine) Register(ctx context.Context, r b2bua.Registration) (int, error) {
	t := newTable(0, 5)
	contacts := newTable(len(r.Contacts), 0)
	for _, c := range r.Contacts {
		contacts.Append(lua.LString(c))
	}
	t.RawSetString("user", lua.LString(r.User))
	t.RawSetString("contacts", contacts)
	t.RawSetString("expires", lua.LNumber(r.Expires.Seconds()))
	t.RawSetString("source", sourceTable(r.Source.IP, r.Source.Port, r.Source.Transport))
	t.RawSetString("user_agent", lua.LString(r.UserAgent))
	answers, err := e.ask(ctx, "on_register", t)
	if err != nil {
		return 0, err
	}
	switch answers[0] {
	case lua.LNil, lua.LTrue:
		return 0, nil
	case lua.LFalse:
		return refusal("on_register", answers[1])
	}
	return 0, fmt.Errorf("on_register returned a %s; it returns true, or false and a code", answers[0].Type())
}

// refusal reads the code after a false; 403 without one.
func refusal(handler string, v lua.LValue) (int, error) {
	if v == lua.LNil {
		return 403, nil
	}
	code, ok := v.(lua.LNumber)
	if !ok || code < 300 || code > 699 || code != lua.LNumber(int(code)) {
		return 0, fmt.Errorf("%s: the code of a refusal is a number from 300 to 699, not %v", handler, v)
	}
	return int(code), nil
}

// Auth asks on_auth for what is needed to check the digest of a user kept elsewhere.
func (e *Engine) Auth(ctx context.Context, user, realm string) (auth.Credential, bool, error) {
	answers, err := e.ask(ctx, "on_auth", lua.LString(user), lua.LString(realm))
	if err != nil {
		return auth.Credential{}, false, err
	}
	switch v := answers[0].(type) {
	case *lua.LNilType:
		return auth.Credential{}, false, nil
	case lua.LBool:
		if !v {
			return auth.Credential{}, false, nil
		}
	case *lua.LTable:
		c, err := credentialOf(v, user, realm)
		return c, err == nil, err
	}
	return auth.Credential{}, false, fmt.Errorf("on_auth returned a %s; it returns a table with password, or with ha1 and ha1_sha256", answers[0].Type())
}

// credentialOf reads { password = … } or { ha1 = …, ha1_sha256 = … }. No error names a value.
func credentialOf(t *lua.LTable, user, realm string) (auth.Credential, error) {
	if v := t.RawGetString("password"); v != lua.LNil {
		if !lua.LVCanConvToString(v) || v.String() == "" {
			return auth.Credential{}, fmt.Errorf("on_auth: password must be a string that is not empty")
		}
		c := auth.NewCredential(user, realm, v.String())
		c.Display = displayOf(t)
		return c, nil
	}
	c := auth.Credential{User: user, Display: displayOf(t), HA1: map[auth.Algorithm]string{}}
	for key, algorithm := range map[string]auth.Algorithm{"ha1": auth.MD5, "ha1_sha256": auth.SHA256} {
		v := t.RawGetString(key)
		if v == lua.LNil {
			continue
		}
		digits := map[auth.Algorithm]int{auth.MD5: 32, auth.SHA256: 64}[algorithm]
		text := strings.ToLower(v.String())
		if _, err := hex.DecodeString(text); err != nil || len(text) != digits {
			return auth.Credential{}, fmt.Errorf("on_auth: %s must be %d hexadecimal digits", key, digits)
		}
		c.HA1[algorithm] = text
	}
	if len(c.HA1) == 0 {
		return auth.Credential{}, fmt.Errorf("on_auth returned a table without password, ha1 or ha1_sha256")
	}
	return c, nil
}

func displayOf(t *lua.LTable) string {
	if v, ok := t.RawGetString("display").(lua.LString); ok {
		return string(v)
	}
	return ""
}

// Message asks on_message: nil leaves a MESSAGE to the server, a code answers it.
func (e *Engine) Message(ctx context.Context, m b2bua.Message) (int, error) {
	t := newTable(0, 6)
	t.RawSetString("from", addressTable(m.From))
	t.RawSetString("to", addressTable(m.To))
	t.RawSetString("user", orNil(m.User))
	t.RawSetString("source", sourceTable(m.Source.IP, m.Source.Port, m.Source.Transport))
	t.RawSetString("content_type", lua.LString(m.ContentType))
	t.RawSetString("body", lua.LString(m.Body))
	answers, err := e.ask(ctx, "on_message", t)
	if err != nil {
		return 0, err
	}
	switch v := answers[0].(type) {
	case *lua.LNilType:
		return 0, nil
	case lua.LBool:
		if v {
			return 200, nil
		}
		return refusal("on_message", answers[1])
	case lua.LNumber:
		if v >= 200 && v <= 699 && v == lua.LNumber(int(v)) {
			return int(v), nil
		}
	}
	return 0, fmt.Errorf("on_message returned %s; it returns a code from 200 to 699", answers[0])
}
