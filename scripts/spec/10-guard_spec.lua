-- What 10-guard.lua lets pass: tandem test runs this.

-- A user's call to a number outside; it is dialled, or refused.
local function call(number, user)
  return sim.call { to = number, user = user or "1001" }
end

local function passes(number, user)
  local c = call(number, user)
  c:dials("trunk:carrier/" .. number):fails("busy")
  c:ends(486)
end

local function is_refused(number, user)
  call(number, user):ends(403)
end

describe("with nothing set", function()
  before_each(function()
    sim.settings { trunk = "carrier" }
  end)

  it("lets users dial anything", function()
    passes("+882991234567")
  end)

  it("lets calls within the house be", function()
    local c = sim.call { to = "1002" }
    c:dials("user:1002"):answers()
    c:runs(5):hangup()
  end)
end)

describe("destinations", function()
  before_each(function()
    sim.settings {
      trunk = "carrier",
      guard = { home = "44", countries = { "GB", "DE" }, allow = { "+1212" }, deny = { "+449" } },
    }
  end)

  it("lets allowed countries and prefixes pass", function()
    passes("+442079460000")
    passes("02079460000")
    passes("+12125550123")
  end)

  it("refuses all others", function()
    is_refused("+18765550123")
    is_refused("+882991234567")
    is_refused("09061234567")
    is_refused("00449061234567")
  end)

  it("never stands before an emergency call", function()
    passes("112")
  end)
end)

describe("limits", function()
  it("counts calls in the last hour", function()
    sim.settings { trunk = "carrier", guard = { calls = 2 } }
    passes("+442079460000")
    passes("+442079460000")
    is_refused("+442079460000")
    passes("+442079460000", "1002")
    passes("112")
    sim.pass(61 * 60)
    passes("+442079460000")
  end)

  it("ends a call when the hour's minutes are used up", function()
    sim.settings { trunk = "carrier", guard = { minutes = 1 } }
    local c = call("+442079460000")
    c:dials("trunk:carrier/+442079460000"):answers()
    c:runs(55):ends()
    expect(math.floor(c.cdr.billable_ms / 1000)):is(60)
    is_refused("+442079460000")
  end)

  it("counts calls that go on", function()
    sim.settings { trunk = "carrier", guard = { at_once = 1 } }
    local c = call("+442079460000")
    c:dials("trunk:carrier/+442079460000"):answers()
    is_refused("+4930123456")
    c:hangup()
    sim.pass(1)
    passes("+4930123456")
  end)
end)

it("has rules of its own for the night", function()
  sim.settings {
    trunk = "carrier",
    guard = { night = { hours = { "20:00-07:00" }, zone = "Europe/London", closed = true } },
  }
  sim.at("2026-12-24 19:58", "Europe/London")
  passes("+442079460000")
  sim.at("2026-12-24 20:01", "Europe/London")
  is_refused("+442079460000")
end)

it("tells of refusals once an hour, after the call", function()
  local posted = sim.http("POST", "https://hooks.example.com/fraud")
  sim.settings { trunk = "carrier", guard = { deny = { "+882" }, webhook = "https://hooks.example.com/fraud" } }
  is_refused("+882991234567")
  is_refused("+882991234567")
  local notices = posted()
  expect(#notices):is(1)
  expect(notices[1].body):contains("user 1001")
  expect(notices[1].body):contains("denied")
end)

describe("transfers and forwards", function()
  before_each(function()
    sim.settings { trunk = "carrier", guard = { deny = { "+882" } } }
  end)

  it("are calls of whoever transfers", function()
    local c = sim.call { to = "1002", user = "1001" }
    local bob = c:dials("user:1002"):answers()
    c:runs(2)
    expect(bob:transfers("+882991234567").transferred):is(403)
    bob:transfers("+442079460000")
    c:dials("trunk:carrier/+442079460000"):answers()
    expect(bob.transferred):is(200)
    c:runs(5):hangup()
  end)

  it("do not reach the carrier's own address", function()
    local c = sim.call { to = "+442079460000", user = "1001" }
    local carrier = c:dials("trunk:carrier/+442079460000"):answers()
    c:runs(2)
    expect(c:transfers("sip:+882991234567@" .. carrier.host).transferred):is(403)
    c:hangup()
  end)

  it("are refused where a phone forwards a call from outside", function()
    sim.settings { trunk = "carrier", inbound = { ["+442079460000"] = "1001" } }
    local c = sim.call { to = "+442079460000", trunk = "carrier", from = "+4930123456" }
    c:dials("user:1001"):forwards("+18765550123")
    c:hears("call-failed"):ends(404)
  end)
end)
