package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/emiago/sipgo/sip"

	"tandem/b2bua/phone"
	"tandem/b2bua/transport"
	"tandem/web"
)

// phoneAt is a phone at an address of this machine.
func phoneAt(t *testing.T, ip string, o phone.Options) *phone.Phone {
	t.Helper()
	at := netip.AddrPortFrom(netip.MustParseAddr(ip), 0)
	o.Listen = []transport.Endpoint{{Proto: transport.UDP, Addr: at}}
	p, err := phone.New(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.Close() })
	return p
}

// hostPort is where a phone listens.
func hostPort(t *testing.T, p *phone.Phone) string {
	t.Helper()
	u, err := phone.ParseURI(p.URI())
	if err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf("%s:%d", u.Host, u.Port)
}

// answers has a phone answer the next call.
func answers(t *testing.T, p *phone.Phone) <-chan *phone.Call {
	t.Helper()
	got := make(chan *phone.Call, 1)
	go func() {
		defer close(got)
		ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
		defer cancel()
		c, err := p.Accept(ctx)
		if err == nil {
			err = c.Answer()
		}
		if err != nil {
			t.Error(err)
			return
		}
		got <- c
	}()
	return got
}

func headerText(c *phone.Call, name string) string {
	var all []string
	for _, h := range c.Invite().GetHeaders(name) {
		all = append(all, h.Value())
	}
	return strings.Join(all, "|")
}

func (s *served) call(p *phone.Phone, number string, headers ...sip.Header) (*phone.Call, error) {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(s.t.Context(), 20*time.Second)
	defer cancel()
	return p.Dial(ctx, "sip:"+number+"@"+s.sip, phone.DialOptions{Headers: headers})
}

const throughTheCarrier = `return { on_call = function(call)
	if call.trunk then
		call:bridge("user:1001", { headers = { ["X-Number"] = call.number, ["X-Trunk"] = call.trunk } })
	else
		call:bridge("trunk:carrier/" .. call.number)
	end
end }
`

// What tandem.toml says of a trunk is what goes over the wire, both ways.
func TestTrunkFromTheFileToTheWire(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	carrier := phoneAt(t, "127.0.0.2", phone.Options{User: "+15550100"})
	write(t, filepath.Join(dir, "scripts", "50-main.lua"), throughTheCarrier)
	file := write(t, filepath.Join(dir, "tandem.toml"), `
[[trunk]]
name = "carrier"
hosts = ["`+hostPort(t, carrier)+`"]
check = "1s"
domain = "carrier.example"
username = "acct"
password = "trunk-secret"
rewrite_in = [{ match = "^0([1-9].*)", replace = "+44\\1" }]
rewrite_out = [{ match = "^\\+", replace = "00" }]
rewrite_from_in = [{ match = '^\+1', replace = "001" }]
rewrite_from_out = [{ match = "^(10..)$", replace = "+44207183\\1" }]
caller_name = "Example Ltd"
from = "username"
identity = "pai"
pass = ["X-*"]
drop = ["X-Secret"]
set = { "X-Site" = "london" }
codecs = ["pcma"]
[[user]]
name = "1001"
password = "pw"
`)
	s := serve(t, "-c", file)
	alice := phoneAt(t, "127.0.0.1", phone.Options{User: "1001", Password: "pw", Server: "sip:" + s.sip, Display: "Alice"})
	if err := alice.Register(t.Context()); err != nil {
		t.Fatal(err)
	}

	got := answers(t, carrier)
	out, err := s.call(alice, "+442071838750", sip.NewHeader("X-Tag", "7"), sip.NewHeader("X-Secret", "s"), sip.NewHeader("Subject", "no"))
	if err != nil {
		t.Fatal(err)
	}
	c := <-got
	if c == nil {
		t.Fatal("the carrier got no call")
	}
	from := c.Invite().From()
	for _, check := range []struct{ what, got, want string }{
		{"Request-URI", c.Invite().Recipient.String(), "sip:00442071838750@carrier.example"},
		{"From", from.Address.User + "@" + from.Address.Host + " " + from.DisplayName, "acct@carrier.example Example Ltd"},
		{"P-Asserted-Identity", headerText(c, "P-Asserted-Identity"), `"Example Ltd" <sip:+442071831001@carrier.example>`},
		{"X-Tag", headerText(c, "X-Tag"), "7"},
		{"X-Secret", headerText(c, "X-Secret"), ""},
		{"Subject", headerText(c, "Subject"), ""},
		{"X-Site", headerText(c, "X-Site"), "london"},
		{"codec", fmt.Sprint(c.Session().Codec()), "pcma"},
	} {
		if check.got != check.want && !(check.what == "codec" && strings.EqualFold(check.got, check.want)) {
			t.Errorf("%s: %q, want %q", check.what, check.got, check.want)
		}
	}
	if err := out.Hangup(t.Context()); err != nil {
		t.Error(err)
	}

	got = answers(t, alice)
	in, err := s.call(carrier, "02071838750", sip.NewHeader("X-Carrier", "c"), sip.NewHeader("X-Secret", "s"))
	if err != nil {
		t.Fatal(err)
	}
	if c = <-got; c == nil {
		t.Fatal("alice got no call")
	}
	for _, check := range []struct{ what, got, want string }{
		{"number", headerText(c, "X-Number"), "+442071838750"},
		{"trunk", headerText(c, "X-Trunk"), "carrier"},
		{"caller", c.Invite().From().Address.User, "0015550100"},
		{"X-Carrier", headerText(c, "X-Carrier"), "c"},
		{"X-Secret", headerText(c, "X-Secret"), ""},
		{"X-Site", headerText(c, "X-Site"), ""},
	} {
		if check.got != check.want {
			t.Errorf("inbound %s: %q, want %q", check.what, check.got, check.want)
		}
	}
	if err := in.Hangup(t.Context()); err != nil {
		t.Error(err)
	}

	eventually(t, "the trunk's calls are over and its host is up", func() bool {
		var list struct{ Items []web.Trunk }
		s.get("/api/v1/trunks", &list)
		if len(list.Items) != 1 {
			return false
		}
		k := list.Items[0]
		return k.State == "up" && k.Calls == 0 && k.Inbound == 1 && k.Outbound == 1 && k.SuccessRate != nil && *k.SuccessRate == 1 &&
			k.MedianPDDMS != nil && len(k.Hosts) == 1 && k.Hosts[0].RTTMS != nil && k.Registration.State == "off"
	})
	code, stdout, stderr := s.api("trunks")
	for _, args := range [][]string{{"trunks", "--format", "json"}, {"status", "--format", "json"}, {"reload"}} {
		if _, out, _ := s.api(args...); strings.Contains(out, "trunk-secret") {
			t.Errorf("%v shows the password", args)
		}
	}
	if strings.Contains(s.stderr.String(), "trunk-secret") {
		t.Error("the log has the password")
	}
	if line := regexp.MustCompile(`(?m)^carrier +up +1 of 1 +0 +1 +1 +100% +\d+ ms +- +-$`); code != 0 || !line.MatchString(stdout) {
		t.Errorf("trunks: exit %d, %q\n%s", code, stderr, stdout)
	}
}

// A trunk whose hosts are silent is down, and says why; calls to it fail and leave nothing.
func TestTrunkThatIsDown(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	silent, err := net.ListenPacket("udp", "127.0.0.2:0")
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	write(t, filepath.Join(dir, "scripts", "50-main.lua"), throughTheCarrier)
	file := write(t, filepath.Join(dir, "tandem.toml"), "[[trunk]]\nname = 'carrier'\nhosts = ['"+silent.LocalAddr().String()+"']\ncheck = '1s'\nmax_calls = 3\n")
	s := serve(t, "-c", file)
	line := regexp.MustCompile(`(?m)^carrier +down +0 of 1 +0 of 3 +0 +0 +- +- +- +\d{4}-\d\d-\d\d \d\d:\d\d:\d\d OPTIONS: no answer$`)
	var stdout string
	for deadline := time.Now().Add(40 * time.Second); !line.MatchString(stdout); time.Sleep(50 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("trunks:\n%s", stdout)
		}
		_, stdout, _ = s.api("trunks")
	}
}

// A reload changes trunks, users, limits and the ACL under a call that goes on.
func TestReloadUnderACall(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	carrier, other := phoneAt(t, "127.0.0.2", phone.Options{}), phoneAt(t, "127.0.0.3", phone.Options{})
	write(t, filepath.Join(dir, "scripts", "50-main.lua"), throughTheCarrier)
	const before = "[scripts]\nwatch = false\n[[user]]\nname = '1001'\npassword = 'pw'\n[[user]]\nname = '1002'\npassword = 'pw'\n"
	trunk := func(p *phone.Phone, more string) string {
		return "[[trunk]]\nname = 'carrier'\nhosts = ['" + hostPort(t, p) + "']\ncheck = '0'\n" + more
	}
	file := write(t, filepath.Join(dir, "tandem.toml"), before+trunk(carrier, ""))
	s := serve(t, "-c", file)
	user := func(name string) *phone.Phone {
		p := phoneAt(t, "127.0.0.1", phone.Options{User: name, Password: "pw", Server: "sip:" + s.sip})
		if err := p.Register(t.Context()); err != nil {
			t.Fatal(err)
		}
		return p
	}
	alice := user("1001")
	user("1002")
	got := answers(t, carrier)
	call, err := s.call(alice, "100")
	if err != nil {
		t.Fatal(err)
	}
	first := <-got
	up := func(when string) {
		t.Helper()
		select {
		case <-call.Done():
			t.Fatalf("%s the call is over: %+v", when, call.End())
		case <-first.Done():
			t.Fatalf("%s the carrier's leg is over: %+v", when, first.End())
		default:
		}
	}
	reload := func(text, want string) {
		t.Helper()
		write(t, file, text)
		code, stdout, stderr := s.api("reload")
		if code != 0 || !strings.Contains(stdout, "in force: "+want+"\n") {
			t.Fatalf("exit %d, %q, %q; want %q", code, stdout, stderr, want)
		}
		up("after " + want)
	}

	// Another host and a rule, one user less, tighter limits.
	const oneUser = "[scripts]\nwatch = false\n[[user]]\nname = '1001'\npassword = 'pw'\n"
	reload("[limits]\nemergency = ['999']\n"+oneUser+trunk(other, "rewrite_out = [{ match = '^', replace = '9' }]\n"),
		"limits.emergency, user 1002 removed, trunk carrier")
	_, stdout, _ := s.api("registrations")
	if !strings.Contains(stdout, "1001") || strings.Contains(stdout, "1002") {
		t.Errorf("a removed user is still registered:\n%s", stdout)
	}
	got = answers(t, other)
	second, err := s.call(alice, "100")
	if err != nil {
		t.Fatal(err)
	}
	if c := <-got; c == nil || c.Invite().Recipient.User != "9100" {
		t.Errorf("after the change the other carrier got %v", c)
	}
	if err := second.Hangup(t.Context()); err != nil {
		t.Error(err)
	}

	// No trunk, and nobody without a password: the call goes on.
	reload("[limits]\ncalls_per_second = 5\nper_source = { auth_failures = 3 }\n[[acl]]\nallow = ['192.0.2.1']\n"+oneUser,
		"limits.calls_per_second, limits.emergency, limits.per_source.auth_failures, acl, trunk carrier removed")
	var refused *phone.Rejected
	if _, err = s.call(other, "100"); !errors.As(err, &refused) || refused.Code != 401 {
		t.Errorf("a stranger's call: %v", err)
	}
	if _, err = s.call(alice, "100"); !errors.As(err, &refused) || refused.Code != 503 {
		t.Errorf("a call to a trunk that is gone: %v", err)
	}
	if err := first.Hold(t.Context()); err != nil { // the dialog of the removed trunk works
		t.Error(err)
	}
	if code, stdout, _ := s.api("trunks"); code != 0 || stdout != "no trunk is configured\n" {
		t.Errorf("trunks: exit %d, %q", code, stdout)
	}
	up("at the end")
	if err := call.Hangup(t.Context()); err != nil {
		t.Error(err)
	}
	select {
	case <-first.Done():
	case <-time.After(20 * time.Second):
		t.Error("the carrier was not hung up")
	}
}
