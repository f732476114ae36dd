package main

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"tandem/b2bua/phone"
	"tandem/b2bua/transport"
	"tandem/web"
)

const callAlice = "return { on_call = function(call) call:bridge('user:1001') end }\n"

// Registrations and bans outlive the process; what went over a connection does not, nor does
// the registration of a user who has been removed meanwhile.
func TestRestartKeepsRegistrationsAndBans(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	data := filepath.Join(dir, "data")
	write(t, filepath.Join(dir, "scripts", "50-main.lua"), callAlice)
	const user = "[[user]]\nname = '%'\npassword = 'pw'\n"
	users := func(names ...string) (text string) {
		for _, n := range names {
			text += strings.Replace(user, "%", n, 1)
		}
		return text
	}
	const rules = "[limits]\nper_source = { auth_failures = 3 }\n[[acl]]\nallow = ['127.0.0.1']\n"
	file := write(t, filepath.Join(dir, "tandem.toml"), rules+users("1001", "1002", "1003"))
	s := serve(t, "-c", file, "--data", data)
	register := func(s *served, p *phone.Phone) error {
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
		defer cancel()
		return p.Register(ctx)
	}
	alice := phoneAt(t, "127.0.0.1", phone.Options{User: "1001", Password: "pw", Server: "sip:" + s.sip})
	gone := phoneAt(t, "127.0.0.1", phone.Options{User: "1003", Password: "pw", Server: "sip:" + s.sip})
	tcp, err := phone.New(phone.Options{User: "1002", Password: "pw",
		Server: "sip:" + strings.TrimPrefix(s.tcp(), "tcp://") + ";transport=tcp"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { tcp.Close() })
	for _, p := range []*phone.Phone{alice, gone, tcp} {
		if err := register(s, p); err != nil {
			t.Fatal(err)
		}
	}
	stranger := phoneAt(t, "127.0.0.4", phone.Options{User: "1001", Password: "guess", Server: "sip:" + s.sip})
	var refused *phone.Rejected
	for range 3 {
		if err := register(s, stranger); !errors.As(err, &refused) || refused.Code != 403 {
			t.Fatalf("a wrong password: %v", err)
		}
	}
	banned := func(s *served) {
		t.Helper()
		code, stdout, stderr := s.api("status")
		if code != 0 {
			t.Fatal(stderr)
		}
		mustContain(t, "status", stdout, "127.0.0.4 until ", "3 failures")
		var st web.Status
		s.get("/api/v1/status", &st)
		if st.Banned != 1 || len(st.Bans) != 1 || st.Bans[0].Source != "127.0.0.4" || st.Bans[0].UntilMS-st.Bans[0].SinceMS != 600_000 {
			t.Errorf("bans: %+v", st.Bans)
		}
	}
	banned(s)
	if code := s.stop(); code != 0 {
		t.Fatalf("exit %d\n%s", code, s.stderr)
	}
	if info, err := os.Stat(filepath.Join(data, "tandem.db")); err != nil || info.Mode().Perm()&0o007 != 0 {
		t.Errorf("the store is open to others: %v, %v", info.Mode(), err)
	}

	write(t, file, rules+users("1001", "1002"))
	again := serve(t, "-c", file, "--data", data)
	banned(again)
	_, stdout, _ := again.api("registrations")
	mustContain(t, "registrations", stdout, "1001", "udp:"+hostPort(t, alice), "tandem-phone")
	if strings.Contains(stdout, "1002") || strings.Contains(stdout, "1003") {
		t.Errorf("registrations:\n%s", stdout)
	}
	got := answers(t, alice)
	call, err := again.call(phoneAt(t, "127.0.0.1", phone.Options{}), "1001")
	if err != nil {
		t.Fatal(err)
	}
	if c := <-got; c == nil {
		t.Fatal("who registered before the restart is not called")
	}
	if err := call.Hangup(t.Context()); err != nil {
		t.Error(err)
	}
	if _, stdout, _ := again.api("bans"); !regexp.MustCompile(`(?m)^127\.0\.0\.4 .* 3 failures$`).MatchString(stdout) {
		t.Errorf("bans:\n%s", stdout)
	}
	if code, stdout, stderr := again.api("bans", "lift", "127.0.0.4"); code != 0 || stdout != "127.0.0.4 is listened to again\n" {
		t.Errorf("lift: exit %d, %q, %q", code, stdout, stderr)
	}
	if code, _, stderr := again.api("bans", "lift", "127.0.0.4"); code != 1 || !strings.Contains(stderr, "is not banned") {
		t.Errorf("lifted twice: exit %d, %q", code, stderr)
	}
	pardoned := phoneAt(t, "127.0.0.4", phone.Options{User: "1001", Password: "pw", Server: "sip:" + again.sip})
	if err := register(again, pardoned); err != nil {
		t.Errorf("after the ban was lifted: %v", err)
	}
	if code := again.stop(); code != 0 {
		t.Fatalf("exit %d\n%s", code, again.stderr)
	}
	third := serve(t, "-c", file, "--data", data)
	if _, stdout, _ := third.api("bans"); stdout != "nobody is banned\n" {
		t.Errorf("a lifted ban is back:\n%s", stdout)
	}
}

// What the registrar holds is what is kept, to the last field.
func TestBindingRoundTrip(t *testing.T) {
	t.Parallel()
	layer, err := transport.New(transport.Options{Listen: []transport.Endpoint{{Proto: transport.UDP, Addr: loopback}}})
	if err != nil {
		t.Fatal(err)
	}
	defer layer.Close()
	s := &server{transport: layer}
	c := binding(t, layer)
	back, usable, err := s.contact(bindingRow(c))
	if err != nil || !usable {
		t.Fatal(usable, err)
	}
	if bindingRow(back) != bindingRow(c) || back.Flow != c.Flow || len(back.Path) != 2 || back.URI.String() != c.URI.String() {
		t.Errorf("got  %+v\nwant %+v", bindingRow(back), bindingRow(c))
	}
	row := bindingRow(c)
	row.Transport, row.Path = "tcp", ""
	if _, usable, err := s.contact(row); err != nil || usable {
		t.Errorf("over a connection: %v, %v", usable, err)
	}
	for _, break_ := range []func(){func() { row.URI = "::" }, func() { row.Source = "x" }, func() { row.Path = "<sip:a" }} {
		row = bindingRow(c)
		break_()
		if _, usable, err := s.contact(row); err == nil || usable {
			t.Errorf("%+v is usable", row)
		}
	}
}
