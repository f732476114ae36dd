-- What the scripts of docs/from-freeswitch.md do, by the number of their section.

-- ## 1. An extension, then voicemail
it("puts through", function()
  local c = sim.call { to = "1001", user = "1002" }
  c:dials("user:1001"):answers { after = 3 }
  c:runs(10):hangup()
  expect(c.cdr.state):is("answered")
end)
it("takes a message", function()
  local c = sim.call { to = "1001", user = "1002" }
  c:dials("user:1001"):fails("noanswer")
  c:hears("vm-unavailable", { within = 40 }):runs(6):says("goodbye"):runs(1):hangup()
  expect(#sim.recordings()):is(1)
end)
it("leaves others alone", function() sim.call { to = "2001" }:ends(404) end)

-- ## 2. A menu
it("puts through on 1", function()
  local c = sim.call { to = "700" }
  c:hears("main-menu"):press("1")
  c:dials("user:1001"):answers()
  c:runs(5):hangup()
end)
it("tells the hours on 3 and plays again", function()
  sim.call { to = "700" }:hears("main-menu"):press("3"):hears("attendant-day"):hears("main-menu"):hangup()
end)
it("gives up after three tries", function()
  local c = sim.call { to = "700" }
  c:hears("main-menu"):press("9"):hears("invalid"):hears("main-menu"):ends()
end)

-- ## 3. Opening hours
local function inbound()
  return sim.call { to = "+442079460000", trunk = "carrier", from = "+4930123456" }
end
it("is open on Monday", function()
  sim.at("2026-06-01 17:29", "Europe/London")
  local c = inbound()
  c:dials("user:1001"):answers()
  c:hangup()
end)
it("is closed afterwards, and on Sunday", function()
  for _, moment in ipairs { "2026-06-01 17:31", "2026-06-07 12:00" } do
    sim.at(moment, "Europe/London")
    inbound():hears("attendant-closed"):ends()
  end
end)

-- ## 4. All at once, then one after the other
it("rings two, then one", function()
  local c = sim.call { to = "610", from = "+4420", display = "Ann" }
  local a, b = c:dials("user:1001"), c:dials("user:1002")
  a:rings()
  b:fails("busy")
  local third = c:dials("user:1003")
  a:ends()
  expect(third.display):is("Sales Ann")
  third:answers()
  c:runs(5):hangup()
end)
it("ends where nobody is", function()
  local c = sim.call { to = "610" }
  c:ends(480)
end)

-- ## 5. Recording
it("keeps both sides", function()
  local c = sim.call { to = "1001" }
  local bob = c:dials("user:1001"):answers()
  c:says("goodbye")
  bob:says("one-moment")
  c:hangup()
  sim.recording(c.cdr.recording):has("goodbye"):has("one-moment")
end)

-- ## 6. Out by trunk, with failover and a number to show
it("shows our number", function()
  local c = sim.call { to = "902079461234", user = "1001" }
  local far = c:dials("trunk:first/02079461234"):answers()
  expect(far.from):is("+442079460000")
  c:runs(5):hangup()
end)
it("goes on to the second", function()
  local c = sim.call { to = "902079461234", user = "1001" }
  c:dials("trunk:first/02079461234"):fails("unavailable")
  c:dials("trunk:second/02079461234"):answers()
  c:hangup()
end)
it("goes on when the first says nothing", function()
  sim.vanish("trunk:first")
  local c = sim.call { to = "902079461234", user = "1001" }
  c:dials("trunk:second/02079461234"):answers()
  c:hangup()
end)
it("does not go on when the callee is busy", function()
  local c = sim.call { to = "902079461234", user = "1001" }
  c:dials("trunk:first/02079461234"):fails("busy")
  c:ends(486)
end)
it("is for users only", function() sim.call { to = "902079461234" }:ends(404) end)

-- ## 7. A conference with a PIN
it("asks for the PIN and joins them", function()
  local a, b = sim.call { to = "3000", from = "1" }, sim.call { to = "3000", from = "2" }
  for _, c in ipairs { a, b } do c:hears("conference-pin"):press("4711#"):runs(8) end
  a:says("goodbye")
  b:hears("goodbye"):hangup()
  a:hangup()
end)
it("knows wrong ones", function()
  sim.call { to = "3000" }:hears("conference-pin"):press("1234#"):hears("conference-wrong-pin"):hangup()
end)

-- ## 8. A PIN before a call
it("lets who knows the PIN dial", function()
  local c = sim.call { to = "8000", from = "+4420" }
  c:hears("pin-enter"):press("839201"):hears("tone:350+440/10000"):press("02079461234#")
  c:dials("trunk:first/02079461234"):answers()
  c:runs(5):hangup()
end)
it("lets nobody else", function()
  sim.call { to = "8000" }:hears("pin-enter"):press("1111#"):hears("pin-wrong")
    :hears("pin-enter"):press("2222#"):hears("pin-wrong"):hears("pin-enter"):press("3333#"):hears("goodbye"):ends()
end)

-- ## 9. A database decides
before_each(function()
  sim.db("crm", "create table callers (number text, agent text, blocked integer)")
  sim.db("crm", "insert into callers values ('+4420', '1001', 0), ('+4421', null, 1)")
end)
it("finds the caller's agent", function()
  local c = sim.call { to = "100", trunk = "carrier", from = "+4420" }
  c:dials("user:1001"):answers()
  c:hangup()
end)
it("refuses who is blocked", function() sim.call { to = "100", trunk = "carrier", from = "+4421" }:ends(603) end)
it("leaves strangers to the next script", function() sim.call { to = "100", trunk = "carrier", from = "+4422" }:ends(404) end)
it("survives a quote", function() sim.call { to = "100", from = "o'brien" }:ends(404) end)

-- ## 10. Follow me, with a confirmation
it("looks for the user at the mobile", function()
  local c = sim.call { to = "1001", from = "+4420" }
  c:dials("user:1001"):fails("noanswer")
  local mobile = c:dials("trunk:first/+447700900123"):answers { after = 2 }
  mobile:hears("follow-confirm"):press("1")
  mobile:says("one-moment")
  c:hears("one-moment"):hangup()
end)
it("does not fall for the mobile's mailbox", function()
  local c = sim.call { to = "1001", from = "+4420" }
  c:dials("user:1001"):fails("busy")
  local mobile = c:dials("trunk:first/+447700900123"):answers()
  mobile:ends()
  c:ends()
  expect(c.cdr.answer_ms):is(nil)
end)

-- ## 11. A queue
it("finds an agent", function()
  local c = sim.call { to = "620", from = "+4420" }
  local agent = c:dials("user:1001")
  agent:answers { after = 3 }
  agent:says("one-moment")
  c:hears("one-moment"):hangup()
end)
it("lets who is tired leave a message", function()
  local c = sim.call { to = "620", from = "+4420" }
  c:runs(5):press("1"):hears("vm-unavailable"):hangup()
end)

-- ## 12. A call-back
before_each(function() sim.register("1001") end)
it("calls back", function()
  sim.call { to = "690", user = "1001" }:ends(486)
  local began = sim.now()
  local back = sim.dials("user:1001")
  expect(sim.now() - began):at_least(9):at_most(11)
  expect(back.from):is("690")
  back:answers { after = 2 }
  back:hears("one-moment")
  local far = sim.dials("user:1002"):answers()
  far:says("goodbye")
  back:hears("goodbye")
  back:hangup()
  expect(back.cdr.state):is("answered")
end)
it("does so once", function()
  sim.call { to = "690", user = "1001" }:ends(486)
  local back = sim.dials("user:1001")
  back:fails("busy")
  expect(back.cdr.state):is("busy")
  sim.pass(600)
end)
it("does so for users only", function() sim.call { to = "690", from = "+4420" }:ends(404) end)
