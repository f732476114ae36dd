//go:build interop

package interop

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	cdplog "github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"

	"tandem/b2bua/phone"
)

// page is the dashboard in a Chromium without a window.
type page struct {
	t   *testing.T
	ctx context.Context
	url string

	mu       sync.Mutex
	mistakes []string // what the console was told
}

// openPage opens the dashboard of a server, width pixels wide.
func openPage(t *testing.T, url string, width, height int) *page {
	t.Helper()
	flags := append(slices.Clone(chromedp.DefaultExecAllocatorOptions[:]), chromedp.ExecPath("chromium"), chromedp.NoSandbox,
		chromedp.Flag("disable-quic", true), chromedp.Flag("disable-component-update", true), chromedp.WindowSize(width, height),
		chromedp.UserDataDir(t.TempDir()), chromedp.WSURLReadTimeout(time.Minute))
	alloc, stop := chromedp.NewExecAllocator(t.Context(), flags...)
	t.Cleanup(stop)
	ctx, cancel := chromedp.NewContext(alloc)
	t.Cleanup(cancel)
	p := &page{t: t, ctx: ctx, url: url}
	if err := chromedp.Run(ctx); err != nil { // the browser lives as long as the context of the first run
		t.Fatalf("chromium: %v", err)
	}
	chromedp.ListenTarget(ctx, p.told)
	p.do("open the page", cdplog.Enable(), chromedp.Navigate(url))
	return p
}

// told keeps what a page complains of. A 401 before the login is Chromium's own line.
func (p *page) told(event any) {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch e := event.(type) {
	case *runtime.EventExceptionThrown:
		p.mistakes = append(p.mistakes, e.ExceptionDetails.Error())
	case *cdplog.EventEntryAdded:
		if e.Entry.Level == cdplog.LevelError && !strings.Contains(e.Entry.Text, "the server responded with a status of") {
			p.mistakes = append(p.mistakes, e.Entry.Text)
		}
	case *runtime.EventConsoleAPICalled:
		if e.Type == runtime.APITypeError {
			p.mistakes = append(p.mistakes, fmt.Sprint(e.Args))
		}
	}
}

// do has the browser do something.
func (p *page) do(what string, actions ...chromedp.Action) {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(p.ctx, time.Minute)
	defer cancel()
	if err := chromedp.Run(ctx, actions...); err != nil {
		p.t.Fatalf("%s: %v", what, err)
	}
}

// goTo shows a page of the dashboard.
func (p *page) goTo(hash string) {
	p.t.Helper()
	p.do("go to "+hash, chromedp.Evaluate("location.hash = "+quoted(hash), nil))
}

func quoted(s string) string { b, _ := json.Marshal(s); return string(b) } // a string has a JSON form

// eval is what an expression of the page is.
func eval[T any](p *page, expression string) (v T) {
	p.t.Helper()
	p.do(expression, chromedp.Evaluate(expression, &v))
	return v
}

// shows waits until the page's text has all of parts.
func (p *page) shows(parts ...string) {
	p.t.Helper()
	var text string
	for deadline := time.Now().Add(30 * time.Second); time.Now().Before(deadline); time.Sleep(50 * time.Millisecond) {
		text = eval[string](p, `document.getElementById("page").innerText`)
		if !slices.ContainsFunc(parts, func(part string) bool { return !strings.Contains(text, part) }) {
			return
		}
	}
	p.t.Fatalf("the page does not show all of %q:\n%s", parts, text)
}

// picture keeps a screenshot among the test's artefacts.
func (p *page) picture(name string) {
	p.t.Helper()
	var png []byte
	p.do("a picture", chromedp.FullScreenshot(&png, 100))
	if err := os.WriteFile(filepath.Join(p.t.ArtifactDir(), name+".png"), png, 0o644); err != nil {
		p.t.Fatal(err)
	}
}

// clean checks that the console was told of no mistake.
func (p *page) clean() {
	p.t.Helper()
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, m := range p.mistakes {
		p.t.Errorf("console: %s", m)
	}
}

const dashboardScript = `return { on_call = function(call)
	if call.number == "486" then call:reject(486) return end
	call:answer()
	log.info("said hello", { to = call.number })
	if call.number == "701" then call:start_recording("demo/" .. call.id) call:play("goodbye") return end
	local digits = call:gather { prompt = "silence:1", max = 4, timeout = 60 }
	call.vars.digits = digits
end }`

// TestDashboard uses each page in a browser while calls are up: the ladder, a search, a reload that
// fails, a call hung up, with a caller whose name is a script.
func TestDashboard(t *testing.T) {
	t.Parallel()
	const evil = `<script>document.title='owned'</script><img src=x onerror=alert(1)>`
	srv := serve(t, setup{config: "[http]\ntoken = \"secret\"\nread_token = \"look\"\n[store]\ntrace = true\n" + twoUsers,
		scripts: map[string]string{"50-main.lua": dashboardScript}})
	dial := func(number string) (*phone.Call, error) {
		ctx, cancel := context.WithTimeout(t.Context(), soon)
		defer cancel()
		p, err := phone.New(phone.Options{User: "mallory", Display: evil})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { p.Close() })
		return p.Dial(ctx, "sip:"+number+"@"+srv.udp.String(), phone.DialOptions{})
	}
	if _, err := dial("486"); err == nil {
		t.Fatal("486 was answered")
	}
	recorded, err := dial("701")
	if err != nil {
		t.Fatal(err)
	}
	<-recorded.Done()
	live, err := dial("700")
	if err != nil {
		t.Fatal(err)
	}

	p := openPage(t, srv.api+"/", 1280, 900)
	p.shows("Log in")
	login := func(token string) {
		p.do("log in", chromedp.WaitVisible(`input[name=token]`), chromedp.SetValue(`input[name=token]`, token), chromedp.Click(`form button`))
	}
	login("wrong")
	p.shows("the token is wrong")
	login("secret")
	p.shows("calls up", "answer never", "The last hour")
	if n := eval[int](p, `document.querySelectorAll(".chart canvas").length`); n != 3 {
		t.Errorf("%d charts", n)
	}
	if n := eval[int](p, `document.querySelectorAll("#signals a").length`); n < 5 {
		t.Errorf("%d signals", n)
	}
	p.picture("now")

	p.goTo("#/calls")
	p.shows("mallory@", evil, "700", "answered")
	p.picture("calls")
	p.do("open the call", chromedp.Click(`td a`))
	p.shows("in call:gather at 50-main.lua:", "generation 1")
	p.picture("call")

	p.goTo("#/records?state=busy")
	p.shows("486", "busy", evil)
	if rows := eval[int](p, `document.querySelectorAll("tbody tr").length`); rows != 1 {
		t.Errorf("%d records are busy", rows)
	}
	p.picture("records")
	p.ladder(t, []string{"INVITE", "100 Trying", "486 Busy Here"}, "ACK")
	p.do("press a message", chromedp.Focus(`.message[data-title=INVITE]`), chromedp.KeyEvent("\r"))
	p.shows("INVITE sip:486@", "Via: SIP/2.0/UDP")
	p.picture("ladder")

	p.goTo("#/records?to=701")
	p.shows("701", "answered")
	p.ladder(t, []string{"INVITE", "100 Trying", "200 OK", "ACK", "BYE"}, "200 OK")
	p.shows("In words", "On one time axis", "said hello", "demo/")
	p.do("draw the waveform", chromedp.Click(`//button[text()="Draw the waveform"]`), chromedp.WaitVisible(`svg.wave`))
	if loud := eval[int](p, `[...document.querySelectorAll("svg.wave rect")].filter((r) => Number(r.getAttribute("height")) > 6).length`); loud < 10 {
		t.Errorf("%d bars of the waveform are of a voice", loud)
	}
	p.picture("answered")

	p.reloads(t, srv)
	p.goTo("#/phones")
	p.shows("No trunk is configured.", "No phone is registered.")
	p.picture("phones")

	p.goTo("#/calls")
	p.do("hang up", chromedp.Click(`//button[text()="Hang up"]`))
	select {
	case <-live.Done():
	case <-time.After(soon):
		t.Error("the call goes on")
	}
	p.shows("Nobody is calling.")
	if title := eval[string](p, "document.title"); title != "Calls · Tandem" {
		t.Errorf("the title is %q", title)
	}
	p.clean()
}

// ladder opens the only record of the list and compares its messages; after may have come
// before the record was closed, or not.
func (p *page) ladder(t *testing.T, want []string, after string) {
	t.Helper()
	p.do("open the record", chromedp.Click(`td a`), chromedp.WaitVisible(`svg.ladder`))
	got := eval[[]string](p, `[...document.querySelectorAll(".message")].map((m) => m.dataset.title)`)
	if !slices.Equal(got, want) && !slices.Equal(got, append(want, after)) {
		t.Errorf("the ladder is %q, want %q", got, want)
	}
}

// reloads puts a broken script there and a whole one, by the button.
func (p *page) reloads(t *testing.T, srv *server) {
	t.Helper()
	p.goTo("#/scripts")
	p.shows("Generation 1", "50-main.lua")
	main := filepath.Join(srv.dir, "scripts", "50-main.lua")
	writeFile(t, main, "return {\n  on_call = functoin(call) end\n}\n")
	p.do("reload", chromedp.Click(`//button[text()="Reload"]`))
	p.shows("50-main.lua:2:", "Generation 1")
	p.picture("broken")
	writeFile(t, main, dashboardScript+"\n-- whole again\n")
	p.do("reload", chromedp.Click(`//button[text()="Reload"]`))
	p.shows("is in force", "Generation 2")
}

// TestDashboardOnAPhone: a small window in the dark, by somebody who may only look.
func TestDashboardOnAPhone(t *testing.T) {
	t.Parallel()
	srv := serve(t, setup{config: "[http]\ntoken = \"secret\"\nread_token = \"look\"\n" + twoUsers,
		scripts: map[string]string{"50-main.lua": dashboardScript}})
	ctx, cancel := context.WithTimeout(t.Context(), soon)
	defer cancel()
	caller, err := phone.New(phone.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { caller.Close() })
	if _, err := caller.Dial(ctx, "sip:700@"+srv.udp.String(), phone.DialOptions{}); err != nil {
		t.Fatal(err)
	}
	p := openPage(t, srv.api+"/", 390, 844)
	p.do("log in", chromedp.EmulateViewport(390, 844, chromedp.EmulateMobile), chromedp.WaitVisible(`input[name=token]`),
		chromedp.SetValue(`input[name=token]`, "look"), chromedp.Click(`form button`))
	for hash, part := range map[string]string{"#/now": "calls up", "#/calls": "700", "#/records": "Search", "#/scripts": "Generation 1", "#/phones": "Trunks"} {
		p.goTo(hash)
		p.shows(part)
		if wide := eval[bool](p, `document.documentElement.scrollWidth > innerWidth + 1`); wide {
			t.Errorf("%s is wider than a phone", hash)
		}
		if n := eval[int](p, `document.querySelectorAll("button.danger").length`); n > 0 {
			t.Errorf("%s offers who may only look to hang up", hash)
		}
		p.picture(strings.TrimPrefix(hash, "#/"))
	}
	p.clean()
}
