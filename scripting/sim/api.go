package sim

import (
	"slices"
	"strings"

	lua "github.com/yuin/gopher-lua"

	"tandem/scripting"
)

// function is something that specs may call. The tables of them are also what the
// definitions for editors and the reference of docs/testing.md are made of.
type function struct {
	name    string
	params  []string // "name type", with a question mark behind the name if it may be missing
	returns string   // type; "" for nothing
	doc     string
	run     lua.LGFunction
}

// property is a value that is looked up when a spec reads it.
type property struct {
	name, typ, doc string
	get            func(L *lua.LState, object any) lua.LValue
}

// object is a class of userdata.
type object struct {
	name       string // as editors know it
	called     string // as messages and examples call it
	doc        string
	functions  []function
	properties []property
}

// table is one of options that a function takes, or of what it gives.
type table struct {
	name, doc string
	fields    []string // as params
	docs      []string
}

// globals are the functions that stand by themselves.
func (f *file) globals() []function {
	return []function{
		{"describe", []string{"name string", "body fun()"}, "", "Groups specs under a name; groups may stand in groups.", f.describe},
		{"it", []string{"name string", "spec fun()"}, "", "A spec. It has a server, a clock and recordings of its own.", f.it},
		{"before_each", []string{"step fun()"}, "", "Runs before each spec of its group and of the groups within, the outermost first.", f.beforeEach},
		{"expect", []string{"value any"}, "Expectation", "Holds a value against what it should be.", f.expect},
	}
}

// simFunctions are those of the table sim.
func (f *file) simFunctions() []function {
	return slices.Concat([]function{
		{"call", []string{"options SimCallOptions"}, "SimCall", "A caller dials. By `user` it is a registered user, by `trunk` somebody outside, else an address that the server trusts.", f.simCall},
		{"at", []string{"moment string", "zone? string"}, "", "What time it is, such as `sim.at(\"2026-12-24 18:00\", \"Europe/London\")`; without it Monday 5 January 2026, noon UTC. After the first call it moves the clock on.", f.simAt},
		{"now", nil, "number", "The simulated time, in seconds since 1970 UTC.", f.simNow},
		{"pass", []string{"seconds number"}, "", "Lets time go by.", f.simPass},
		{"settings", []string{"settings table"}, "", "What config.get answers, as `[scripts.settings]`; a spec begins with none.", f.simSettings},
		{"scripts", []string{"plugins table<string, string>"}, "", "Plugins for this spec instead of the folder's, by file name, and files beside them such as `rates.csv`; `lib/` and `prompts/` stay.", f.simScripts},
		{"register", []string{"user string"}, "SimPhone", "A registered phone of a user. Whoever calls or is waited for has one without being asked.", f.simRegister},
		{"dials", []string{"target string"}, "SimCallee", "Waits until a target is called, for no caller: what originate calls, after a hangup, too. A user it calls before is registered by sim.register.", f.simDials},
		{"http", []string{"method string", "url string", "answer? SimAnswer"}, "fun(): SimRequest[]", "Answers the requests of scripts to URLs that begin so; \"\" is every method. It returns a function that lists the requests so far.", f.simHTTP},
		{"db", []string{"name string", "sql string", "... any"}, "table[]", "Asks a database of the spec's own, before or while scripts use it: \"crm\" stands for `[db.crm]`, \"\" for the scripts' own. It gives the rows of a query.", f.simDB},
		{"mail", []string{"options? table"}, "table[]", "The mails that scripts have sent so far: from, to, cc, bcc, subject, text, html, and attachments with name, type and content. `sim.mail{ fails = \"552 full\" }` lets the server refuse those that follow.", f.simMail},
		{"file", []string{"path string", "content? string"}, "string?", "Reads a file below the recordings folder, nil when there is none; with content, writes it.", f.simFile},
		{"vanish", []string{"target string"}, "", "Takes `user:NAME`, `trunk:NAME` or `sip:ADDRESS` off the network: nothing gets there or comes from there any more.", f.simVanish},
		{"recording", []string{"path string"}, "SimRecording", "A file below the recordings folder, once it is complete.", f.simRecording},
		{"recordings", nil, "string[]", "The paths of all recordings.", f.simRecordings},
	})
}

// objects are the classes that specs meet.
func (f *file) objects() []object {
	return []object{f.callObject(), f.calleeObject(), f.phoneObject(), recordingObject(), expectationObject()}
}

func (f *file) callObject() object {
	return object{name: "SimCall", called: "call", doc: "A caller's call. It goes out when the spec first waits for something, so whoever is dialled can be named before.",
		functions: []function{
			{"hears", []string{"sound string|string[]", "options? HearOptions"}, "SimCall", "Waits until the caller hears the beginning of a prompt, a tone, a recording or a list of them, after what was last heard. With `as` it is what call:say reads: `c:hears(42, { as = \"number\" })`.", f.callHears},
			{"hears_nothing", []string{"seconds number"}, "SimCall", "Lets time go by, in which the caller must hear nothing.", f.callHearsNothing},
			{"says", []string{"sound string|string[]", "options? SayAs"}, "SimCall", "The caller speaks: a prompt, a recording or a tone is played into the call, to its end.", f.callSays},
			{"press", []string{"keys string"}, "SimCall", "Presses keys once the call is answered; a comma waits a second.", f.callPress},
			{"rings", nil, "SimCall", "Waits until the caller's phone is told that it rings (180).", f.callRings},
			{"dials", []string{"target string"}, "SimCallee", "Waits until `user:NAME`, `trunk:NAME/NUMBER` or `sip:ADDRESS` is called, and gives its far end.", f.callDials},
			{"runs", []string{"seconds number"}, "SimCall", "Lets time go by, in which the call must not end.", f.callRuns},
			{"hangup", nil, "SimCall", "The caller hangs up, or gives up while it rings.", f.callHangup},
			{"ends", []string{"code? integer"}, "SimCall", "Waits until the call has ended, with that code if one is given.", f.callEnds},
			{"holds", nil, "SimCall", "Puts the other side on hold.", f.callHolds},
			{"resumes", nil, "SimCall", "Takes the other side back from hold.", f.callResumes},
			{"transfers", []string{"to string"}, "SimCall", "Asks for a transfer to a number or URI.", f.callTransfers},
			{"vanishes", nil, "SimCall", "The caller's network is gone: nothing comes from there any more, and nobody is told.", f.callVanishes},
		},
		properties: []property{
			{"code", "integer", "how it ended: 200, or what it was refused with. Waits for the end", f.callCode},
			{"state", `"calling"|"ringing"|"answered"|"ended"`, "at this moment, as the caller's phone sees it", f.callState},
			{"cdr", "Record", "its record. Waits for the end", f.callRecord},
			{"digits", "string", "the keys that the caller's phone has received so far", f.callDigits},
			{"transferred", "integer", "what came of its transfer: 200, or why it failed. Waits for it", f.callTransferred},
		}}
}

func (f *file) calleeObject() object {
	return object{name: "SimCallee", called: "callee", doc: "Somebody whom the server has called.",
		functions: []function{
			{"answers", []string{"options? After"}, "SimCallee", "Rings and answers.", f.calleeAnswers},
			{"fails", []string{"how integer|\"busy\"|\"declined\"|\"unavailable\"|\"noanswer\"|\"network\"", "options? After"}, "SimCallee", "Refuses with a code or what a word stands for; \"noanswer\" rings for ever, after \"network\" nothing is heard of it any more.", f.calleeFails},
			{"rings", nil, "SimCallee", "Rings, and does nothing else for now.", f.calleeRings},
			{"progresses", []string{"sound string|string[]"}, "SimCallee", "Gives early media (183) and plays a sound into it.", f.calleeProgresses},
			{"hears", []string{"sound string|string[]", "options? HearOptions"}, "SimCallee", "As of a call.", f.calleeHears},
			{"hears_nothing", []string{"seconds number"}, "SimCallee", "As of a call.", f.calleeHearsNothing},
			{"says", []string{"sound string|string[]", "options? SayAs"}, "SimCallee", "As of a call.", f.calleeSays},
			{"press", []string{"keys string"}, "SimCallee", "Presses keys; a comma waits a second.", f.calleePress},
			{"hangup", nil, "SimCallee", "Hangs up.", f.calleeHangup},
			{"ends", nil, "SimCallee", "Waits until this leg is over: hung up, or cancelled because somebody else has answered.", f.calleeEnds},
			{"holds", nil, "SimCallee", "Puts the caller on hold.", f.calleeHolds},
			{"resumes", nil, "SimCallee", "Takes the caller back from hold.", f.calleeResumes},
			{"forwards", []string{"to string"}, "SimCallee", "Answers with a redirection (302).", f.calleeForwards},
			{"transfers", []string{"to string"}, "SimCallee", "Asks for a transfer to a number or URI.", f.calleeTransfers},
			{"vanishes", nil, "SimCallee", "Its network is gone: nothing comes from there any more.", f.calleeVanishes},
			{"header", []string{"name string"}, "string?", "A header of the INVITE that called it.", f.calleeHeader},
		},
		properties: []property{
			{"state", `"calling"|"ringing"|"answered"|"ended"`, "at this moment", f.calleeState},
			{"from", "string", "the caller's number as it shows", f.calleeFrom},
			{"display", "string", "the caller's name as it shows", f.calleeDisplay},
			{"number", "string", "the number that was called", f.calleeNumber},
			{"digits", "string", "the keys that its phone has received so far", f.calleeDigits},
			{"host", "string", "its address, such as 10.0.2.1:5060", f.calleeHost},
			{"cdr", "Record", "the record of the call that it is a leg of. Waits for the end", f.calleeRecord},
			{"transferred", "integer", "what came of its transfer: 200, or why it failed. Waits for it", f.calleeTransferred},
		}}
}

func (f *file) phoneObject() object {
	return object{name: "SimPhone", called: "phone", doc: "A registered phone.",
		functions: []function{
			{"unregister", nil, "", "Takes the registration back.", f.phoneUnregister},
		}}
}

func recordingObject() object {
	return object{name: "SimRecording", called: "recording", doc: "A finished recording.",
		functions: []function{
			{"has", []string{"sound string|string[]", "options? SayAs"}, "SimRecording", "Expects that a sound was recorded; of a stereo file on either side.", recordingHas},
		},
		properties: []property{
			{"path", "string", "below the recordings folder", func(_ *lua.LState, o any) lua.LValue { return lua.LString(o.(*recording).path) }},
			{"seconds", "number", "how long it is", func(_ *lua.LState, o any) lua.LValue { return lua.LNumber(o.(*recording).seconds) }},
		}}
}

func expectationObject() object {
	return object{name: "Expectation", called: "expectation", doc: "A value that is looked at.",
		functions: []function{
			{"is", []string{"wanted any"}, "Expectation", "The same; tables are compared by what is in them.", expectIs},
			{"is_not", []string{"other any"}, "Expectation", "Anything else.", expectIsNot},
			{"contains", []string{"part any"}, "Expectation", "Text that contains a part, or a list that contains a value.", expectContains},
			{"matches", []string{"pattern string"}, "Expectation", "Text that a Lua pattern finds something in.", expectMatches},
			{"at_least", []string{"least number"}, "Expectation", "A number that is not smaller.", expectAtLeast},
			{"at_most", []string{"most number"}, "Expectation", "A number that is not larger.", expectAtMost},
		}}
}

// tables are the options that functions take.
func tables() []table {
	return []table{
		{"SimCallOptions", "Who calls whom.",
			[]string{"to string", "user? string", "trunk? string", "from? string", "display? string", "headers? table<string, string>"},
			[]string{"the number that is dialled", "a registered user", "the trunk it comes by", "the caller's number; not with user", "the caller's name", "fields of the INVITE"}},
		{"HearOptions", "What is listened for.", []string{`as? "digits"|"number"|"date"|"time"`, "within? number"}, []string{"as call:say reads it", "seconds, 30 by default"}},
		{"SayAs", "What is said.", []string{`as? "digits"|"number"|"date"|"time"`}, []string{"as call:say reads it"}},
		{"After", "When.", []string{"after? number"}, []string{"seconds of ringing, 0 by default"}},
		{"SimAnswer", "An HTTP answer.", []string{"status? integer", "body? string", "headers? table<string, string>"}, []string{"200 by default", "", ""}},
		{"SimRequest", "A request that was made.", []string{"method string", "url string", "body string"}, []string{"", "", ""}},
	}
}

// names lists what an object has, for those who misspell it.
func (o object) names() []string {
	var out []string
	for _, fn := range o.functions {
		out = append(out, fn.name)
	}
	for _, p := range o.properties {
		out = append(out, p.name)
	}
	return out
}

// unknown raises an error about a name that is not there.
func unknown(L *lua.LState, what, name string, known []string) {
	hint := scripting.Suggest(name, known)
	if hint == "" {
		slices.Sort(known)
		hint = "; there are " + strings.Join(known, ", ")
	}
	L.RaiseError("%s has no %s%s", what, name, hint)
}
