-- lib/queue.lua.

before_each(function()
  sim.scripts { ["50-main.lua"] = [[
    local queues = require "queue"
    return { on_call = function(call)
      if call.number == "*22" then
        call.vars.serves = queues.toggle(call, "support")
        return
      end
      local result = queues.enter(call, "support", {
        agents = call.number == "620" and { "user:1001", "user:1002" } or nil, leave_empty = call.number == "621", max_wait = 100,
        keys = { ["1"] = function(c) c:play("goodbye") end, ["2"] = "user:1009", ["3"] = "callback" },
        callback = function(c) return "user:" .. c.from.user end,
        fallback = function(c, r) c.vars.fell = r.why end,
      })
      call.vars.state = result.state
    end }
  ]] }
end)

it("joins the caller with the agent who has been idle the longest", function()
  sim.register("1001")
  sim.register("1002")
  local first = sim.call { to = "620", from = "1" }
  local agent = first:dials("user:1001")
  agent:answers()
  first:runs(20)
  local second = sim.call { to = "620", from = "2" }
  second:dials("user:1002"):answers()
  second:runs(20):hangup()
  first:hangup()
  expect(first.cdr.vars.state):is("answered")
  local third = sim.call { to = "620", from = "3" }
  third:runs(11):dials("user:1002"):answers()
  third:hangup()
end)

it("tells the position and offers keys", function()
  sim.register("1001")
  local c = sim.call { to = "620" }
  c:hears("queue-position"):hears("number-1"):hears("queue-hold"):press("1"):hears("goodbye"):ends()
  c = sim.call { to = "620" }
  c:runs(8):press("2"):dials("user:1009"):answers()
  c:runs(3):hangup()
end)

it("falls back when nobody is there, or the wait is too long", function()
  local c = sim.call { to = "621" }
  c:ends()
  expect(c.cdr.vars.fell):is("empty")
  c = sim.call { to = "620" }
  c:runs(90):ends()
  expect(c.cdr.vars.fell):is("timeout")
end)

it("lets agents come and go", function()
  local function toggle(prompt, serves)
    local c = sim.call { to = "*22", user = "1003" }
    c:hears(prompt):ends()
    expect(c.cdr.vars.serves):is(serves)
  end
  toggle("queue-agent-in", true)
  local c = sim.call { to = "622", from = "9" }
  local agent = c:dials("user:1003")
  agent:answers()
  c:runs(10):hangup()
  toggle("queue-agent-out", false)
end)

it("notes that somebody wants to be called back", function()
  sim.register("1001")
  sim.register("1005")
  local c = sim.call { to = "620", user = "1005" }
  c:press("3"):hears("queue-callback-noted"):ends()
  expect(c.cdr.vars.state):is("cancelled")
end)
