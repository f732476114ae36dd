package scripting

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"tandem/scripting/voice"
	"tandem/scripts"
)

func TestSpokenMoney(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ text, code, want string }{
		{"12.50", "USD", "number-12 money-dollars number-and number-50 money-cents"},
		{"1", "USD", "number-1 money-dollar"},
		{"0", "GBP", "number-0 money-pounds"},
		{"0.01", "GBP", "number-1 money-penny"},
		{"-1.02", "GBP", "number-minus number-1 money-pound number-and number-2 money-pence"},
		{"2.999", "EUR", "number-3 money-euros"},
		{"2.9", "EUR", "number-2 money-euros number-and number-90 money-cents"},
		{"0.004", "EUR", "number-0 money-euros"},
	} {
		words, err := spokenMoney(tt.text, tt.code)
		if got := strings.Join(words, " "); err != nil || got != tt.want {
			t.Errorf("%s %s: %q, %v; want %q", tt.text, tt.code, got, err, tt.want)
		}
		for _, w := range words {
			if _, err := shippedPrompt(w); err != nil {
				t.Errorf("the prompt %s does not ship", w)
			}
		}
	}
	for _, bad := range []string{"", "x", "1,5", "1e3", "1234567890", "1.", "12 USD"} {
		if words, err := spokenMoney(bad, "USD"); err == nil {
			t.Errorf("%q is taken: %v", bad, words)
		}
	}
	if _, err := spokenMoney("1", "XXX"); err == nil {
		t.Error("XXX is a currency")
	}
}

// reader speaks by handing out one file, and says what it was asked.
type reader struct {
	path  string
	asked []string
	wait  bool
	err   error
}

func (r *reader) Speak(ctx context.Context, name, text string) (string, error) {
	r.asked = append(r.asked, name+"|"+text)
	if r.wait {
		<-ctx.Done()
		return "", context.Cause(ctx)
	}
	return r.path, r.err
}

// Text is spoken by whoever is configured, the same as a source; a caller who hangs up
// meanwhile ends the wait.
func TestSayText(t *testing.T) {
	t.Parallel()
	r := &reader{path: filepath.Join(t.TempDir(), "speech.wav")}
	sound, err := fs.ReadFile(scripts.FS, "prompts/goodbye.wav")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(r.path, sound, 0o644); err != nil {
		t.Fatal(err)
	}
	inWorldOf(t, map[string]string{"50-main.lua": `return { on_call = function(call)
		if call.number == "wait" then
			call:answer()
			log.info("said " .. tostring(call:say("for ever")) .. tostring(call:sleep(1)))
			return
		end
		log.info("said " .. call:say("hello; there"))
		log.info("said " .. call:say("--help", { voice = "de" }))
		log.info("played " .. call:play{ "goodbye", "say:good: bye" })
		log.info("money " .. call:say(12.5, { as = "money", currency = "GBP" }))
		log.info(select(2, pcall(call.say, call, "1", { as = "number", voice = "x" })))
		log.info(select(2, pcall(call.say, call, "1", { as = "money", currency = "XXX" })))
		log.info(select(2, pcall(call.say, call, "1", { as = "number", language = "xx" })))
	end }`}, func(w *world) {
		w.ended(w.caller("700"))
		got := says(w.record())
		for _, want := range []string{"said done\n", "played done", "money done", `option voice means nothing with as = "number"`,
			`currency "XXX" is not one of USD, EUR, GBP`, `there is no language "xx": it would be lib/lang/xx.lua`} {
			if !strings.Contains(got, want) {
				t.Errorf("the script said %s\nwithout %s", got, want)
			}
		}
		if asked := strings.Join(r.asked, " "); asked != "|hello; there de|--help |good: bye" {
			t.Errorf("asked %q", asked)
		}
		r.wait = true
		c := w.caller("wait")
		time.Sleep(time.Second)
		w.hangup(c)
		if rec := w.record(); !strings.Contains(says(rec), "said nilnil") || rec.Call.DurationMS > 3000 {
			t.Errorf("after the hangup: %s, %d ms", says(rec), rec.Call.DurationMS)
		}
	}, func(o *Options) { o.Voice = r })
}

// A language is a file in lib/lang and its prompts.
func TestSayLanguage(t *testing.T) {
	t.Parallel()
	sound, err := fs.ReadFile(scripts.FS, "prompts/number-1.wav")
	if err != nil {
		t.Fatal(err)
	}
	inWorldOf(t, map[string]string{"lib/lang/de.lua": `return {
			number = function(n) return { "de/" .. n } end,
			digits = function(text) return { "de/" .. text } end,
			date = function(t) return { "de/" .. time.format(t, "%d", "UTC") } end,
			money = function(n, currency) return { "de/" .. n, "de/" .. currency } end,
			time = function() http.get("http://example.com") end,
		}`,
		"prompts/de/7.wav": string(sound), "prompts/de/EUR.wav": string(sound), "prompts/de/22.wav": string(sound),
		"50-main.lua": `return { on_call = function(call)
			log.info("1 " .. call:say(7, { as = "number", language = "de" }))
			log.info("2 " .. call:say("7", { as = "digits", language = "de" }))
			log.info("3 " .. call:say("2026-11-22", { as = "date", language = "de" }))
			log.info("4 " .. call:say(7, { as = "money", language = "de", currency = "EUR" }))
			log.info("5 " .. select(2, call:say(8, { as = "number", language = "de" })))
			log.info("6 " .. select(2, pcall(call.say, call, "12:00", { as = "time", language = "de" })))
			log.info("7 " .. call:say(1, { as = "number" }))
		end }`}, func(w *world) {
		w.ended(w.caller("700"))
		got := says(w.record())
		for _, want := range []string{"1 done", "2 done", "3 done", "4 done", "5 not found", "http.get waits, and cannot be used inside of a language of lib/lang", "7 done"} {
			if !strings.Contains(got, want) {
				t.Errorf("the script said %s\nwithout %s", got, want)
			}
		}
	})
}

func TestSayWithoutVoice(t *testing.T) {
	t.Parallel()
	e := emptyEngine(t, nil)
	if _, err := (*e.speaker.Load()).Speak(t.Context(), "", "x"); !errors.Is(err, voice.ErrNone) {
		t.Errorf("%v", err)
	}
}
