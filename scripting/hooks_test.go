package scripting

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"tandem/b2bua"
	"tandem/b2bua/auth"
	"tandem/b2bua/phone"
	"tandem/store"
)

func hooksEngine(t *testing.T, files map[string]string) *Engine {
	t.Helper()
	return newTestEngine(t, testOptions(scriptDir(t, files)))
}

// Each question goes down the chain until a plugin has something to say.
func TestOnRegister(t *testing.T) {
	t.Parallel()
	e := hooksEngine(t, map[string]string{
		"10-a.lua": `return { on_register = function(reg)
			if reg.user == "first" then return false, 404 end
			if reg.user == "friend" then return true end
			if reg.user == "odd" then return "yes" end
			if reg.user == "code" then return false, 200 end
		end }`,
		"20-b.lua": `return { on_call = function() end }`,
		"30-c.lua": `return { on_register = function(reg)
			if reg.user == "facts" then
				local s = reg.source
				error(table.concat({ reg.contacts[1], #reg.contacts, reg.expires, s.ip, s.port, s.transport, reg.user_agent }, " "))
			end
			return false
		end }`,
	})
	for _, name := range []string{"on_register", "on_call"} {
		if !e.Asks(name) {
			t.Errorf("Asks(%s) is false", name)
		}
	}
	if e.Asks("on_auth") || e.Asks("on_message") || e.Asks("on_hangup") {
		t.Error("the engine asks what no plugin answers")
	}
	for user, want := range map[string]int{"first": 404, "friend": 0, "other": 403} {
		if code, err := e.Register(t.Context(), b2bua.Registration{User: user}); code != want || err != nil {
			t.Errorf("%s: %d, %v; want %d", user, code, err, want)
		}
	}
	for user, want := range map[string]string{"odd": "on_register returned a string", "code": "300 to 699",
		"facts": "sip:a@b 2 60 192.0.2.1 5060 tcp Phone 1"} {
		r := b2bua.Registration{User: user, Contacts: []string{"sip:a@b", "*"}, Expires: time.Minute, UserAgent: "Phone 1",
			Source: b2bua.Source{IP: netip.MustParseAddr("192.0.2.1"), Port: 5060, Transport: "tcp"}}
		if _, err := e.Register(t.Context(), r); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v; want %q", user, err, want)
		}
	}
}

func TestOnAuth(t *testing.T) {
	t.Parallel()
	e := hooksEngine(t, map[string]string{"50-main.lua": `
		local md5, sha = ("0123456789abcdef"):rep(2), ("0123456789ABCDEF"):rep(4)
		return { on_auth = function(user, realm)
			if user == "plain" then return { password = "s3cret", display = "Pat" } end
			if user == "number" then return { password = 1234 } end
			if user == "hashed" then return { ha1 = md5, ha1_sha256 = sha } end
			if user == "old" then return { ha1 = md5 } end
			if user == "no" then return false end
			if user == "short" then return { ha1 = "abc" } end
			if user == "empty" then return {} end
			if user == "true" then return true end
			if user == "realm" then return { password = realm } end
		end }`})
	plain, found, err := e.Auth(t.Context(), "plain", "example.com")
	want := auth.NewCredential("plain", "example.com", "s3cret")
	if !found || err != nil || plain.Display != "Pat" || plain.HA1[auth.MD5] != want.HA1[auth.MD5] || plain.HA1[auth.SHA256] != want.HA1[auth.SHA256] {
		t.Errorf("plain: %v, %v", found, err)
	}
	if c, found, _ := e.Auth(t.Context(), "realm", "example.com"); !found || c.HA1[auth.MD5] != auth.NewCredential("realm", "example.com", "example.com").HA1[auth.MD5] {
		t.Error("the realm is not handed over")
	}
	if c, found, err := e.Auth(t.Context(), "number", "r"); !found || err != nil || c.HA1[auth.MD5] != auth.NewCredential("number", "r", "1234").HA1[auth.MD5] {
		t.Errorf("number: %v, %v", found, err)
	}
	if c, found, err := e.Auth(t.Context(), "hashed", "r"); !found || err != nil || c.HA1[auth.MD5] != strings.Repeat("0123456789abcdef", 2) ||
		c.HA1[auth.SHA256] != strings.Repeat("0123456789abcdef", 4) {
		t.Errorf("hashed: %v, %v", found, err)
	}
	if c, found, err := e.Auth(t.Context(), "old", "r"); !found || err != nil || len(c.HA1) != 1 {
		t.Errorf("old: %v, %v", found, err)
	}
	for _, user := range []string{"no", "unknown"} {
		if _, found, err := e.Auth(t.Context(), user, "r"); found || err != nil {
			t.Errorf("%s: %v, %v", user, found, err)
		}
	}
	for user, want := range map[string]string{"short": "32 hexadecimal digits", "empty": "without password", "true": "returned a boolean"} {
		if _, found, err := e.Auth(t.Context(), user, "r"); found || err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, %v; want %q", user, found, err, want)
		}
	}
}

func TestOnMessage(t *testing.T) {
	t.Parallel()
	e := hooksEngine(t, map[string]string{"50-main.lua": `return { on_message = function(msg)
		local answers = { ok = 202, yes = true, refused = { false, 488 }, odd = 99, text = "no" }
		if msg.body == "facts" then error(msg.from.user .. ">" .. msg.to.user .. " " .. tostring(msg.user) .. " " .. msg.content_type .. " " .. msg.source.ip) end
		if msg.body == "refused" then return false, 488 end
		return answers[msg.body]
	end }`})
	for body, want := range map[string]int{"ok": 202, "yes": 200, "refused": 488, "nothing": 0} {
		if code, err := e.Message(t.Context(), b2bua.Message{Body: body}); code != want || err != nil {
			t.Errorf("%s: %d, %v; want %d", body, code, err, want)
		}
	}
	for body, want := range map[string]string{"odd": "on_message returned 99", "text": "on_message returned no", "facts": "1001>700 nil text/plain 192.0.2.1"} {
		m := b2bua.Message{From: b2bua.Address{User: "1001"}, To: b2bua.Address{User: "700"}, Body: body, ContentType: "text/plain",
			Source: b2bua.Source{IP: netip.MustParseAddr("192.0.2.1")}}
		if _, err := e.Message(t.Context(), m); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v; want %q", body, err, want)
		}
	}
}

// A question that nobody waits for any more ends, and each has a state of its own.
func TestHookStates(t *testing.T) {
	t.Parallel()
	e := hooksEngine(t, map[string]string{"50-main.lua": `
		local n = 0
		return { on_register = function(reg)
			n = n + 1
			if reg.user == "loop" then while true do end end
			return false, 400 + n
		end }`})
	for range 2 {
		if code, err := e.Register(t.Context(), b2bua.Registration{}); code != 401 || err != nil {
			t.Errorf("%d, %v: the states are shared", code, err)
		}
	}
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	began := time.Now()
	if _, err := e.Register(ctx, b2bua.Registration{User: "loop"}); err == nil || time.Since(began) > 20*time.Second {
		t.Errorf("a loop ended after %v with %v", time.Since(began), err)
	}
}

// Users kept elsewhere register by what on_auth says, and on_register has the last word.
func TestUsersKeptElsewhere(t *testing.T) {
	t.Parallel()
	inWorldOf(t, map[string]string{"50-main.lua": `return {
		on_auth = function(user) if user == "elsewhere1" or user == "elsewhere2" then return { password = "secret-" .. user } end end,
		on_register = function(reg) if reg.user == "elsewhere2" then return false, 480 end end,
		on_call = function(call) call:bridge("user:" .. call.number) end,
	}`}, func(w *world) {
		calls := w.answers(w.phone("elsewhere1", true), time.Second)
		c := w.caller("elsewhere1")
		<-calls
		w.hangup(c)
		if r := w.record(); r.Call.State != store.StateAnswered {
			t.Errorf("%+v", r.Call)
		}
		for user, want := range map[string]int{"elsewhere2": 480, "elsewhere3": 403} {
			err := w.phone(user, false).Register(w.ctx)
			var rejected *phone.Rejected
			if !errors.As(err, &rejected) || rejected.Code != want {
				t.Errorf("%s: %v; want %d", user, err, want)
			}
		}
	})
}

// Every plugin sees every finished record once, whatever the others do, and no call waits.
func TestOnHangup(t *testing.T) {
	t.Parallel()
	inWorldOf(t, map[string]string{
		"10-a.lua": `seen = seen or 0
			return { on_hangup = function(cdr)
				seen = seen + 1
				shared.incr("a:" .. cdr.to_user .. ":" .. cdr.state .. ":" .. cdr.sip_code .. ":" .. seen .. ":" .. tostring(cdr.answer_ms))
				error("no")
			end }`,
		"50-main.lua": `return {
			on_call = function(call)
				if call.number == "ask" then
					call.vars.who = { name = "x" }
					return call:reject(603, shared.get("b:first") and "seen" or "unseen")
				end
				call:reject(486)
			end,
			on_hangup = function(cdr) shared.set("b:" .. cdr.to_user, cdr.vars.who and cdr.vars.who.name or "nobody") end,
		}`,
	}, func(w *world) {
		if code := w.refused("first"); code != 486 {
			t.Errorf("refused with %d", code)
		}
		w.record()
		synctest.Wait()
		w.refused("ask")
		if r := w.record(); r.Call.SIPCode != 603 {
			t.Errorf("%+v", r.Call)
		}
		time.Sleep(time.Minute)
		for key, want := range map[string]any{"a:first:busy:486:1:nil": 1.0, "a:ask:failed:603:1:nil": 1.0, "b:first": "nobody", "b:ask": "x"} {
			if v, _ := w.engine.shared.get(key); v.v != want {
				t.Errorf("%s is %v; want %v", key, v.v, want)
			}
		}
		if log := w.log.String(); strings.Count(log, "handler=on_hangup") != 2 {
			t.Errorf("the errors of on_hangup are not logged:\n%s", log)
		}
	})
}

// What waits for on_hangup is bounded, and Close lets it see what is left.
func TestOnHangupIsBounded(t *testing.T) {
	t.Parallel()
	var log logBuffer
	o := testOptions(scriptDir(t, map[string]string{"50-main.lua": `return { on_hangup = function(cdr) shared.incr("told") end }`}))
	o.Log = slog.New(slog.NewTextHandler(&log, nil))
	e := newTestEngine(t, o)
	h := &e.hangups
	h.telling = maxTelling // as if all were busy
	for i := range maxFinished + 100 {
		e.Finished(&store.Call{ID: fmt.Sprint(i)})
	}
	if len(h.queue) != maxFinished || h.dropped != 100 || strings.Count(log.String(), "slower than calls end") != 1 {
		t.Errorf("%d wait, %d left out; the log: %.300s", len(h.queue), h.dropped, log.String())
	}
	h.queue, h.telling = h.queue[:50], 0
	e.Finished(&store.Call{ID: "last"})
	e.Close()
	if v, _ := e.shared.get("told"); v.v != 51.0 {
		t.Errorf("%v records were told; want 51", v.v)
	}
}

// An on_hangup that does not end is ended.
func TestEndlessOnHangup(t *testing.T) {
	t.Parallel()
	var log logBuffer
	o := testOptions(scriptDir(t, map[string]string{
		"10-a.lua":    `return { on_hangup = function() while true do end end }`,
		"50-main.lua": `return { on_hangup = function() shared.incr("told") end }`,
	}))
	o.Log, o.CallCPU = slog.New(slog.NewTextHandler(&log, nil)), 50*time.Millisecond
	e := newTestEngine(t, o)
	e.Finished(&store.Call{ID: "c1"})
	e.Close()
	if v, _ := e.shared.get("told"); v.v != 1.0 || !strings.Contains(log.String(), "call_cpu") {
		t.Errorf("told: %v; the log: %s", v.v, log.String())
	}
}
