package sim

import (
	"strings"
	"testing"

	"tandem/scripting"
	"tandem/scripts"
)

// passes runs one plugin's specs, all of which must hold.
func passes(t *testing.T, specs int, plugin, spec string) {
	t.Helper()
	dir := specFolder(t, map[string]string{"50-main.lua": plugin, "spec/main_spec.lua": spec})
	r, out := runSpecs(t, Options{Scripts: scripting.Options{Dir: dir, Shipped: scripts.FS}})
	if r != (Result{Passed: specs}) {
		t.Errorf("%+v\n%s", r, out)
	}
	if strings.Contains(out, "✗") {
		t.Error("a spec failed")
	}
}

// A spec has databases of its own, real ones, which it fills and looks into.
func TestSpecDatabases(t *testing.T) {
	passes(t, 3, `return {
		on_load = function() db.exec("create table if not exists seen (number text)") end,
		on_call = function(call)
			db.exec("insert into seen values (?)", call.from.user)
			local rows, err = db.named("crm"):query("select code from customers where number = $1", call.from.user)
			if not rows then return call:reject(500, err) end
			call:reject(rows[1] and rows[1].code or 404)
		end }`,
		`describe("a lookup", function()
			before_each(function()
				sim.db("crm", "create table customers (number text, code integer)")
				sim.db("crm", "insert into customers values (?, ?)", "+44123", 486)
			end)
			it("finds", function()
				expect(sim.call{ to = "1", from = "+44123" }.code):is(486)
				expect(sim.db("", "select number from seen")[1].number):is("+44123")
			end)
			it("does not find", function()
				expect(sim.call{ to = "1", from = "+44124" }.code):is(404)
				expect(#sim.db("", "select number from seen")):is(1)
			end)
			it("changes meanwhile", function()
				expect(sim.call{ to = "1", from = "+44124" }.code):is(404)
				sim.db("crm", "update customers set number = '+44124'")
				expect(sim.call{ to = "1", from = "+44124" }.code):is(486)
			end)
		end)`)
}

// Mails, files and records of a spec are its own, and it sees what came of them.
func TestSpecMailFilesAndRecords(t *testing.T) {
	passes(t, 3, `return { on_call = function(call)
			if call.number == "mail" then
				local ok, err = mail.send{ to = "a@example.com", subject = "From " .. call.from.user, attachments = { "messages/1.wav" } }
				return call:reject(ok and 486 or 500, err)
			elseif call.number == "count" then
				return call:reject(480 + #cdr.find{ from = "+44*", since = "1h" })
			end
			call:record("messages/2")
		end }`,
		`it("sees mails", function()
			sim.file("messages/1.wav", "RIFF")
			expect(sim.call{ to = "mail", from = "+44123" }.code):is(486)
			local m = sim.mail()[1]
			expect(m.to[1]):is("a@example.com")
			expect(m.subject):is("From +44123")
			expect(m.attachments[1].content):is("RIFF")
			sim.mail{ fails = "552 full" }
			expect(sim.call{ to = "mail", from = "+44123" }.code):is(500)
			expect(#sim.mail()):is(1)
		end)
		it("sees recordings", function()
			expect(sim.file("messages/2.wav")):is(nil)
			sim.call{ to = "record" }:runs(3):hangup()
			expect(sim.file("messages/2.wav"):sub(1, 4)):is("RIFF")
		end)
		it("finds records", function()
			expect(sim.call{ to = "count", from = "+44123" }.code):is(480)
			expect(sim.call{ to = "count", from = "+44123" }.code):is(481)
			expect(sim.call{ to = "count", from = "+33123" }.code):is(482)
			sim.pass(7200)
			expect(sim.call{ to = "count", from = "+44123" }.code):is(480)
		end)`)
}

// A spec hears which text was spoken.
func TestSpecSpeech(t *testing.T) {
	passes(t, 2, `return { on_call = function(call)
			call:say("Hello, " .. call.from.user, { voice = "en-gb" })
			call:play{ "goodbye", "say:See you" }
		end }`,
		`it("hears text", function()
			sim.call{ to = "1", from = "alice" }:hears("say:Hello, alice"):hears("goodbye"):hears("say:See you")
			expect(#sim.recordings()):is(0)
		end)
		it("tells texts apart", function()
			local c = sim.call{ to = "1", from = "bob" }
			expect(pcall(function() c:hears("say:Hello, alice") end)):is(false)
		end)`)
}
