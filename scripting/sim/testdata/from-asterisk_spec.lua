-- What the scripts of docs/from-asterisk.md do, by the number of their section.

-- ## 1. An extension, then a word about why
it("puts through", function()
  local c = sim.call { to = "1001", user = "1002" }
  c:dials("user:1001"):answers { after = 3 }
  c:runs(10):hangup()
end)
it("says that the user is busy", function()
  local c = sim.call { to = "1001", user = "1002" }
  c:dials("user:1001"):fails("busy")
  c:hears("busy"):ends()
end)
it("says that nobody answers", function()
  local c = sim.call { to = "1001", user = "1002" }
  c:dials("user:1001"):fails("noanswer")
  c:hears("not-available", { within = 40 }):ends()
end)

-- ## 2. A menu
it("takes one digit, and three", function()
  local c = sim.call { to = "700" }
  c:hears("main-menu"):press("101")
  c:dials("user:1101"):answers()
  c:hangup()
  c = sim.call { to = "700" }
  c:hears("main-menu"):press("1")
  c:dials("user:1001"):answers()
  c:hangup()
end)
it("says goodbye after a silence", function()
  sim.call { to = "700" }:hears("main-menu"):hears("goodbye", { within = 60 }):ends()
end)
it("complains", function() sim.call { to = "700" }:hears("main-menu"):press("9"):hears("invalid"):hears("main-menu"):hangup() end)

-- ## 3. Opening hours and holidays
local function inbound() return sim.call { to = "+442079460000", trunk = "carrier", from = "+49" } end
it("is open on a Monday", function()
  sim.at("2026-06-01 09:00", "Europe/London")
  local c = inbound()
  c:dials("user:1001"):answers()
  c:hangup()
end)
it("is closed at night and at Christmas", function()
  sim.at("2026-06-01 08:59", "Europe/London")
  inbound():hears("attendant-closed"):ends()
  sim.at("2026-12-25 12:00", "Europe/London")
  inbound():hears("attendant-closed"):ends()
end)

-- ## 4. Out by a trunk, with failover
it("shows our number and fails over", function()
  local c = sim.call { to = "9+4930123456", user = "1001" }
  c:dials("trunk:first/+4930123456"):fails(503)
  local far = c:dials("trunk:second/+4930123456"):answers()
  expect(far.from):is("+442079460000")
  c:hangup()
end)
it("does so when the first carrier is off the network", function()
  local c = sim.call { to = "9+4930123456", user = "1001" }
  c:dials("trunk:first/+4930123456"):fails("network")
  c:dials("trunk:second/+4930123456"):answers()
  c:hangup()
end)
it("takes no call from outside back out", function()
  sim.call { to = "9+4930123456", trunk = "first", from = "+49" }:ends(404)
end)

-- ## 5. A ring group that is recorded
it("records what is said", function()
  local c = sim.call { to = "610", from = "+4420", display = "Ann" }
  local a, b = c:dials("user:1001"), c:dials("user:1002")
  a:rings()
  c:hears("one-moment")
  expect(b.display):is("Sales Ann")
  b:answers()
  a:ends()
  b:says("goodbye")
  c:hangup()
  sim.recording(c.cdr.recording):has("goodbye")
end)
it("goes on to another", function()
  local c = sim.call { to = "610" }
  c:dials("user:1001"):fails("busy")
  c:dials("user:1002"):fails("noanswer")
  c:dials("user:1009"):answers()
  c:runs(2):hangup()
end)

-- ## 6. A conference with a PIN
it("joins those who know the PIN", function()
  local a, b = sim.call { to = "3000", from = "1" }, sim.call { to = "3000", from = "2" }
  for _, c in ipairs { a, b } do c:hears("conference-pin"):press("4711#"):runs(8) end
  b:says("goodbye")
  a:hears("goodbye"):hangup()
  b:hangup()
end)
it("keeps others out", function()
  sim.call { to = "3000" }:hears("conference-pin"):press("1#"):hears("conference-wrong-pin"):hangup()
end)

-- ## 7. A queue
it("finds an agent", function()
  local c = sim.call { to = "620", from = "+4420" }
  local agent = c:dials("user:1001"):answers { after = 3 }
  c:says("one-moment")
  agent:hears("one-moment"):hangup()
  c:ends()
end)
it("ends waiting after ten minutes", function()
  local c = sim.call { to = "620", from = "+4420" }
  c:hears("vm-unavailable", { within = 700 }):hangup()
end)

-- ## 8. Dial in and out with a PIN
it("lets who knows the PIN dial", function()
  local c = sim.call { to = "8000", from = "+4477", trunk = "carrier" }
  c:hears("pin-enter"):press("839201#"):runs(3):press("00442079461234#")
  local far = c:dials("trunk:first/00442079461234"):answers()
  expect(far.from):is("+442079460000")
  c:runs(2):hangup()
  expect(c.cdr.vars.disa):is("alice")
end)
it("lets nobody else", function()
  sim.call { to = "8000" }:hears("pin-enter"):press("111111#"):hears("pin-wrong"):hangup()
end)

-- ## 9. A list of numbers that are not wanted
local function from(number) return sim.call { to = "+4420", trunk = "carrier", from = number } end
it("refuses whoever was put on the list", function()
  local c = from("+4930")
  c:dials("user:1001"):answers()
  c:hangup()
  sim.call { to = "*30", user = "1001" }:hears("goodbye"):ends()
  from("+4930"):ends(603)
  c = from("+4931")
  c:dials("user:1001"):answers()
  c:hangup()
end)
it("is for users", function() sim.call { to = "*30" }:ends(404) end)

-- ## 10. A web service decides
it("asks for the agent and reports", function()
  sim.http("GET", "https://crm.example.com/agent", { body = '{"agent":"1003"}' })
  local done = sim.http("POST", "https://crm.example.com/done")
  local c = sim.call { to = "+442079460000", trunk = "carrier", from = "+4930" }
  c:dials("user:1003"):answers()
  c:runs(10):hangup()
  expect(c.cdr.state):is("answered")
  expect(done()[1].body):contains(c.cdr.id)
end)
it("rings all when there is no answer", function()
  sim.http("GET", "https://crm.example.com/agent", { status = 500 })
  local c = sim.call { to = "+442079460000", trunk = "carrier", from = "+4930" }
  local a, b = c:dials("user:1001"), c:dials("user:1002")
  a:rings()
  b:answers()
  c:hangup()
end)

-- ## 11. Parking
it("keeps a caller until somebody takes the call up", function()
  local c = sim.call { to = "701", from = "+4420" }
  c:hears("queue-hold")
  local bob = sim.call { to = "701", user = "1002" }
  bob:runs(2):says("goodbye")
  c:hears("goodbye"):hangup()
  bob:ends()
end)
it("rings back after a minute", function()
  local c = sim.call { to = "702", from = "+4420" }
  c:dials("user:1001"):answers()
  c:hangup()
end)

-- ## 12. A call-back
before_each(function() sim.register("1001") end)
it("calls back, up to three times", function()
  sim.call { to = "690", user = "1001" }:ends(486)
  sim.dials("user:1001"):fails("busy")
  local began = sim.now()
  local second = sim.dials("user:1001")
  expect(sim.now() - began):at_least(59):at_most(61)
  expect(second.from):is("690")
  second:fails("noanswer")
  local third = sim.dials("user:1001"):answers { after = 2 }
  third:hears("one-moment")
  sim.dials("user:1002"):answers()
  sim.pass(5)
  third:hangup()
  expect(third.cdr.state):is("answered")
end)
it("gives up", function()
  sim.call { to = "690", user = "1001" }:ends(486)
  for _ = 1, 3 do
    sim.dials("user:1001"):fails("declined")
  end
  sim.pass(600)
end)
it("does so for users only", function() sim.call { to = "690", from = "+4420" }:ends(404) end)
