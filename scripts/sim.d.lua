---@meta
-- What the specs of spec/ may call besides Lua's own, for editors: https://luals.github.io/wiki/annotations
-- Generated from the simulation's own table; it is not run.

---Groups specs under a name; groups may stand in groups.
---@param name string
---@param body fun()
function describe(name, body) end

---A spec. It has a server, a clock and recordings of its own.
---@param name string
---@param spec fun()
function it(name, spec) end

---Runs before each spec of its group and of the groups within, the outermost first.
---@param step fun()
function before_each(step) end

---Holds a value against what it should be.
---@param value any
---@return Expectation
function expect(value) end

---Who calls whom.
---@class SimCallOptions
---@field to string the number that is dialled
---@field user? string a registered user
---@field trunk? string the trunk it comes by
---@field from? string the caller's number; not with user
---@field display? string the caller's name
---@field headers? table<string, string> fields of the INVITE

---What is listened for.
---@class HearOptions
---@field as? "digits"|"number"|"date"|"time" as call:say reads it
---@field within? number seconds, 30 by default

---What is said.
---@class SayAs
---@field as? "digits"|"number"|"date"|"time" as call:say reads it

---When.
---@class After
---@field after? number seconds of ringing, 0 by default

---An HTTP answer.
---@class SimAnswer
---@field status? integer 200 by default
---@field body? string
---@field headers? table<string, string>

---A request that was made.
---@class SimRequest
---@field method string
---@field url string
---@field body string

---A caller's call. It goes out when the spec first waits for something, so whoever is dialled can be named before.
---@class SimCall
---@field code integer how it ended: 200, or what it was refused with. Waits for the end
---@field state "calling"|"ringing"|"answered"|"ended" at this moment, as the caller's phone sees it
---@field cdr Record its record. Waits for the end
---@field digits string the keys that the caller's phone has received so far
---@field transferred integer what came of its transfer: 200, or why it failed. Waits for it
local SimCall = {}

---Waits until the caller hears the beginning of a prompt, a tone, a recording or a list of them, after what was last heard. With `as` it is what call:say reads: `c:hears(42, { as = "number" })`.
---@param sound string|string[]
---@param options? HearOptions
---@return SimCall
function SimCall:hears(sound, options) end

---Lets time go by, in which the caller must hear nothing.
---@param seconds number
---@return SimCall
function SimCall:hears_nothing(seconds) end

---The caller speaks: a prompt, a recording or a tone is played into the call, to its end.
---@param sound string|string[]
---@param options? SayAs
---@return SimCall
function SimCall:says(sound, options) end

---Presses keys once the call is answered; a comma waits a second.
---@param keys string
---@return SimCall
function SimCall:press(keys) end

---Waits until the caller's phone is told that it rings (180).
---@return SimCall
function SimCall:rings() end

---Waits until `user:NAME`, `trunk:NAME/NUMBER` or `sip:ADDRESS` is called, and gives its far end.
---@param target string
---@return SimCallee
function SimCall:dials(target) end

---Lets time go by, in which the call must not end.
---@param seconds number
---@return SimCall
function SimCall:runs(seconds) end

---The caller hangs up, or gives up while it rings.
---@return SimCall
function SimCall:hangup() end

---Waits until the call has ended, with that code if one is given.
---@param code? integer
---@return SimCall
function SimCall:ends(code) end

---Puts the other side on hold.
---@return SimCall
function SimCall:holds() end

---Takes the other side back from hold.
---@return SimCall
function SimCall:resumes() end

---Asks for a transfer to a number or URI.
---@param to string
---@return SimCall
function SimCall:transfers(to) end

---The caller's network is gone: nothing comes from there any more, and nobody is told.
---@return SimCall
function SimCall:vanishes() end

---Somebody whom the server has called.
---@class SimCallee
---@field state "calling"|"ringing"|"answered"|"ended" at this moment
---@field from string the caller's number as it shows
---@field display string the caller's name as it shows
---@field number string the number that was called
---@field digits string the keys that its phone has received so far
---@field host string its address, such as 10.0.2.1:5060
---@field cdr Record the record of the call that it is a leg of. Waits for the end
---@field transferred integer what came of its transfer: 200, or why it failed. Waits for it
local SimCallee = {}

---Rings and answers.
---@param options? After
---@return SimCallee
function SimCallee:answers(options) end

---Refuses with a code or what a word stands for; "noanswer" rings for ever, after "network" nothing is heard of it any more.
---@param how integer|"busy"|"declined"|"unavailable"|"noanswer"|"network"
---@param options? After
---@return SimCallee
function SimCallee:fails(how, options) end

---Rings, and does nothing else for now.
---@return SimCallee
function SimCallee:rings() end

---Gives early media (183) and plays a sound into it.
---@param sound string|string[]
---@return SimCallee
function SimCallee:progresses(sound) end

---As of a call.
---@param sound string|string[]
---@param options? HearOptions
---@return SimCallee
function SimCallee:hears(sound, options) end

---As of a call.
---@param seconds number
---@return SimCallee
function SimCallee:hears_nothing(seconds) end

---As of a call.
---@param sound string|string[]
---@param options? SayAs
---@return SimCallee
function SimCallee:says(sound, options) end

---Presses keys; a comma waits a second.
---@param keys string
---@return SimCallee
function SimCallee:press(keys) end

---Hangs up.
---@return SimCallee
function SimCallee:hangup() end

---Waits until this leg is over: hung up, or cancelled because somebody else has answered.
---@return SimCallee
function SimCallee:ends() end

---Puts the caller on hold.
---@return SimCallee
function SimCallee:holds() end

---Takes the caller back from hold.
---@return SimCallee
function SimCallee:resumes() end

---Answers with a redirection (302).
---@param to string
---@return SimCallee
function SimCallee:forwards(to) end

---Asks for a transfer to a number or URI.
---@param to string
---@return SimCallee
function SimCallee:transfers(to) end

---Its network is gone: nothing comes from there any more.
---@return SimCallee
function SimCallee:vanishes() end

---A header of the INVITE that called it.
---@param name string
---@return string?
function SimCallee:header(name) end

---A registered phone.
---@class SimPhone
local SimPhone = {}

---Takes the registration back.
function SimPhone:unregister() end

---A finished recording.
---@class SimRecording
---@field path string below the recordings folder
---@field seconds number how long it is
local SimRecording = {}

---Expects that a sound was recorded; of a stereo file on either side.
---@param sound string|string[]
---@param options? SayAs
---@return SimRecording
function SimRecording:has(sound, options) end

---A value that is looked at.
---@class Expectation
local Expectation = {}

---The same; tables are compared by what is in them.
---@param wanted any
---@return Expectation
function Expectation:is(wanted) end

---Anything else.
---@param other any
---@return Expectation
function Expectation:is_not(other) end

---Text that contains a part, or a list that contains a value.
---@param part any
---@return Expectation
function Expectation:contains(part) end

---Text that a Lua pattern finds something in.
---@param pattern string
---@return Expectation
function Expectation:matches(pattern) end

---A number that is not smaller.
---@param least number
---@return Expectation
function Expectation:at_least(least) end

---A number that is not larger.
---@param most number
---@return Expectation
function Expectation:at_most(most) end

---Simulated calls, for use inside of it and before_each.
---@class simlib
sim = {}

---A caller dials. By `user` it is a registered user, by `trunk` somebody outside, else an address that the server trusts.
---@param options SimCallOptions
---@return SimCall
function sim.call(options) end

---What time it is, such as `sim.at("2026-12-24 18:00", "Europe/London")`; without it Monday 5 January 2026, noon UTC. After the first call it moves the clock on.
---@param moment string
---@param zone? string
function sim.at(moment, zone) end

---The simulated time, in seconds since 1970 UTC.
---@return number
function sim.now() end

---Lets time go by.
---@param seconds number
function sim.pass(seconds) end

---What config.get answers, as `[scripts.settings]`; a spec begins with none.
---@param settings table
function sim.settings(settings) end

---Plugins for this spec instead of the folder's, by file name, and files beside them such as `rates.csv`; `lib/` and `prompts/` stay.
---@param plugins table<string, string>
function sim.scripts(plugins) end

---A registered phone of a user. Whoever calls or is waited for has one without being asked.
---@param user string
---@return SimPhone
function sim.register(user) end

---Waits until a target is called, for no caller: what originate calls, after a hangup, too. A user it calls before is registered by sim.register.
---@param target string
---@return SimCallee
function sim.dials(target) end

---Answers the requests of scripts to URLs that begin so; "" is every method. It returns a function that lists the requests so far.
---@param method string
---@param url string
---@param answer? SimAnswer
---@return fun(): SimRequest[]
function sim.http(method, url, answer) end

---Asks a database of the spec's own, before or while scripts use it: "crm" stands for `[db.crm]`, "" for the scripts' own. It gives the rows of a query.
---@param name string
---@param sql string
---@param ... any
---@return table[]
function sim.db(name, sql, ...) end

---The mails that scripts have sent so far: from, to, cc, bcc, subject, text, html, and attachments with name, type and content. `sim.mail{ fails = "552 full" }` lets the server refuse those that follow.
---@param options? table
---@return table[]
function sim.mail(options) end

---Reads a file below the recordings folder, nil when there is none; with content, writes it.
---@param path string
---@param content? string
---@return string?
function sim.file(path, content) end

---Takes `user:NAME`, `trunk:NAME` or `sip:ADDRESS` off the network: nothing gets there or comes from there any more.
---@param target string
function sim.vanish(target) end

---A file below the recordings folder, once it is complete.
---@param path string
---@return SimRecording
function sim.recording(path) end

---The paths of all recordings.
---@return string[]
function sim.recordings() end
