package scripting

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"tandem/b2bua/phone"
)

// In these worlds there is no trunk: what the guard lets pass is answered with 503, what it
// refuses with 403.
const (
	passed  = 503
	refused = 403
)

func inGuardedWorld(t *testing.T, guard map[string]any, test func(w *world), change ...func(*Options)) {
	t.Helper()
	t.Parallel()
	settings := map[string]any{"trunk": "carrier"}
	if guard != nil {
		settings["guard"] = guard
	}
	inWorldOf(t, nil, test, append(change, func(o *Options) {
		o.Settings, o.Emergency = settings, []string{"112", "999"}
	})...)
}

// dials lets a phone call a number and gives the code that it gets.
func dials(w *world, p *phone.Phone, number string) int {
	w.t.Helper()
	_, err := p.Dial(w.ctx, "sip:"+number+"@"+serverAddr, phone.DialOptions{})
	var r *phone.Rejected
	if !errors.As(err, &r) {
		w.t.Fatalf("%s: %v; want a refusal", number, err)
	}
	return r.Code
}

func list(items ...any) []any { return items }

// With nothing set, users dial what they like and nobody else dials a trunk.
func TestGuardByDefault(t *testing.T) {
	inGuardedWorld(t, nil, func(w *world) {
		user, other := w.phone("1001", true), w.phone("bob", false)
		w.answers(w.phone("1002", true), time.Second)
		for number, want := range map[string]int{"+882991234567": passed, "00881612345": passed, "020794600": passed, "112": passed, "12345": 404, "1009": 480} {
			if code := dials(w, user, number); code != want {
				t.Errorf("%s: %d; want %d", number, code, want)
			}
		}
		for number, want := range map[string]int{"+442079460000": 404, "112": passed, "1009": 480} {
			if code := dials(w, other, number); code != want {
				t.Errorf("%s by a source that is no user: %d; want %d", number, code, want)
			}
		}
		c, err := other.Dial(w.ctx, "sip:1002@"+serverAddr, phone.DialOptions{})
		if err != nil {
			t.Fatal(err)
		}
		w.hangup(c)
	})
}

func TestGuardDestinations(t *testing.T) {
	inGuardedWorld(t, map[string]any{
		"home": "44", "countries": list("GB", "DE", "CA"), "allow": list("+1212", "118"), "deny": list("+4487", "+449", "0300"),
		"users": map[string]any{"1002": map[string]any{"countries": list("JM")}},
	}, func(w *world) {
		user, other := w.phone("1001", true), w.phone("1002", true)
		for number, want := range map[string]int{
			"+442079460000": passed, "00442079460000": passed, "02079460000": passed, "+440207946000": passed, "07700900123": passed,
			"+4930123456": passed, "+14165550123": passed, "+12125550123": passed, "118118": passed,
			"+449012345678": refused, "09012345678": refused, "00448712345678": refused, "+4408712345678": refused, "03001234567": refused,
			"+13105550123": refused, "+18765550123": refused, "+33123456789": refused, "+447911123456": refused, "+882991234567": refused,
			"+0044207946": refused, "000442079460": refused, "123456": refused, "112": passed, "999": passed,
		} {
			if code := dials(w, user, number); code != want {
				t.Errorf("%s: %d; want %d", number, code, want)
			}
		}
		for number, want := range map[string]int{"+18765550123": passed, "+4930123456": refused} {
			if code := dials(w, other, number); code != want {
				t.Errorf("%s by 1002: %d; want %d", number, code, want)
			}
		}
	})
}

// With nothing but denied prefixes, what hides one is refused too.
func TestGuardDenied(t *testing.T) {
	t.Parallel()
	inWorldOf(t, map[string]string{"50-main.lua": `return { on_call = function(call)
		local target = ({ star = "*31#00882", letters = "00x882", spaced = "+8-82-99", exit = "000882", fine = "+4420", short = "123", other = "user" })[call.number]
		call:bridge("trunk:carrier/" .. target)
	end }`, "10-guard.lua": shippedScript(t, "10-guard.lua")}, func(w *world) {
		for number, want := range map[string]int{"star": refused, "letters": refused, "spaced": refused, "exit": refused, "fine": passed, "short": passed} {
			if code := w.refused(number); code != want {
				t.Errorf("%s: %d; want %d", number, code, want)
			}
		}
	}, func(o *Options) {
		o.Settings = map[string]any{"guard": map[string]any{"deny": list("+882"), "trusted": true}}
	})
}

func TestGuardLimits(t *testing.T) {
	inGuardedWorld(t, map[string]any{"calls": int64(3), "trusted": true, "users": map[string]any{"1002": map[string]any{"calls": int64(1)}}}, func(w *world) {
		user, other, trusted := w.phone("1001", true), w.phone("1002", true), w.phone("bob", false)
		try := func(p *phone.Phone, want ...int) {
			t.Helper()
			for i, code := range want {
				if got := dials(w, p, "+442079460000"); got != code {
					t.Errorf("call %d: %d; want %d", i+1, got, code)
				}
			}
		}
		try(user, passed, passed, passed, refused, refused)
		try(other, passed, refused)
		try(trusted, passed, passed, passed, refused)
		if code := dials(w, user, "112"); code != passed {
			t.Errorf("112: %d", code)
		}
		time.Sleep(50 * time.Minute)
		try(user, refused)
		time.Sleep(11 * time.Minute)
		try(user, passed, passed, passed, refused)
	})
}

// Calls that run count, calls that have ended count, and a bridge ends when the hour's
// minutes are used up.
func TestGuardMinutes(t *testing.T) {
	t.Parallel()
	// The target is a phone that the guard takes for a number at a trunk.
	guard := strings.Replace(shippedScript(t, "10-guard.lua"), `"^trunk:[^/]*/(.*)$"`, `"^user:(.*)$"`, 1)
	inWorldOf(t, map[string]string{"10-guard.lua": guard, "50-main.lua": `return { on_call = function(call) call:bridge("user:" .. call.number) end }`}, func(w *world) {
		user := w.phone("1001", true)
		w.answers(w.phone("1002", true), 0)
		call := func() *phone.Call {
			t.Helper()
			c, err := user.Dial(w.ctx, "sip:1002@"+serverAddr, phone.DialOptions{})
			if err != nil {
				t.Fatal(err)
			}
			return c
		}
		first := call()
		time.Sleep(45 * time.Second)
		second := call() // 75 s are left
		if code := dials(w, user, "1002"); code != refused {
			t.Errorf("a third call at once: %d", code)
		}
		began := time.Now()
		select {
		case <-second.Done():
		case <-time.After(time.Hour): // virtual
		}
		if took := time.Since(began); took < 75*time.Second || took > 80*time.Second {
			t.Errorf("the second call lasted %v", took)
		}
		w.hangup(first)
		w.record()
		w.record()
		w.record()
		if code := dials(w, user, "1002"); code != refused {
			t.Errorf("with no minutes left: %d", code)
		}
		time.Sleep(61 * time.Minute)
		third := call()
		time.Sleep(10 * time.Second)
		w.hangup(third)
	}, func(o *Options) {
		o.Settings = map[string]any{"guard": map[string]any{"minutes": int64(2), "at_once": int64(2)}}
	})
}

func TestGuardNight(t *testing.T) {
	inGuardedWorld(t, map[string]any{"home": "44", "night": map[string]any{"hours": list("20:00-07:00"), "zone": "UTC", "countries": list("GB")}}, func(w *world) {
		user := w.phone("1001", true) // the bubble's time begins at midnight
		try := func(number string, want int) {
			t.Helper()
			if code := dials(w, user, number); code != want {
				t.Errorf("%s: %d; want %d", number, code, want)
			}
		}
		try("+4930123456", refused)
		try("+442079460000", passed)
		try("112", passed)
		time.Sleep(8*time.Hour - 10*time.Minute)
		if err := user.Register(w.ctx); err != nil {
			t.Fatal(err)
		}
		try("+4930123456", passed)
	})
}

// posts keeps what was posted.
type posts struct {
	mu     sync.Mutex
	bodies []string
}

func (p *posts) RoundTrip(r *http.Request) (*http.Response, error) {
	body, _ := io.ReadAll(r.Body)
	time.Sleep(3500 * time.Millisecond) // nobody waits for it
	p.mu.Lock()
	defer p.mu.Unlock()
	p.bodies = append(p.bodies, r.Method+" "+r.URL.String()+" "+string(body))
	return &http.Response{StatusCode: 200, Header: http.Header{}, Body: io.NopCloser(strings.NewReader("")), Request: r}, nil
}

func TestGuardTellsOfRefusals(t *testing.T) {
	hook := &posts{}
	inGuardedWorld(t, map[string]any{"deny": list("+882"), "webhook": "https://hooks.example.com/x"}, func(w *world) {
		user := w.phone("1001", true)
		for range 3 {
			began := time.Now()
			if code := dials(w, user, "+882991234567"); code != refused || time.Since(began) > 3*time.Second { // a prompt says so
				t.Errorf("%d after %v", code, time.Since(began))
			}
			r := w.record()
			if !strings.Contains(says(r), "refused by the guard") || len(r.Legs) != 2 || r.Legs[1].SIPCode != refused {
				t.Errorf("%s\n%+v", says(r), r.Legs)
			}
		}
		dials(w, user, "+442079460000")
		time.Sleep(time.Minute)
		hook.mu.Lock()
		defer hook.mu.Unlock()
		if len(hook.bodies) != 1 {
			t.Fatalf("%d notices of three refusals for one reason: %q", len(hook.bodies), hook.bodies)
		}
		head, body, _ := strings.Cut(hook.bodies[0], "{")
		var got map[string]string
		if err := json.Unmarshal([]byte("{"+body), &got); err != nil || head != "POST https://hooks.example.com/x " {
			t.Fatalf("%s: %v", hook.bodies[0], err)
		}
		want := map[string]string{"who": "user 1001", "why": "denied", "target": "trunk:carrier/+882991234567", "number": "+882991234567",
			"text": "Call to trunk:carrier/+882991234567 by user 1001 refused: denied"}
		for k, v := range want {
			if got[k] != v {
				t.Errorf("%s: %q; want %q", k, got[k], v)
			}
		}
		if got["call"] == "" || got["at"] == "" || got["source"] == "" {
			t.Errorf("%v", got)
		}
	}, func(o *Options) { o.HTTP = hook })
}

// A mistake in the settings refuses the scripts and says where it is.
func TestGuardSettings(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		guard any
		want  string
	}{
		{map[string]any{"cals": int64(1)}, "guard.cals: there is no such setting"},
		{map[string]any{"calls": "many"}, "guard.calls must be a number"},
		{map[string]any{"calls": int64(-1)}, "guard.calls must not be negative"},
		{map[string]any{"allow": "+44"}, "guard.allow must be a list"},
		{map[string]any{"home": "44", "countries": list("UK")}, "guard.countries: UK is no country such as GB"},
		{map[string]any{"countries": list("GB")}, "guard.home is missing"},
		{map[string]any{"night": map[string]any{"zone": "UTC"}}, "guard.night.hours is missing"},
		{map[string]any{"users": map[string]any{"1001": map[string]any{"webhook": "x"}}}, "guard.users.1001.webhook: there is no such setting"},
		{"yes", "scripts.settings.guard must be a table"},
		{map[string]any{"home": "44", "countries": list("GB"), "night": map[string]any{"hours": list("20:00-07:00")}}, ""},
	} {
		o := testOptions("")
		o.Dir = scriptDir(t, map[string]string{"10-guard.lua": shippedScript(t, "10-guard.lua"), "lib/countries.lua": shippedScript(t, "lib/countries.lua")})
		o.Settings = map[string]any{"guard": tt.guard}
		e, err := New(o)
		if err == nil {
			e.Close()
		}
		if (err == nil) != (tt.want == "") || err != nil && !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%v: %v; want %q", tt.guard, err, tt.want)
		}
	}
}

func TestCountries(t *testing.T) {
	t.Parallel()
	o := testOptions(scriptDir(t, map[string]string{"50-main.lua": "return {}", "lib/countries.lua": shippedScript(t, "lib/countries.lua")}))
	e := newTestEngine(t, o)
	for number, want := range map[string]string{
		"+442079460000": "GB", "+441481123456": "GG", "+441534123456": "JE", "+441624123456": "IM", "+12125550123": "US", "+14165550123": "CA",
		"+18765550123": "JM", "+18095550123": "DO", "+74951234567": "RU", "+77271234567": "KZ", "+390612345678": "IT",
		"+3906698123": "VA", "+35818123456": "AX", "+358912345": "FI", "+2125288123": "EH", "+212522123456": "MA", "+262269123456": "YT", "+262262123456": "RE",
		"+59991234567": "CW", "+5997171234": "BQ", "+8613812345678": "CN", "+882991234": "nil", "+88161234": "nil", "+979123": "nil", "+999123": "nil",
		"020": "nil", "+": "nil", "+44x": "nil",
	} {
		if got, err := eval(t, e, `return tostring(require("countries").of("`+number+`"))`); err != nil || got != want {
			t.Errorf("%s: %s, %v; want %s", number, got, err, want)
		}
	}
}
