---@meta
-- What Tandem's scripts may call, for editors: https://luals.github.io/wiki/annotations
-- Generated from the server's own table; it is not run.

---A sound: a prompt (`main-menu` is `prompts/main-menu.wav`), a recording's path, `tone:425/1000,0/4000` or `tone:busy`, `silence:2`, `say:number:42` (or `digits`, `date`, `time`), `https://example.com/hello.mp3`, or a list of them played without a gap.
---@alias Source string|string[]

---Whom to call: `user:1001` (all its registered phones), `sip:bob@example.com;transport=tcp`, `route:700` (our own scripts, as if dialled), `park:701` (whoever is parked there), `call:ID` (the caller of a call in progress who talks to nobody: parked, in a queue or a menu), or a list of them.
---@alias Target string|string[]

---A call, as `on_call` gets it.
---@class Call
---@field id string our id, as in the record
---@field from Address the caller
---@field to Address the To header
---@field number string what was dialled
---@field user string? the authenticated user
---@field trunk string? the trunk it came by
---@field source CallSource where it came from
---@field state "new"|"ringing"|"answered"|"ended"
---@field vars table yours to fill; kept in the record as JSON
---@field secret boolean set it to true while the caller presses what nobody is to read, such as a card's number: the record then tells that keys were pressed and not which, until it is false again
local Call = {}

---Reads a header.
---```lua
---local ua = call:header("User-Agent")
---```
---@param name string upper and lower case are the same
---@return string? value the first one, or nil
function Call:header(name) end

---Reads all values of a header of the call's INVITE.
---```lua
---for _, v in ipairs(call:headers("Diversion")) do log.info(v) end
---```
---@param name string
---@return string[] values empty when there is none
function Call:headers(name) end

---Lets the caller hear ringing (180). It does not take the call.
---```lua
---call:ring()
---call:sleep(2)
---call:answer()
---```
---@return boolean? ok true, or nil
---@return string? reason why not, such as "hangup"
function Call:ring() end

---Sends 183 with early media and returns when it has been played. It does not take the call: call:reject may follow.
---```lua
---call:progress{ play = "not-available" }
---call:reject(480)
---```
---@param options? ProgressOptions
---@return boolean? ok true, or nil
---@return string? reason why not, such as "hangup"
function Call:progress(options) end

---Answers the call. Answering an answered call does nothing.
---```lua
---call:answer()
---```
---@param options? AnswerOptions
---@return boolean? ok true, or nil
---@return string? reason why not, such as "hangup"
function Call:answer(options) end

---Refuses an unanswered call.
---```lua
---call:reject(486, "Busy Here")
---```
---@param code integer 300 to 699
---@param reason? string the standard phrase by default
---@param headers? table<string, string|string[]>
---@return boolean? ok true, or nil
---@return string? reason why not, such as "hangup"
function Call:reject(code, reason, headers) end

---Tells the caller's phone to call somebody else (302).
---```lua
---call:redirect("sip:bob@example.com")
---```
---@param uri string where to call instead
---@param ... string more, in order of preference
---@return boolean? ok true, or nil
---@return string? reason why not, such as "hangup"
function Call:redirect(uri, ...) end

---Ends the call.
---```lua
---call:hangup()
---```
---@param cause? integer Q.850 cause
---@return boolean? ok true, or nil
---@return string? reason why not, such as "hangup"
function Call:hangup(cause) end

---Plays a sound, or a list of them without a gap, and returns when it has ended. An unanswered call is answered first. Keys that do not stop it wait until they are taken.
---```lua
---local how, digit = call:play({ "you-have", "messages" }, { stop = "any" })
---```
---@param source Source
---@param options? PlayOptions
---@return "done"|"digit"|nil how or nil and "not found" or "hangup"
---@return string? digit the key that ended it
function Call:play(source, options) end

---Plays a prompt and takes keys. Keys that wait are taken first, and the prompt is then not started.
---```lua
---local pin = call:gather{ prompt = "enter-pin", min = 4, max = 4, tries = 3, invalid = "invalid" }
---```
---@param options? GatherOptions
---@return string? digits or nil
---@return "max"|"finish"|"timeout"|"invalid"|"hangup" why what ended it
function Call:gather(options) end

---Offers choices. A function is called with the call and the keys pressed; when it returns "repeat" the menu plays again, and so it does when a menu within it returns "back".
---```lua
---call:menu{
---  prompt = "main-menu", invalid = "invalid",
---  ["1"] = function(call) return call:play("opening-hours") end,
---  ["2"] = "user:1001",
---  ["101"] = "user:1101",
---  ["*"] = "repeat",
---}
---```
---@param menu MenuOptions
---@return any result the function's result, the bridge's table, or "back"; or nil
---@return "timeout"|"invalid"|"hangup"|nil why when the tries are used up
function Call:menu(menu) end

---Reads something aloud. Text is spoken by the program or the service that `[say]` names, and kept, so that the same text is made once; without one it gives nil, "not found" with a line in the log. Digits, numbers, dates, times and money are put together from recorded words.
---```lua
---call:say(42, { as = "number" })
---```
---@param text string|number
---@param options? SayOptions
---@return "done"|nil how or nil and "not found" or "hangup"
function Call:say(text, options) end

---Records what the caller says. When the caller hangs up the file is kept, and why is "hangup".
---```lua
---local message = call:record("messages/" .. call.id, { max = 120 })
---if message and message.seconds > 1 then log.info("message", { file = message.path }) end
---```
---@param file string below the recordings folder; .wav or .opus says the format, .wav is added if there is no ending
---@param options? RecordOptions
---@return Recording? recording or nil and what went wrong
function Call:record(file, options) end

---Presses keys and returns when they are sent.
---```lua
---call:send_dtmf("1,,42#")
---```
---@param digits string 0-9 * # A-D; a comma waits
---@return boolean? ok true, or nil
---@return string? reason why not, such as "hangup"
function Call:send_dtmf(digits) end

---Forgets the keys that were pressed and not taken yet.
---```lua
---call:flush()
---```
---@return boolean? ok true, or nil
---@return string? reason why not, such as "hangup"
function Call:flush() end

---Waits.
---```lua
---call:sleep(0.5)
---```
---@param seconds number
---@return boolean? ok true, or nil
---@return string? reason why not, such as "hangup"
function Call:sleep(seconds) end

---Lets callers hear themselves. An unanswered call is answered first.
---```lua
---call:echo()
---```
---@param seconds? number until the caller hangs up by default
---@return boolean? ok true, or nil
---@return string? reason why not, such as "hangup"
function Call:echo(seconds) end

---Keeps what plays where it is, silent. For functions given to call:on.
---```lua
---call:on("dtmf", function() call:pause_playing() end)
---```
---@return boolean? ok true, or nil
---@return string? reason why not, such as "hangup"
function Call:pause_playing() end

---Goes on with what pause_playing has stopped.
---```lua
---call:on("dtmf", function() call:resume_playing() end)
---```
---@return boolean? ok true, or nil
---@return string? reason why not, such as "hangup"
function Call:resume_playing() end

---Goes on at another place of what plays.
---```lua
---call:on("dtmf", function() call:seek_playing(0) end)
---```
---@param seconds number from the beginning of what plays
---@return boolean? ok true, or nil
---@return string? reason why not, such as "hangup"
function Call:seek_playing(seconds) end

---Records the caller and what the caller hears, from now on and also while bridged, until stop_recording or the hangup. It does not answer the call.
---```lua
---call:start_recording("calls/" .. call.id .. ".opus", { stereo = true })
---```
---@param file string below the recordings folder; .wav or .opus says the format, .wav is added if there is no ending
---@param options? TapeOptions
---@return boolean? ok true, or nil
---@return string? reason why not, such as "hangup"
function Call:start_recording(file, options) end

---Keeps what follows out of the recording, such as a card's number.
---```lua
---call:pause_recording()
---```
---@return boolean? ok true, or nil
---@return string? reason why not, such as "hangup"
function Call:pause_recording() end

---Ends a pause of the recording.
---```lua
---call:resume_recording()
---```
---@return boolean? ok true, or nil
---@return string? reason why not, such as "hangup"
function Call:resume_recording() end

---Ends the recording that start_recording began.
---```lua
---local recording = call:stop_recording()
---```
---@return Recording? recording or nil and what went wrong, such as a full disk
function Call:stop_recording() end

---Calls somebody and returns the leg that answered, not yet joined with the caller.
---```lua
---local leg, failure = call:dial("user:1001", { timeout = 20 })
---if leg then
---  leg:say("5", { as = "digits" })
---  call:bridge(leg)
---end
---```
---@param targets Target whom to call
---@param options? DialOptions
---@return Leg? leg or nil
---@return Failure|string|nil failure why nobody was reached
function Call:dial(targets, options) end

---Joins the caller with a leg, or with whoever answers, until one of them leaves. If the callee leaves first, the script goes on with the caller.
---```lua
---local result = call:bridge("user:1001", { timeout = 25 })
---if result.state == "busy" then call:play("busy") end
---```
---@param to Leg|Target a leg of call:dial, or whom to call
---@param options? DialOptions
---@return BridgeResult result always a table
function Call:bridge(to, options) end

---Runs the chain of scripts anew, as if number had been dialled, and returns when that has ended: nil, "not found" when no script took it.
---```lua
---call:route("700")
---```
---@param number string
---@return boolean? ok true, or nil
---@return string? reason why not, such as "hangup"
function Call:route(number) end

---Asks the caller's phone to call somebody else by itself (REFER) and waits until it says that it has.
---```lua
---call:refer("sip:bob@example.com")
---```
---@param uri string whom the phone shall call
---@return boolean? ok true, or nil
---@return Failure|string|nil failure why not
function Call:refer(uri) end

---What one side hears while the other has it on hold.
---```lua
---call:hold_music("one-moment")
---```
---@param source Source? nil passes a hold on to the other phone again
---@return boolean? ok true, or nil
---@return string? reason why not, such as "hangup"
function Call:hold_music(source) end

---Brings the caller into a conference, until they hang up or are made to leave. All hear each other, those who only listen and those on hold are not heard, and neither is a line's noise. An unanswered call is answered first. The room is there while somebody is in it.
---```lua
---local result, why = call:conference("sales", { pin = "4711", max = 20, announce = true })
---if why == "full" then call:play("conference-full") end
---```
---@param room string any name
---@param options? ConferenceOptions
---@return ConferenceResult? result when the caller has left; or nil
---@return string? reason "full", "wrong pin", "moved"
function Call:conference(room, options) end

---Keeps the caller in a slot, with music, until somebody dials the target `park:SLOT`, the time is over, or they hang up. An unanswered call is answered first.
---```lua
---local result, why = call:park("701", { music = "tone:425/200,0/4800", timeout = 120 })
---if why == "taken" then call:bridge("park:701") elseif result.why == "timeout" then call:bridge("user:1001") end
---```
---@param slot string any name; phones that watch it see a lamp
---@param options? ParkOptions
---@return ParkResult? result when the caller has left the slot; or nil
---@return string? reason "taken" when somebody else is there
function Call:park(slot, options) end

---Lets the caller wait, with music, until an agent is free and answers, and joins the two until one of them leaves. First come, first served; an agent who talks is not rung, and never for two callers. An unanswered call is answered first. If the agent leaves first, the script goes on with the caller. A queue belongs to no script: calls of all scripts wait in it.
---```lua
---local r = call:queue("support", { agents = { "user:1001", "user:1002" }, strategy = "longest-idle",
---  music = "tone:425/200,0/4800", announce = 45, wrap_up = 10, max_wait = 600, exit = "1" })
---if r.why == "exit" or r.why == "timeout" then call:record("messages/" .. call.id) end
---```
---@param name string of the queue, any
---@param options? QueueOptions
---@return QueueResult result when the caller has left the queue, or the talk is over
function Call:queue(name, options) end

---Runs fn each time something happens, while the script is inside a function that waits. It only watches: digits still reach gather, a REFER is still carried out. silence comes once each time the caller has said nothing for 2 s, whatever hiss the line has. value is the digit, the URI of the REFER or the body of the INFO, else empty; who is "caller" or "callee".
---```lua
---call:on("refer", function(uri) log.info("transferred", { to = uri }) end)
---```
---@param event "dtmf"|"hangup"|"hold"|"resume"|"refer"|"info"|"silence"
---@param fn fun(value: string, who: string) what to run
function Call:on(event, fn) end

---Not built yet: it raises an error that says so.
---@param ... any
function Call:stream(...) end

---A leg that call:dial made.
---@class Leg
---@field vars table yours to fill
---@field target string whom it was dialled for
local Leg = {}

---Plays a sound, or a list of them without a gap, and returns when it has ended. An unanswered call is answered first. Keys that do not stop it wait until they are taken.
---```lua
---local how, digit = leg:play({ "you-have", "messages" }, { stop = "any" })
---```
---@param source Source
---@param options? PlayOptions
---@return "done"|"digit"|nil how or nil and "not found" or "hangup"
---@return string? digit the key that ended it
function Leg:play(source, options) end

---Plays a prompt and takes keys. Keys that wait are taken first, and the prompt is then not started.
---```lua
---local pin = leg:gather{ prompt = "enter-pin", min = 4, max = 4, tries = 3, invalid = "invalid" }
---```
---@param options? GatherOptions
---@return string? digits or nil
---@return "max"|"finish"|"timeout"|"invalid"|"hangup" why what ended it
function Leg:gather(options) end

---Reads something aloud. Text is spoken by the program or the service that `[say]` names, and kept, so that the same text is made once; without one it gives nil, "not found" with a line in the log. Digits, numbers, dates, times and money are put together from recorded words.
---```lua
---leg:say(42, { as = "number" })
---```
---@param text string|number
---@param options? SayOptions
---@return "done"|nil how or nil and "not found" or "hangup"
function Leg:say(text, options) end

---Presses keys and returns when they are sent.
---```lua
---leg:send_dtmf("1,,42#")
---```
---@param digits string 0-9 * # A-D; a comma waits
---@return boolean? ok true, or nil
---@return string? reason why not, such as "hangup"
function Leg:send_dtmf(digits) end

---Ends the leg.
---```lua
---if leg:gather{ prompt = "press-1-to-take-it" } ~= "1" then leg:hangup() end
---```
---@return boolean? ok true, or nil
---@return string? reason why not, such as "hangup"
function Leg:hangup() end

---Reads a header.
---```lua
---local ua = leg:header("User-Agent")
---```
---@param name string upper and lower case are the same
---@return string? value the first one, or nil
function Leg:header(name) end

---A database that the configuration names, from db.named.
---@class Database
local Database = {}

---Asks for rows.
---```lua
---local crm = db.named("crm")
---local rows, err = crm:query("select name from callers where number = ?", call.from.user)
---```
---@param sql string one statement
---@param ... string|number|boolean|nil a value for each `?` or `$1`
---@return table[]? rows a table each, by column name; or nil
---@return string? reason such as "timeout"
function Database:query(sql, ...) end

---Changes something.
---```lua
---local crm = db.named("crm")
---crm:exec("insert into callers values (?, ?) on conflict do nothing", call.from.user, call.from.display)
---```
---@param sql string one statement
---@param ... string|number|boolean|nil a value for each `?` or `$1`
---@return integer? changed rows inserted, updated or deleted; or nil
---@return integer|string id the last inserted row's id in SQLite; or the reason
function Database:exec(sql, ...) end

---Does several statements or none: they are taken back when fn raises an error, returns false, or one of them fails.
---```lua
---local crm = db.named("crm")
---crm:transaction(function(tx)
---  tx:exec("update accounts set credit = credit - 1 where number = ?", call.from.user)
---  tx:exec("insert into used values (?)", call.id)
---end)
---```
---@param fn fun(tx: Transaction): any may wait for nothing but `tx`
---@return any result what fn returned, true for nothing; or nil
---@return string? reason why nothing was changed
function Database:transaction(fn) end

---Statements that are done together or not at all, from db.transaction.
---@class Transaction
local Transaction = {}

---Asks for rows.
---```lua
---db.transaction(function(tx)
---  return tx:query("select credit from accounts where number = ?", call.from.user)[1]
---end)
---```
---@param sql string one statement
---@param ... string|number|boolean|nil a value for each `?` or `$1`
---@return table[]? rows or nil
---@return string? reason
function Transaction:query(sql, ...) end

---Changes something.
---```lua
---db.transaction(function(tx)
---  tx:exec("update accounts set credit = 0 where number = ?", call.from.user)
---end)
---```
---@param sql string one statement
---@param ... string|number|boolean|nil a value for each `?` or `$1`
---@return integer? changed rows changed, or nil
---@return integer|string id the last inserted row's id in SQLite; or the reason
function Transaction:exec(sql, ...) end

---Which records cdr.find gives. A pattern is a glob: `+44*`.
---@class RecordFilter
---@field since? string|number calls that began then or later: `24h` ago, `2026-11-01`, or seconds since 1970
---@field until? string|number calls that began before then
---@field from? string a pattern for who called
---@field to? string a pattern for what was dialled
---@field user? string a pattern
---@field trunk? string a pattern
---@field state? "open"|"answered"|"busy"|"noanswer"|"failed"|"cancelled"|"lost"
---@field min_duration? string|number seconds, or `2m`
---@field flag? string such as one_way
---@field limit? integer 50 by default, 1000 at most
---@field after? string the cursor that the last answer gave

---A file or folder, from file.list.
---@class FileEntry
---@field name string
---@field path string to read, play or delete it by
---@field size integer bytes
---@field modified number seconds since 1970
---@field folder boolean

---A mail. Addresses are `alice@example.com` or `Alice <alice@example.com>`.
---@class MailOptions
---@field to string|string[]
---@field cc? string|string[]
---@field bcc? string|string[]
---@field from? string `[mail] from` by default
---@field reply_to? string
---@field subject? string
---@field text? string the body; with html, what is shown where that cannot be
---@field html? string
---@field attachments? (string|Attachment)[] paths as file.read takes them, or tables; 25 MB in all

---A file that goes with a mail: one that is there, or content.
---@class Attachment
---@field path? string as file.read takes it
---@field content? string
---@field name? string the path's last part by default
---@field type? string such as audio/wav; by the name's ending if left out

---What timer.after returns.
---@class Timer
local Timer = {}

---Keeps the function from running.
---```lua
---local t = timer.after(10, function() call:hangup() end)
---t:cancel()
---```
---@return boolean cancelled false when it has run already, or runs
function Timer:cancel() end

---What originate calls, and how.
---@class OriginateOptions
---@field to Target whom to call
---@field on_answer fun(call: Call) serves the call once somebody has answered; when it returns, the call ends
---@field on_failure? fun(failure: Failure) runs when nobody has answered, or the call was hung up before
---@field from? string the number shown
---@field display? string the name shown
---@field timeout? number seconds to ring, 30 by default; with serial, for each target
---@field strategy? "parallel"|"serial" all targets at once, or one after the other; parallel by default
---@field headers? table<string, string|string[]> header fields to add
---@field codecs? string[] to offer, in this order
---@field max? number seconds the call may last
---@field redirects? boolean follow a 3xx, true by default
---@field privacy? boolean hide the number shown

---A party, as SIP names it.
---@class Address
---@field user string
---@field host string
---@field display string the name shown, or ""
---@field uri string

---Where a call came from.
---@class CallSource
---@field ip string
---@field port integer
---@field transport "udp"|"tcp"|"tls"|"ws"|"wss"

---Options of call:answer.
---@class AnswerOptions
---@field headers? table<string, string|string[]> header fields to add

---Options of call:progress.
---@class ProgressOptions
---@field play? Source early media

---Options of play.
---@class PlayOptions
---@field stop? string keys that end it, `"any"` for every key; none by default
---@field loop? integer how often it is played, 1 by default; -1 until it is stopped
---@field volume? number dB louder, or quieter when negative; 40 at most either way
---@field seek? number seconds into the sound where the first time begins

---Options of gather.
---@class GatherOptions
---@field prompt? Source played until the first key
---@field min? integer keys at least, 1 by default
---@field max? integer keys at most, 1 by default
---@field finish? string the key that ends input and is not returned, # by default; "" for none
---@field timeout? number seconds from the end of the prompt to the first key, 5 by default
---@field digit_timeout? number seconds after a key that end input, 2 by default
---@field tries? integer 1 by default
---@field pattern? string RE2, which the whole input must match
---@field invalid? Source played before another try when the input was wrong
---@field secret? boolean for a PIN: the call's timeline does not tell which keys were pressed; false by default

---A menu. Other keys are what callers press: one or more of 0-9 * #. Their value is a function, a target to bridge to, `"repeat"` or `"back"`.
---@class MenuOptions
---@field prompt? Source played until the first key
---@field tries? integer 3 by default
---@field invalid? Source played when no entry has what was pressed
---@field timeout? number seconds from the end of the prompt to the first key, 5 by default
---@field digit_timeout? number seconds to wait for more keys of a longer entry, 2 by default
---@field [string] string|string[]|fun(call: Call, digits: string): any

---Options of say.
---@class SayOptions
---@field as? "text"|"digits"|"number"|"date"|"time"|"money" how to read it, text by default. A date is written 2026-11-22 or as seconds since 1970, a time 14:05 or as seconds, money 12.50
---@field voice? string whose voice reads text; `[say] voice` by default
---@field language? string of recorded words: en, or one of lib/lang; `[say] language` by default
---@field currency? string of money: USD, EUR or GBP, or what the language knows; USD by default

---Options of call:record.
---@class RecordOptions
---@field max? number seconds at most, 60 by default
---@field silence? number seconds of silence that end it, 3 by default; 0 for none
---@field finish? string keys that end it, # by default; "" for none
---@field beep? boolean before it starts, true by default
---@field keep? boolean for what must outlive the call's record, such as a greeting: the record does not name it, so it is not removed with it; false by default

---What record and stop_recording made.
---@class Recording
---@field path string to play it by
---@field seconds number how long it is
---@field why "finish"|"silence"|"max"|"hangup"|"stopped" what ended it

---Options of start_recording.
---@class TapeOptions
---@field stereo? boolean the caller left and what the caller hears right; mixed by default
---@field only? "caller"|"callee" one side: what the caller says, or what the caller hears
---@field pause? "silence"|"skip" what a pause leaves in the file, silence by default; skip leaves nothing

---Options of call:dial and call:bridge.
---@class DialOptions
---@field timeout? number seconds to ring, 30 by default; with serial, for each target
---@field strategy? "parallel"|"serial" all targets at once, or one after the other; parallel by default
---@field headers? table<string, string|string[]> header fields to add
---@field from? string the user part of our From; the caller's by default
---@field display? string the name shown
---@field ringback? Source what the caller hears meanwhile, or "none"
---@field early_media? boolean pass the far end's early media on, true by default
---@field codecs? string[] to offer, in this order
---@field media? "relay"|"direct" relay by default; direct lets the phones send to each other, so nothing is heard or recorded here meanwhile
---@field max? number seconds a bridge may last
---@field redirects? boolean follow a 3xx, true by default; else its contacts are in the failure
---@field privacy? boolean hide the caller from whom is called
---@field on_answer? fun(leg: Leg): boolean? runs with each leg that answers, before it is joined; returning false declines, and the others ring on

---How a bridge went.
---@class BridgeResult
---@field state "answered"|"busy"|"noanswer"|"cancelled"|"failed"
---@field code integer SIP status
---@field reason string
---@field seconds number that the two talked
---@field by "caller"|"callee"|"script"|"system" who ended it

---Why nobody was reached.
---@class Failure
---@field code integer SIP status
---@field reason string
---@field state "busy"|"noanswer"|"cancelled"|"failed"
---@field contacts? string[] of a 3xx that was not followed

---How long a shared value lives.
---@class SharedOptions
---@field ttl? number seconds until it is gone; for ever by default
---@field persist? boolean keep it over a restart; of 65,536 keys at most. It is on disk about a second later

---Opening hours: a list such as `"Mon-Fri 09:00-17:30"`, and the zone they are in.
---@class Hours
---@field zone? string such as Europe/London; the server's by default
---@field holidays? string[] days that are closed: `2026-04-03`, or `12-25` of every year
---@field [integer] string

---What a file of scripts/ returns.
---@class Plugin
---@field on_call? fun(call: Call) an inbound call; goes to the next plugin while nobody has taken it
---@field on_register? fun(reg: Registration): boolean?, integer? a REGISTER of a known user; false and a code refuse it, true ends the chain
---@field on_auth? fun(user: string, realm: string): Credential|false|nil a user who is neither in the file nor in the store; false ends the chain. The answer is kept for a minute
---@field on_message? fun(msg: Message): integer|boolean|nil a SIP MESSAGE outside of any call; a code from 200 to 699 answers it, true is 200, false 403
---@field on_dial? fun(call: Call, target: string): boolean|table|nil, integer?, string? whatever a script of a call dials, before it does, and never an emergency number: false, a code and a reason refuse it, `{ max = seconds }` limits the bridge, true ends the chain. It may not wait
---@field on_hangup? fun(cdr: Record) a finished record, in every plugin, in a fresh state; ends after 5 s. No call waits for it
---@field on_load? fun() once a generation, before it is used; an error refuses it

---Options of a request. Only one of body, json and form may be given.
---@class HTTPOptions
---@field method? string of http.request, GET by default
---@field headers? table by name: a string, or a list of them
---@field query? table added to the URL: name and value
---@field body? string
---@field json? any a value to send as JSON
---@field form? table name and value, sent as a form
---@field user? string for basic authentication
---@field password? string
---@field timeout? number seconds for the whole request, retries included, 10 by default, 300 at most
---@field retries? integer tries after the first when the connection fails or the answer is 429, 502, 503 or 504; none by default, 5 at most. Between them it waits as Retry-After says, else 0.25 s, then twice as long each time
---@field max? number bytes of the answer's body, 1 MB by default, 8 MB at most

---An answer to an HTTP request.
---@class Response
---@field status integer
---@field headers table by name, in any case; several of a name are joined by a comma
---@field body string
local Response = {}

---Reads the body as JSON.
---```lua
---local response = http.get("https://crm.example.com/customers/17")
---local customer = response and response:json()
---```
---@return any value or nil
---@return string? error what is wrong
function Response:json() end

---A registered phone.
---@class Contact
---@field uri string as the phone wrote it
---@field source CallSource? where it registered from
---@field user_agent string
---@field registered number when it was first registered, as time.now() counts
---@field expires number seconds from now
---@field q number its preference, 0 to 1

---What a user's phones are told.
---@class NotifyOptions
---@field messages integer voice messages that were not heard yet
---@field heard? integer those that were, 0 by default

---A call in progress, as it was when it was asked for.
---@class LiveCall
---@field id string
---@field linked_id string of the first of the calls that belong together
---@field from Address
---@field to Address
---@field number string what was dialled
---@field user string? the authenticated user
---@field trunk string?
---@field source CallSource
---@field state "new"|"ringing"|"answered"|"ended"
---@field started number as time.now() counts
---@field answered number? as time.now() counts
local LiveCall = {}

---Ends the call: true, or nil and "hangup" when it has ended by itself.
---```lua
---calls.list()[1]:hangup()
---```
---@return boolean? ok true, or nil
---@return string? reason why not, such as "hangup"
function LiveCall:hangup() end

---Lets the caller of this script hear both sides of that call, unheard, until either call ends. Prompts that the call's own script plays are not heard.
---```lua
---local other = calls.get(call:header("X-Call") or "")
---if other then other:listen{ keys = true } end
---```
---@param options? SuperviseOptions
---@return SuperviseResult? result when either call has ended; or nil
---@return string? reason why not, such as "hangup" when it has ended
function LiveCall:listen(options) end

---As listen, and the supervisor is heard by one side: the callee, or to = "caller".
---```lua
---calls.list()[1]:whisper()
---```
---@param options? SuperviseOptions
---@return SuperviseResult? result when either call has ended; or nil
---@return string? reason why not, such as "hangup" when it has ended
function LiveCall:whisper(options) end

---As listen, and the supervisor is heard by both.
---```lua
---calls.list()[1]:barge()
---```
---@param options? SuperviseOptions
---@return SuperviseResult? result when either call has ended; or nil
---@return string? reason why not, such as "hangup" when it has ended
function LiveCall:barge(options) end

---Plays a sound to one side of that call or to both, who do not hear each other meanwhile, and returns when it has ended. A call that is hearing something else is left alone.
---```lua
---calls.list()[1]:play("tone:1400/200", { to = "callee" })
---```
---@param source Source
---@param options? LivePlayOptions
---@return boolean? ok true, or nil
---@return string? reason why not, such as "hangup"
function LiveCall:play(source, options) end

---Options of call:conference.
---@class ConferenceOptions
---@field pin? string digits that the caller has to enter first, within three tries; each caller's script may ask for another
---@field muted? boolean only listens, false by default
---@field max? integer how many may be in; the one beyond gets nil, "full"
---@field announce? boolean|Source tells the others who come and go, false by default; a sound is played in place of "a new caller is here"
---@field record? string file below the recordings folder that keeps what all say until the room is empty, .wav or .opus as in start_recording; nothing happens if the room is being recorded already
---@field rate? integer Hz at which it is mixed: 8000, 16000 by default, 48000; whoever comes first decides

---How the caller's time in a conference went.
---@class ConferenceResult
---@field room string
---@field seconds number that it lasted
---@field by "caller"|"script"|"system" who ended it: a kick by a script is script's

---Somebody in a conference.
---@class ConferenceMember
---@field id string of the call
---@field from Address
---@field number string what was dialled
---@field muted boolean
---@field speaking boolean at this moment
---@field since number as time.now() counts

---Options of call:park.
---@class ParkOptions
---@field music? Source what the caller hears, again and again; silence by default
---@field timeout? number seconds after which the script goes on with the caller; no limit by default

---How the caller's time in a parking slot went.
---@class ParkResult
---@field slot string
---@field why "retrieved"|"timeout"|"hangup"|"moved" retrieved: somebody has taken the call up, and this script is over; moved: the caller was transferred
---@field by "caller"|"callee"|"script"|"system" who ended it; callee is whoever took the call up
---@field call? string id of the call that has taken it up
---@field seconds number that it lasted

---Somebody in a parking slot.
---@class ParkedCall
---@field slot string
---@field id string of the call
---@field from Address
---@field number string what was dialled
---@field since number as time.now() counts

---Options of call:queue.
---@class QueueOptions
---@field agents? string|string[] targets that serve the queue, besides those that queue.join has added; the list of whoever came last counts
---@field strategy? "ring-all"|"longest-idle"|"round-robin" which free agents are rung: all, who has been without a call the longest, or one after the other; ring-all by default
---@field ring? number seconds an agent is rung, 20 by default
---@field retry? number seconds before an agent who has not answered is rung again, 5 by default
---@field wrap_up? number seconds an agent rests after a call, 0 by default
---@field max_wait? number seconds after which the caller leaves; no limit by default
---@field max? integer how many may wait; the one beyond gets why = "full"
---@field priority? integer who has more is served first, 0 by default
---@field exit? string keys by which the caller leaves
---@field leave_empty? boolean leave while there is no agent: all have left, are paused or have no phone registered; false by default
---@field music? Source what the caller hears, again and again; silence by default
---@field announce? number seconds between two announcements of position and wait in recorded words, the first at once; none by default
---@field message? Source played behind each announcement, such as what the exit keys do
---@field headers? table<string, string|string[]> header fields to add
---@field from? string the user part of our From towards agents; the caller's by default
---@field display? string the name shown to agents
---@field codecs? string[] to offer to agents, in this order
---@field max_talk? number seconds the talk may last
---@field on_answer? fun(leg: Leg): boolean? runs with the agent who answers, while the caller waits on: to whisper who is calling, say; returning false declines, and others are rung

---How the caller's time in a queue went.
---@class QueueResult
---@field queue string
---@field state "answered"|"noanswer"|"cancelled"|"failed" noanswer is max_wait; failed: full or empty
---@field why "answered"|"hangup"|"exit"|"timeout"|"full"|"empty"|"removed"|"retrieved"|"moved" removed by queue.remove, retrieved by the target call:ID
---@field by "caller"|"callee"|"script"|"system" who ended it, or the talk
---@field wait number seconds in the line
---@field position integer when the wait ended, from 1
---@field key? string exit: which
---@field agent? string answered: the target
---@field seconds number that the two talked

---A queue as it stands.
---@class QueueInfo
---@field name string
---@field callers QueueCaller[] in the order they are served
---@field agents QueueAgent[] in the order of the list
---@field answered integer callers since the start, here and in the next ones
---@field abandoned integer who hung up
---@field exited integer who left by a key
---@field timed_out integer
---@field refused integer full, or no agent there
---@field waited number seconds, by all who were answered
---@field talked number seconds, with all of them
---@field handle? number seconds that a caller takes an agent of late, wrap-up included; nil before the first

---Somebody who waits in a queue.
---@class QueueCaller
---@field id string of the call
---@field from Address
---@field number string what was dialled
---@field wait number seconds
---@field priority integer
---@field rings string[] the agents who are being rung

---Somebody who serves a queue.
---@class QueueAgent
---@field target string
---@field state "free"|"ringing"|"talking"|"wrap-up"|"busy"|"resting"|"paused"|"left"|"absent" busy: talks to somebody else; resting: has just missed a call; absent: no phone is registered
---@field since number of the state, as time.now() counts
---@field joined boolean by queue.join
---@field answered integer calls of all queues
---@field missed integer likewise

---Options of listen, whisper and barge.
---@class SuperviseOptions
---@field to? "callee"|"caller" who hears a whisper, the callee by default: the agent, where a queue has joined the two
---@field keys? boolean the supervisor's keys change what they do: 1 listens, 2 whispers, 3 barges in; false by default

---How listening to another call went.
---@class SuperviseResult
---@field by "caller"|"callee"|"script"|"system" who ended it: caller is the supervisor, callee means that the call that was heard has ended
---@field seconds number that it lasted

---Options of a LiveCall's play.
---@class LivePlayOptions
---@field to? "both"|"caller"|"callee" who hears it, both by default

---A REGISTER, as `on_register` gets it.
---@class Registration
---@field user string whose password was right
---@field contacts string[] their URIs, or `*`
---@field expires number seconds asked for; 0 to be removed
---@field source CallSource where it came from
---@field user_agent string

---How to check a user's password, as `on_auth` returns it: the password, or what RFC 7616 calls H(A1), H(user:realm:password).
---@class Credential
---@field password? string
---@field ha1? string of MD5, 32 hexadecimal digits
---@field ha1_sha256? string of SHA-256, 64 of them
---@field display? string the user's name

---A SIP MESSAGE, as `on_message` gets it.
---@class Message
---@field from Address
---@field to Address
---@field user string? the authenticated user
---@field source CallSource where it came from
---@field content_type string
---@field body string

---A call's record: the columns of `calls` (see records.md); what is not known is nil.
---@class Record
---@field id string
---@field linked_id string
---@field node string
---@field direction string
---@field from_user string
---@field from_host string
---@field from_display string
---@field to_user string
---@field to_host string
---@field source string
---@field auth_user string
---@field trunk string
---@field script string
---@field generation integer?
---@field script_error string
---@field start_ms integer
---@field ring_ms integer?
---@field answer_ms integer?
---@field end_ms integer?
---@field duration_ms integer
---@field billable_ms integer
---@field pdd_ms integer?
---@field state string
---@field sip_code integer?
---@field q850_cause integer?
---@field released_by string
---@field flags string
---@field recording string
---@field vars table

---Lines for the server's log, which also appear in the call's timeline. `print` is `log.info`.
---@class loglib
log = {}

---Writes a line that shows when the server logs at debug level.
---```lua
---log.debug("asked for opening hours")
---```
---@param message string what to write
---@param fields? table more facts, by name
function log.debug(message, fields) end

---Writes a line to the server's log and to the call's timeline.
---```lua
---log.info("caller chose sales", { digit = "1" })
---```
---@param message string what to write
---@param fields? table more facts, by name
function log.info(message, fields) end

---Writes a warning.
---```lua
---log.warn("nobody is registered for support", { waiting = 4 })
---```
---@param message string what to write
---@param fields? table more facts, by name
function log.warn(message, fields) end

---Writes an error; the call goes on.
---```lua
---log.error("the booking was not taken", { booking = 17 })
---```
---@param message string what to write
---@param fields? table more facts, by name
function log.error(message, fields) end

---Requests to other services. They go on after a hangup, for the 5 s that a script has then. Addresses that are not public are reached only where `[scripts.http] allow` names them.
---@class httplib
http = {}

---Asks for something.
---```lua
---local res, err = http.get("https://crm.example.com/customer", { query = { number = call.from.user }, timeout = 2 })
---if res and res.status == 200 then call.vars.customer = res:json().id end
---```
---@param url string http or https
---@param options? HTTPOptions
---@return Response? response whatever its status; or nil
---@return string? error such as "timeout" or "too large"
function http.get(url, options) end

---Sends something.
---```lua
---http.post("https://example.com/hook", { json = { caller = call.from.user, number = call.number } })
---```
---@param url string http or https
---@param options? HTTPOptions
---@return Response? response whatever its status; or nil
---@return string? error such as "timeout" or "too large"
function http.post(url, options) end

---Makes a request with any method; option method says which.
---```lua
---http.request("https://example.com/booking/7", { method = "DELETE" })
---```
---@param url string http or https
---@param options? HTTPOptions
---@return Response? response whatever its status; or nil
---@return string? error such as "timeout" or "too large"
function http.request(url, options) end

---JSON text from and to Lua values.
---@class jsonlib
json = {}

---Makes JSON of a value. A table with the keys 1 to n is an array, any other an object; an empty one is `{}`, unless it was decoded from `[]`. Functions, objects and tables that contain themselves raise an error.
---```lua
---local body = json.encode{ caller = call.from.user, choices = { 1, 2 } }
---```
---@param value any a string, number, boolean, nil, or a table of them
---@return string text
function json.encode(value) end

---Reads JSON. `null` is nil.
---```lua
---local order, err = json.decode('{"id": 17, "paid": true}')
---```
---@param text string JSON
---@return any value or nil and what is wrong
function json.decode(text) end

---SQL databases: a file of the scripts' own (SQLite, `scripts.db` in the data folder), and those that `[db.NAME]` names. One statement at a time; values are never put into its text but given after it, for `?` or `$1`. A statement takes 5 s at most, unless `[db.NAME] timeout` says otherwise. Values are strings, numbers and booleans; NULL is nil, so its column is missing from the row. Whole numbers over 2^53 and times come as strings (times in UTC). A query gives at most 10,000 rows and 4 MB.
---@class dblib
db = {}

---Asks for rows.
---```lua
---local rows, err = db.query("select name from callers where number = ?", call.from.user)
---```
---@param sql string one statement
---@param ... string|number|boolean|nil a value for each `?` or `$1`
---@return table[]? rows a table each, by column name; or nil
---@return string? reason such as "timeout"
function db.query(sql, ...) end

---Changes something.
---```lua
---db.exec("insert into callers values (?, ?) on conflict do nothing", call.from.user, call.from.display)
---```
---@param sql string one statement
---@param ... string|number|boolean|nil a value for each `?` or `$1`
---@return integer? changed rows inserted, updated or deleted; or nil
---@return integer|string id the last inserted row's id in SQLite; or the reason
function db.exec(sql, ...) end

---Does several statements or none: they are taken back when fn raises an error, returns false, or one of them fails.
---```lua
---db.transaction(function(tx)
---  tx:exec("update accounts set credit = credit - 1 where number = ?", call.from.user)
---  tx:exec("insert into used values (?)", call.id)
---end)
---```
---@param fn fun(tx: Transaction): any may wait for nothing but `tx`
---@return any result what fn returned, true for nothing; or nil
---@return string? reason why nothing was changed
function db.transaction(fn) end

---A database that the configuration names.
---```lua
---local rows, err = db.named("crm"):query("select name from customers where phone = $1", call.from.user)
---```
---@param name string `crm` for `[db.crm]`
---@return Database database
function db.named(name) end

---Values that all calls share: strings, numbers, booleans and tables of them. Reading gives a copy.
---@class sharedlib
shared = {}

---Reads a value.
---```lua
---local closed = shared.get("closed")
---```
---@param key string
---@return any value nil when it is not set or has expired
function shared.get(key) end

---Stores a value.
---```lua
---shared.set("last:" .. call.from.user, call.number, { ttl = 3600 })
---```
---@param key string
---@param value any nil removes it
---@param options? SharedOptions
---@return boolean? ok true, or nil
---@return string? reason why not, such as "hangup"
function shared.set(key, value, options) end

---Adds to a number in one step, from 0 when it is not set. With a ttl it starts anew; without, the number keeps its own.
---```lua
---if shared.incr("calls:" .. call.from.user, 1, { ttl = 60 }) > 10 then return call:reject(486) end
---```
---@param key string
---@param by? number 1 by default
---@param options? SharedOptions
---@return number value the new value
function shared.incr(key, by, options) end

---Removes a value.
---```lua
---shared.delete("closed")
---```
---@param key string
function shared.delete(key) end

---Changes a value in one step. When another call writes it meanwhile, fn runs again with what that wrote. An error in fn leaves it as it was. Without a ttl it keeps its own.
---```lua
---shared.update("agents", function(list)
---  list = list or {}
---  list[#list + 1] = call.from.user
---  return list
---end)
---```
---@param key string
---@param fn fun(value: any): any gets the value, returns the new one; must not wait
---@param options? SharedOptions
---@return any value the new value
function shared.update(key, fn, options) end

---The phones of users.
---@class registrarlib
registrar = {}

---Lists the phones that a user has registered.
---```lua
---if #registrar.contacts("1001") == 0 then call:play("not-registered") end
---```
---@param user string
---@return Contact[] contacts the best first; empty when no phone is registered
function registrar.contacts(user) end

---Tells whether there is such a user.
---```lua
---if not registrar.known(call.number) then return call:reject(404) end
---```
---@param user string
---@return boolean known in the configuration, in the store, or registered
function registrar.known(user) end

---Tells a user's phones how many voice messages wait (RFC 3842): their lamp is lit. It is remembered for phones that ask later, until the server ends; on_load may tell it anew.
---```lua
---registrar.notify("1001", { messages = 2 })
---```
---@param user string
---@param options NotifyOptions
function registrar.notify(user, options) end

---The calls in progress, of all scripts.
---@class callslib
calls = {}

---Lists the calls in progress.
---```lua
---log.info("busy", { calls = #calls.list() })
---```
---@return LiveCall[] calls the newest first
function calls.list() end

---Finds a call in progress.
---```lua
---local other = calls.get(shared.get("operator"))
---if other then other:hangup() end
---```
---@param id string
---@return LiveCall? call nil when there is none
function calls.get(id) end

---The conferences in use, of all scripts.
---@class conferencelib
conference = {}

---Lists who is in a conference.
---```lua
---log.info("in it", { members = #conference.list("sales") })
---```
---@param room string
---@return ConferenceMember[] members the longest there first; none if nobody is in it
function conference.list(room) end

---Makes a member leave; its script goes on after call:conference.
---```lua
---for _, m in ipairs(conference.list("sales")) do
---  conference.kick("sales", m.id)
---end
---```
---@param room string
---@param id string of the member's call
---@return boolean ok false when it is not in
function conference.kick(room, id) end

---Makes a member a listener.
---```lua
---conference.mute("sales", call.id)
---```
---@param room string
---@param id string of the member's call
---@param on? boolean false lets it be heard again; true by default
---@return boolean ok false when it is not in
function conference.mute(room, id, on) end

---Records what all in a conference say, from now on until stop_recording or until it is empty.
---```lua
---conference.record("sales", "rooms/sales.opus")
---```
---@param room string
---@param file string below the recordings folder; .wav or .opus says the format, .wav is added if there is no ending
---@return boolean? ok true, or nil
---@return string? reason why not, such as "hangup"
function conference.record(room, file) end

---Ends the recording of a conference; the file is complete then.
---```lua
---local recording = conference.stop_recording("sales")
---```
---@param room string
---@return Recording? recording or nil and what went wrong
function conference.stop_recording(room) end

---The parking slots in use, of all scripts.
---@class parkinglib
parking = {}

---Lists who is parked.
---```lua
---log.info("parked", { calls = #parking.list() })
---```
---@return ParkedCall[] parked by slot
function parking.list() end

---The queues, of all scripts.
---@class queuelib
queue = {}

---Tells how a queue stands.
---```lua
---local q = queue.get("support")
---if q and #q.callers > 20 then call:play("busy") end
---```
---@param name string of the queue
---@return QueueInfo? queue nil when it has not been used
function queue.get(name) end

---Makes somebody an agent of a queue until queue.leave or the server's end.
---```lua
---queue.join("support", "user:" .. call.user)
---```
---@param name string of the queue
---@param target string such as user:1001
---@return boolean? ok true, or nil
---@return string? reason why not, such as "hangup"
function queue.join(name, target) end

---Takes an agent out of a queue, also one that a script lists; a call that it has goes on.
---```lua
---queue.leave("support", "user:" .. call.user)
---```
---@param name string of the queue
---@param target string such as user:1001
---@return boolean ok false when it is no agent of it
function queue.leave(name, target) end

---Keeps an agent from being rung, in all queues.
---```lua
---queue.pause("user:" .. call.user)
---```
---@param target string such as user:1001
---@param on? boolean false ends it; true by default
---@return boolean ok false when it serves no queue
function queue.pause(target, on) end

---Makes a caller leave the queue; its script goes on with why = "removed".
---```lua
---for _, c in ipairs(queue.get("support").callers) do
---  queue.remove("support", c.id)
---end
---```
---@param name string of the queue
---@param id string of the call that waits
---@return boolean ok false when it does not wait there
function queue.remove(name, id) end

---The records of calls, as `tandem cdr list` shows them.
---@class cdrlib
cdr = {}

---Looks for records. The call that asks may or may not be among them: a record is written behind the call's back. It takes 5 s at most.
---```lua
---local missed = cdr.find{ to = call.user, state = "noanswer", since = "24h", limit = 10 }
---if missed then call:say(#missed, { as = "number" }) end
---```
---@param filter? RecordFilter
---@return Record[]? records the newest first, or nil
---@return string? next the cursor of those that follow, for option after; or the reason
function cdr.find(filter) end

---Files: recordings, and what lies beside the scripts. Paths with `..`, a leading `/` or a link that leads out raise an error.
---@class filelib
file = {}

---Reads a file of at most 8 MB.
---```lua
---local text = file.read("scripts/notice.txt")
---```
---@param path string below the recordings folder; `scripts/…` is below the scripts folder, where nothing can be changed
---@return string? content or nil
---@return string? reason such as "not found"
function file.read(path) end

---Lists a folder, at most 10,000 entries of it.
---```lua
---for _, entry in ipairs(file.list("messages/" .. call.user) or {}) do
---  call:play(entry.path)
---end
---```
---@param path? string a folder; the recordings folder itself by default
---@return FileEntry[]? entries by name, or nil
---@return string? reason
function file.list(path) end

---Removes a file, or an empty folder.
---```lua
---file.delete("messages/" .. call.user .. "/1.wav")
---```
---@param path string below the recordings folder; `scripts/…` is below the scripts folder, where nothing can be changed
---@return boolean? ok true, or nil
---@return string? reason why not, such as "hangup"
function file.delete(path) end

---Tables in files, separated by commas (or by semicolons, when the first line has more of those). The first line names the columns. A file is read once in a generation: a reload takes up its changes. All values are strings. csv.load suits short files, for each call gets a copy; in long ones csv.find and csv.prefix look without one.
---@class csvlib
csv = {}

---All rows, at most 10,000.
---```lua
---for _, row in ipairs(csv.load("holidays.csv") or {}) do
---  if row.date == time.format(time.now(), "%Y-%m-%d") then return call:play("closed") end
---end
---```
---@param path string below the scripts folder, such as `rates.csv`
---@return table<string, string>[]? rows a table each, by column; or nil
---@return string? reason with file and line
function csv.load(path) end

---The first row whose column has the value.
---```lua
---local customer = csv.find("customers.csv", "number", call.from.user)
---```
---@param path string below the scripts folder, such as `rates.csv`
---@param column string its name in the first line
---@param value string
---@return table<string, string>? row or nil
---@return string? reason "not found", or what is wrong with the file
function csv.find(path, column, value) end

---The row whose column has the longest beginning of the text, as rates of numbers are looked up.
---```lua
---local rate = csv.prefix("rates.csv", "prefix", call.number)
---if rate then call:bridge("trunk:" .. rate.trunk .. "/" .. call.number) end
---```
---@param path string below the scripts folder, such as `rates.csv`
---@param column string its name in the first line
---@param text string
---@return table<string, string>? row or nil
---@return string? reason "not found", or what is wrong with the file
function csv.prefix(path, column, text) end

---Mail, by the server that `[mail]` names.
---@class maillib
mail = {}

---Hands a mail to the server and waits until that has taken it. After a hangup there are the 5 s that all tidying has; for more, send it from spawn.
---```lua
---mail.send{ to = "alice@example.com", subject = "Voice message from " .. call.from.user,
---  text = "It is attached.", attachments = { "messages/" .. call.id .. ".wav" } }
---```
---@param mail MailOptions
---@return boolean? ok true, or nil
---@return string? reason why not, such as "hangup"
function mail.send(mail) end

---Settings of the configuration file's `[scripts.settings]`.
---@class configlib
config = {}

---Reads a setting.
---```lua
---call:play(config.get("greeting", "main-menu"))
---```
---@param key string `a.b` looks into the table a
---@param default? any for a key that is not set
---@return any value or the default, or nil
function config.get(key, default) end

---Regular expressions in RE2 syntax, which take linear time. A malformed one raises an error.
---@class relib
re = {}

---Finds the first match.
---```lua
---local area, rest = re.match(call.number, [[^\+44(20|161)(\d+)$]])
---```
---@param text string where to look
---@param expression string RE2 syntax
---@return string? ... the groups, or the whole match when there are none; nil without a match
function re.match(text, expression) end

---Finds where the first match lies, as string.find does.
---```lua
---local from, to = re.find("room 1234", "[0-9]{4}") -- 6, 9
---```
---@param text string where to look
---@param expression string RE2 syntax
---@param init? integer where to begin, 1 by default
---@return integer? first nil without a match
---@return integer? last
---@return string? ... the groups
function re.find(text, expression, init) end

---Replaces every match.
---```lua
---local number = re.replace(call.number, "^00", "+")
---```
---@param text string where to look
---@param expression string RE2 syntax
---@param replacement string `$1` or `${name}` is a group
---@return string text
function re.replace(text, expression, replacement) end

---The time of day, zones and opening hours.
---@class timelib
time = {}

---The present moment.
---```lua
---local started = time.now()
---```
---@return number seconds since 1970 UTC, with fraction
function time.now() end

---Writes a moment as text.
---```lua
---local hour = time.format(time.now(), "%H", "Europe/London")
---```
---@param seconds number since 1970 UTC
---@param format string as strftime: `%Y-%m-%d %H:%M`
---@param zone? string such as Europe/London; the server's by default
---@return string text
function time.format(seconds, format, zone) end

---Tells whether it is within the hours named, and no holiday. A span that ends before it begins reaches into the next day.
---```lua
---if not time.hours{ "Mon-Fri 09:00-17:30", "Sat 10:00-12:00", zone = "Europe/London", holidays = { "12-25", "2026-04-03" } } then
---  return call:play("closed")
---end
---```
---@param hours Hours opening hours, and their zone
---@return boolean open
function time.hours(hours) end

---Functions that run later.
---@class timerlib
timer = {}

---Runs fn later, while the script is inside a function that waits. A timer ends with the call, at most 5 s after its hangup; one set by a function of spawn or originate does not.
---```lua
---local warn = timer.after(50, function() call:play("tone:beep") end)
---call:gather{ max = 16, timeout = 60 }
---warn:cancel()
---```
---@param seconds number up to a day
---@param fn fun() what to run
---@return Timer? timer or nil
---@return string? reason
function timer.after(seconds, fn) end

---Runs fn beside the script, with the same variables: each runs while the others are inside a function that waits. It goes on after the call has ended, for as long as it likes. At most 64 functions of spawn, timer.after and originate run beside one script: then nil and a reason.
---```lua
---local id = call.id
---spawn(function()
---  http.post("https://crm.example/calls", { json = { id = id } })
---end)
---```
---@param fn fun(...) what to run
---@param ... any its arguments
---@return boolean? ok true, or nil
---@return string? reason why not, such as "hangup"
function spawn(fn, ...) end

---Makes a call of our own. It returns at once; on_answer gets the call when somebody answers, as on_call gets one that comes in. The function shares the script's variables, and goes on whatever becomes of the call that the script serves. `on_dial` is asked about the targets, with the call that it all began with.
---```lua
---originate{
---  to = "user:1001", from = "700", timeout = 20,
---  on_answer = function(call)
---    call:play("one-moment")
---    call:bridge("user:1002")
---  end,
---  on_failure = function(failure) log.info("not reached: " .. failure.state) end,
---}
---```
---@param options OriginateOptions
---@return string? id of the new call, or nil
---@return string? reason why there is none
function originate(options) end
