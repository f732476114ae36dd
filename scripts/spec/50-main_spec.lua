-- What 50-main.lua does with calls: tandem test runs this.

describe("a user's number", function()
  it("rings the user's phone until one hangs up", function()
    local c = sim.call { to = "1001", user = "1002" }
    c:dials("user:1001"):answers { after = 3 }
    c:runs(60):hangup()
    expect(c.cdr.state):is("answered")
    expect(c.cdr.released_by):is("caller")
    expect(c.cdr.auth_user):is("1002")
  end)

  it("tells that nobody answers, before it costs anything", function()
    local c = sim.call { to = "1001" }
    c:dials("user:1001"):fails("noanswer")
    c:hears("no-answer"):ends(480)
    expect(c.cdr.state):is("noanswer")
    expect(c.cdr.answer_ms):is(nil)
  end)

  it("tells that the user is busy", function()
    local c = sim.call { to = "1001" }
    c:dials("user:1001"):fails("busy", { after = 2 })
    c:hears("busy"):ends(486)
    expect(c.cdr.state):is("busy")
  end)

  it("tells that no phone is registered", function()
    local c = sim.call { to = "1001" }
    c:hears("not-registered"):ends(480)
  end)
end)

describe("the menu", function()
  it("tells the time on 1 and says goodbye on 0", function()
    local c = sim.call { to = "700" }
    c:hears("main-menu"):press("1"):hears("the-time-is"):hears("main-menu"):press("0"):ends()
    expect(c.cdr.state):is("answered")
    expect(c.cdr.released_by):is("script")
  end)

  it("puts through to 1001 on 3", function()
    local c = sim.call { to = "700" }
    c:hears("main-menu"):press("3")
    local bob = c:dials("user:1001"):answers { after = 1 }
    c:runs(10)
    bob:hangup()
    c:ends()
    expect(c.cdr.state):is("answered")
  end)

  it("plays again after a failure", function()
    local c = sim.call { to = "700" }
    c:hears("main-menu"):press("3")
    c:dials("user:1001"):fails("busy")
    c:hears("busy"):hears("main-menu"):hangup()
  end)

  it("complains about other keys", function()
    sim.call { to = "700" }:hears("main-menu"):press("9"):hears("invalid"):hangup()
  end)
end)

it("plays the echo test's announcement", function()
  sim.call { to = "600" }:hears("echo-test"):runs(10):hangup()
end)

it("knows no other numbers", function()
  expect(sim.call { to = "12345" }.code):is(404)
  expect(sim.call { to = "+442079460000", user = "1001" }.code):is(404)
end)

describe("with a trunk", function()
  before_each(function()
    sim.settings { trunk = "carrier", inbound = { ["+442079460000"] = "1001" } }
  end)

  it("lets users dial out", function()
    local c = sim.call { to = "+4930123456", user = "1001" }
    c:dials("trunk:carrier/+4930123456"):answers { after = 5 }
    c:runs(30):hangup()
    expect(c.cdr.direction):is("outbound")
    expect(c.cdr.trunk):is("carrier")
  end)

  it("lets nobody else dial out, but emergency numbers", function()
    expect(sim.call { to = "+4930123456" }.code):is(404)
    local c = sim.call { to = "112" }
    c:dials("trunk:carrier/112"):answers()
    c:hangup()
  end)

  it("hands calls from outside to the number's user", function()
    local c = sim.call { to = "+442079460000", trunk = "carrier", from = "+4930123456" }
    c:dials("user:1001"):answers { after = 2 }
    c:runs(5):hangup()
    expect(c.cdr.direction):is("inbound")
    expect(c.cdr.from_user):is("+4930123456")
  end)

  it("takes no call from outside back out", function()
    expect(sim.call { to = "+4930123456", trunk = "carrier", from = "+4930999999" }.code):is(404)
    expect(sim.call { to = "112", trunk = "carrier", from = "+4930999999" }.code):is(404)
  end)
end)

describe("with voicemail", function()
  before_each(function() sim.settings { voicemail = true } end)

  it("takes a message for those who do not answer", function()
    local c = sim.call { to = "1001" }
    c:dials("user:1001"):fails("noanswer")
    c:hears("vm-unavailable"):runs(7):press("#"):hears("vm-sent"):ends()
    c = sim.call { to = "*97", user = "1001" }
    c:hears("vm-you-have"):hears("number-1"):hears("vm-new-message"):hangup()
  end)

  it("takes none for users that there are not", function()
    sim.call { to = "1777" }:hears("not-registered"):ends(480)
  end)

  it("takes none when the two have talked", function()
    local c = sim.call { to = "1001" }
    local far = c:dials("user:1001"):answers()
    c:runs(5)
    far:hangup()
    c:ends()
  end)

  it("asks others whose mailbox they want", function()
    sim.call { to = "*97" }:hears("vm-mailbox"):hangup()
    sim.call { to = "*98", user = "1001" }:hears("vm-mailbox"):press("1001#"):hears("vm-no-messages"):hangup()
  end)
end)

it("has no voicemail without", function()
  expect(sim.call { to = "*97", user = "1001" }.code):is(404)
end)
