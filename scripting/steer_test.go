package scripting

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

// TestPlayOptions tells by the time that a play takes what it did: the world's time is
// virtual.
func TestPlayOptions(t *testing.T) {
	inWorld(t, report(`
		call:answer()
		local function took(...)
			local start = time.now()
			local how = call:play(...)
			say(how, math.floor((time.now() - start) * 10 + 0.5) / 10)
		end
		took("silence:2")
		took("silence:2", { loop = 3 })
		took("silence:2", { seek = 0.5 })
		took({ "silence:2", "silence:3" }, { seek = 4 })
		took({ "silence:2", "silence:3" }, { seek = 4, loop = 2 })
		took("silence:2", { volume = -6 })
		say(call:seek_playing(1))
		say(pcall(call.play, call, "silence:1", { volume = 100 }))
		say(pcall(call.play, call, "silence:1", { seek = -1 }))
		call:on("dtmf", function(key)
			if key == "1" then call:pause_playing() end
			if key == "2" then call:resume_playing() end
			if key == "3" then call:seek_playing(9) end
		end)
		took("silence:10")
		took("silence:10")
	`), func(w *world) {
		c := w.caller("1")
		time.Sleep(19*time.Second + 500*time.Millisecond) // a second into the first silence:10
		w.press(c, "1")
		time.Sleep(4 * time.Second)
		w.press(c, "2")
		time.Sleep(11 * time.Second) // two seconds or so into the second
		w.press(c, "3")
		w.ended(c)
		got := events(w.record(), "script")
		want := []string{"done 2", "done 6", "done 1.5", "done 1", "done 6", "done 2", "nil not possible in this state of the call",
			"false call:play: option volume must be -40 to 40 dB", "false call:play: option seek must be a number of seconds"}
		for i, line := range want {
			if i >= len(got) || !strings.HasPrefix(got[i], line) {
				t.Fatalf("line %d: got\n%s", i, strings.Join(got, "\n"))
			}
		}
		for i, low := range []float64{14, 2.5} { // a pause of 4 s, and 9 of 10 s passed over
			var took float64
			if _, err := fmt.Sscanf(got[len(want)+i], "done %f", &took); err != nil || took < low || took > low+2 {
				t.Errorf("%s, want %g s or a little more", got[len(want)+i], low)
			}
		}
	})
}
