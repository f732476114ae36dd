package sim

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"tandem/scripting"
	"tandem/scripts"
)

const manyScripts = `return { on_call = function(call)
	if call.number == "700" then
		call:menu{ prompt = "main-menu", ["1"] = "user:1001" }
	elseif call.number:match("^1%d%d%d$") then
		call:bridge("user:" .. call.number, { timeout = 20 })
	elseif call.number:match("^%+%d+$") then
		call:bridge("trunk:carrier/" .. call.number)
	end
end }`

// everyday are specs of the kinds that people write.
var everyday = [...]string{
	`local c = sim.call{ to = "700", from = "+44123" }
	c:hears("main-menu"):press("1")
	c:dials("user:1001"):answers{ after = 3 }
	c:runs(60):hangup()
	expect(c.cdr.state):is("answered")`,
	`local c = sim.call{ to = "1001", user = "1002" }
	c:dials("user:1001"):fails("busy")
	c:ends(486)`,
	`expect(sim.call{ to = "12345" }.code):is(404)`,
	`sim.at("2026-12-24 18:00", "Europe/London")
	local c = sim.call{ to = "+442079460000", user = "1001" }
	c:dials("trunk:carrier/+442079460000"):answers{ after = 5 }
	c:runs(30):hangup()
	expect(c.cdr.trunk):is("carrier")`,
}

func cpu(t *testing.T) time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		t.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// A thousand specs take a few seconds. The bound is on processor time, since others may be
// busy here, and wide enough for the race detector; MANY_SPECS=1000 without it is the full size.
func TestManySpecs(t *testing.T) {
	n, bound := 60, 60*time.Millisecond
	if many, err := strconv.Atoi(os.Getenv("MANY_SPECS")); err == nil {
		n, bound = many, 10*time.Millisecond
	}
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, "it(\"spec %d\", function()\n\t%s\nend)\n", i, everyday[i%len(everyday)])
	}
	dir := specFolder(t, map[string]string{"50-main.lua": manyScripts, "spec/a_spec.lua": b.String()})
	var out strings.Builder
	began, used := time.Now(), cpu(t)
	r, err := Run(Options{Scripts: scripting.Options{Dir: dir, Shipped: scripts.FS}, Out: &out})
	if err != nil || r != (Result{Passed: n}) {
		t.Fatalf("%+v %v\n%s", r, err, out.String())
	}
	each := (cpu(t) - used) / time.Duration(n)
	t.Logf("%d specs: %v, %v of CPU each", n, time.Since(began).Round(time.Millisecond), each.Round(10*time.Microsecond))
	if each > bound {
		t.Errorf("a spec takes %v of CPU; want %v at most", each, bound)
	}
}
