--- Voicemail: callers leave messages, users listen to them on their phones, whose lamps tell of them.
local mailbox = require "mailbox"
local options = require "options"
local pin = require "pin"

local voicemail = {}

local usual = {
  max = 180, least = 1, -- seconds that a message may last, and must
  silence = 5,          -- seconds of silence that end it
  messages = 100,       -- that a mailbox takes
  review = false,       -- callers may hear theirs and record it again
  pins = {},            -- ["1001"] = "4711", until the user has chosen another
  ask = false,          -- for the PIN on the user's own phone, too
  zone = false,         -- of the times that are told; the server's own by default
  webhook = false,      -- URL that is told of each message
  mail = {},            -- ["1001"] = "alice@example.com", who gets each message as a mail
  attach = true,        -- the recording to the mail
  remove = false,       -- what has been mailed leaves the mailbox
  prompts = {
    unavailable = "vm-unavailable", review = "vm-review", short = "vm-too-short", sent = "vm-sent", full = "vm-full",
    mailbox = "vm-mailbox", have = "vm-you-have", none = "vm-no-messages", also = "number-and",
    new = "vm-new-message", news = "vm-new-messages", old = "vm-old-message", olds = "vm-old-messages",
    main = "vm-main", received = "vm-received", at = "time-at", from = "vm-from", after = "vm-after",
    saved = "vm-saved", deleted = "vm-deleted", last = "vm-no-more",
    options = "vm-options", record = "vm-record-greeting", greeting = "vm-greeting-kept", standard = "vm-greeting-standard",
    choose = "vm-new-pin", again = "vm-pin-again", changed = "vm-pin-changed", unchanged = "vm-pin-kept",
    closed = "vm-no-access", invalid = "invalid", goodbye = "goodbye", failed = "call-failed",
  },
}

local function read(given)
  return options.read("voicemail", given, usual)
end

--- How many messages are new, and how many were heard.
---@param box string
---@return integer new
---@return integer heard
function voicemail.count(box)
  return mailbox.count(mailbox.name(box))
end

--- Lights the lamps of all mailboxes: for on_load, since lamps do not outlive a restart.
function voicemail.restore()
  mailbox.restore()
end

-- Tells others of a message. What goes wrong there is logged; the message is kept.
local function announce(box, message, o)
  if o.webhook then
    local res, err = http.post(o.webhook, { timeout = 4, json = { mailbox = box, from = message.from, at = message.at, seconds = message.seconds } })
    if not res or res.status >= 300 then
      log.warn("voicemail: the webhook did not take it", { mailbox = box, err = err or res.status })
    end
  end
  local to = o.mail[box]
  if not to then
    return
  end
  local text = ("Message from %s, %s, %d s"):format(message.from, time.format(message.at, "%A %e %B %H:%M", o.zone or nil), math.ceil(message.seconds))
  local ok, err = mail.send { to = to, subject = text, text = text .. ".\n", attachments = o.attach and { message.path } or nil }
  if not ok then
    log.warn("voicemail: the mail was not sent", { mailbox = box, err = err })
  elseif o.remove then
    mailbox.delete(box, message.id)
  end
end

-- Lets callers hear theirs and record it again. A hangup sends it as it is.
local function review(call, message, record, o)
  while message and call.state ~= "ended" do
    local digit = call:gather { prompt = o.prompts.review, pattern = "[123]", invalid = o.prompts.invalid, tries = 2 }
    if digit == "2" then
      call:play(message.path)
    elseif digit == "3" then
      message = record()
    else
      break
    end
  end
  return message
end

--- Takes a message: greeting, tone, message, which # ends.
---@param call Call
---@param box string the user whom it is for
---@param given table? options
---@return table? message from, at, seconds, path; nil when there is none
---@return string? why "full", "empty" or what went wrong
function voicemail.leave(call, box, given)
  local o = read(given)
  box = mailbox.name(box)
  local state = mailbox.open(box)
  if #state.messages >= o.messages then
    call:play(o.prompts.full)
    return nil, "full"
  end
  if not (state.greeting and call:play(state.greeting, { stop = "#" })) then
    call:play(o.prompts.unavailable, { stop = "#" })
  end
  if call.state == "ended" then
    return nil, "empty"
  end
  call:flush()
  local why
  local function record()
    local message, err = call:record("voicemail/" .. box .. "/" .. call.id, { max = o.max, silence = o.silence, keep = true })
    why = err
    return message
  end
  local message = record()
  if o.review then
    message = review(call, message, record, o)
  end
  if not message then
    log.error("voicemail: not recorded", { mailbox = box, why = why })
    call:play(o.prompts.failed)
    return nil, why
  elseif message.seconds - (message.why == "silence" and o.silence or 0) < o.least then
    mailbox.erase(message.path)
    call:play(o.prompts.short)
    return nil, "empty"
  end
  message = { id = call.id, path = message.path, from = call.from.user, at = time.now(), seconds = message.seconds }
  mailbox.add(box, message)
  spawn(announce, box, message, o) -- a mail server may be slow, and the caller gone
  call:play(o.prompts.sent)
  return message
end

-- When a message came and from whom, as a list of sources.
local function header(message, o)
  local zone, now = o.zone or nil, time.now()
  local day = time.format(message.at, "%Y-%m-%d", zone)
  local list = { o.prompts.received }
  if day ~= time.format(now, "%Y-%m-%d", zone) then
    list[#list + 1] = "say:date:" .. day
  end
  list[#list + 1] = o.prompts.at
  list[#list + 1] = "say:time:" .. time.format(message.at, "%H:%M", zone)
  if message.from:match("^%+?%d+$") then
    list[#list + 1] = o.prompts.from
    list[#list + 1] = "say:digits:" .. message.from
  end
  list[#list + 1] = "silence:0.3"
  return list
end

-- Plays one message until the user has said what becomes of it: "next", "main" or "called back".
local function hear(call, box, message, o)
  local prompt = header(message, o)
  prompt[#prompt + 1] = message.path
  prompt[#prompt + 1] = o.prompts.after
  for _ = 1, 20 do
    local digit, why = call:gather { prompt = prompt, finish = "", timeout = 8 }
    if call.state == "ended" or why == "hangup" then
      return "main"
    end
    prompt = o.prompts.after
    if digit == "1" then
      prompt = { message.path, o.prompts.after }
    elseif digit == "3" then
      mailbox.delete(box, message.id)
      call:play(o.prompts.deleted)
      return "next"
    elseif digit == "4" and call.user then -- and not for whoever knows a PIN: they would dial at our cost
      mailbox.heard(box, message.id)
      call:route(message.from)
      return "called back"
    elseif digit == "*" then
      return "main"
    elseif not digit or digit == "2" or digit == "#" then
      mailbox.heard(box, message.id)
      if digit == "2" then
        call:play(o.prompts.saved)
      end
      return "next"
    else
      prompt = { o.prompts.invalid, o.prompts.after }
    end
  end
  return "main"
end

local function listen(call, box, o)
  for _, message in ipairs(mailbox.list(box)) do
    local what = hear(call, box, message, o)
    if what ~= "next" then
      return what
    end
  end
  call:play(o.prompts.last)
end

local function recordGreeting(call, box, o)
  call:play(o.prompts.record)
  local greeting = call:record("voicemail/" .. box .. "/greeting-" .. call.id, { max = 60, silence = 5, keep = true })
  if not greeting or greeting.seconds < o.least then
    if greeting then
      mailbox.erase(greeting.path)
    end
    return call:play(o.prompts.short)
  end
  mailbox.greet(box, greeting.path)
  call:play(o.prompts.greeting)
end

local function choosePin(call, box, o)
  local function ask(prompt)
    return call:gather { prompt = prompt, min = 4, max = 12, timeout = 8, digit_timeout = 4, pattern = "[0-9]+", invalid = o.prompts.invalid, tries = 2, secret = true }
  end
  local first = ask(o.prompts.choose)
  local second = first and ask(o.prompts.again)
  if not second or first ~= second then
    return call:play(o.prompts.unchanged)
  end
  mailbox.change(box, function(state)
    state.pin = first
  end)
  call:play(o.prompts.changed)
end

local function personal(call, box, o)
  return call:menu {
    prompt = o.prompts.options, invalid = o.prompts.invalid,
    ["1"] = function() recordGreeting(call, box, o) return "repeat" end,
    ["2"] = function() call:play(mailbox.open(box).greeting or o.prompts.unavailable) return "repeat" end,
    ["3"] = function()
      mailbox.greet(box)
      call:play(o.prompts.standard)
      return "repeat"
    end,
    ["4"] = function() choosePin(call, box, o) return "repeat" end,
    ["*"] = "back",
  }
end

-- "You have two new messages and one saved message."
local function counts(box, o)
  local new, heard = mailbox.count(box)
  local list = { o.prompts.have }
  if new + heard == 0 then
    return { o.prompts.none }
  end
  if new > 0 then
    list[#list + 1] = "say:number:" .. new
    list[#list + 1] = new == 1 and o.prompts.new or o.prompts.news
  end
  if heard > 0 then
    list[#list + 1] = new > 0 and o.prompts.also or nil
    list[#list + 1] = "say:number:" .. heard
    list[#list + 1] = heard == 1 and o.prompts.old or o.prompts.olds
  end
  return list
end

-- Lets in whoever calls from the user's own phone or knows the PIN.
local function admitted(call, box, o)
  local own = call.user == box
  if own and not o.ask then
    return true
  end
  local right = mailbox.open(box).pin or o.pins[box]
  if not right then
    if not own then
      call:play(o.prompts.closed)
    end
    return own, "no pin"
  end
  local entered, why = pin.ask(call, "voicemail:" .. box, tostring(right))
  return entered ~= nil, why
end

--- Lets a user listen to messages, and change greeting and PIN.
---@param call Call
---@param box string? asks for it when nil
---@param given table? options
---@return boolean? true, or nil
---@return string? why "no mailbox", "no pin", "wrong pin", "locked", "timeout" or "hangup"
function voicemail.check(call, box, given)
  local o = read(given)
  box = box or call:gather { prompt = o.prompts.mailbox, max = 16, timeout = 8, digit_timeout = 4, pattern = "[0-9]+", tries = 3, invalid = o.prompts.invalid }
  if not box then
    return nil, "no mailbox"
  end
  box = mailbox.name(box)
  local ok, why = admitted(call, box, o)
  if not ok then
    return nil, why
  end
  call:answer()
  for _ = 1, 50 do
    local prompt = counts(box, o)
    prompt[#prompt + 1] = o.prompts.main
    local digit = call:gather { prompt = prompt, pattern = "[12*]", finish = "", invalid = o.prompts.invalid, tries = 2, timeout = 6 }
    if digit == "1" then
      if listen(call, box, o) == "called back" then
        break
      end
    elseif digit == "2" then
      personal(call, box, o)
    else
      break
    end
  end
  call:play(o.prompts.goodbye)
  return true
end

return voicemail
