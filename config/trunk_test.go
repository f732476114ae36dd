package config

import (
	"fmt"
	"reflect"
	"testing"
)

const trunkText = `
[limits]
calls_per_second = 50
emergency = ["112", "000"]
per_source = { auth_failures = 3, ban = "1h" }
scanners = ["friendly-scanner*"]
[[trunk]]
name = "plain"
hosts = ["192.0.2.1", "[2001:db8::1]:5070", "2001:db8::2", "sip.example.net:5060"]
[[trunk]]
name = "carrier"
hosts = ["sip1.example.net"]
transport = "tls"
domain = "example.net"
username = "me"
password = "${PW}"
digest = ["md5"]
register = true
expires = "1h"
match = ["198.51.100.0/24", "2001:db8::/32"]
check = "0"
max_calls = 30
calls_per_second = 5
number = "to"
rewrite_in = [{ match = "^00(.*)", replace = "+\\1" }, { match = '^0', replace = '+44' }]
caller_id = "+442071838750"
caller_name = "Example"
from = "username"
identity = "pai"
trust = false
pass = ["X-*"]
drop = ["X-Secret"]
set = { "X-Site" = "london" }
codecs = ["pcma"]
[[trunk.rewrite_out]]
match = '^\+'
replace = "00"
`

func TestTrunk(t *testing.T) {
	t.Parallel()
	c, err := Parse("t.toml", []byte(trunkText), func(string) (string, bool) { return "s3cret", true })
	if err != nil {
		t.Fatal(err)
	}
	plain := defaultTrunk()
	plain.Name, plain.Hosts = "plain", []TrunkHost{"192.0.2.1", "[2001:db8::1]:5070", "2001:db8::2", "sip.example.net:5060"}
	carrier := Trunk{
		Name: "carrier", Hosts: []TrunkHost{"sip1.example.net"}, Transport: "tls", Domain: "example.net",
		Username: "me", Password: "s3cret", Digest: []string{"md5"}, Register: true, Expires: mustAll[Duration]("1h")[0],
		Match: mustAll[Prefix]("198.51.100.0/24", "2001:db8::/32"), MaxCalls: 30, CallsPerSecond: 5, Number: "to",
		RewriteIn:  []Rule{{Match: "^00(.*)", Replace: `+\1`}, {Match: "^0", Replace: "+44"}},
		RewriteOut: []Rule{{Match: `^\+`, Replace: "00"}}, CallerID: "+442071838750", CallerName: "Example",
		From: "username", Identity: "pai", Pass: []string{"X-*"}, Drop: []string{"X-Secret"},
		Set: map[string]string{"X-Site": "london"}, Codecs: []string{"pcma"},
	}
	for i, want := range []Trunk{plain, carrier} {
		if !reflect.DeepEqual(c.Trunks[i], want) {
			t.Errorf("got  %+v\nwant %+v", c.Trunks[i], want)
		}
	}
	limits := Default().Limits
	limits.CallsPerSecond, limits.Emergency, limits.Scanners = 50, []string{"112", "000"}, []string{"friendly-scanner*"}
	limits.PerSource.AuthFailures, limits.PerSource.Ban = 3, mustAll[Duration]("1h")[0]
	if !reflect.DeepEqual(c.Limits, limits) {
		t.Errorf("got  %+v\nwant %+v", c.Limits, limits)
	}
}

// What differs in a trunk is told by its name, and takes effect while calls are up.
func TestTrunksChangeLive(t *testing.T) {
	t.Parallel()
	parse := func(text string) *Config {
		c, err := Parse("t.toml", []byte(text), noEnv)
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	trunk := func(name, more string) string { return "[[trunk]]\nname='" + name + "'\nhosts=['h']\n" + more + "\n" }
	before := parse(trunk("a", "rewrite_in=[{match='^0',replace='x'}]") + trunk("b", "") + trunk("c", ""))
	after := parse(trunk("d", "") + trunk("c", "") + trunk("a", "rewrite_in=[{match='^1',replace='x'}]"))
	want := "[{trunk a changed false} {trunk b removed false} {trunk d added false}]"
	if got := fmt.Sprint(Diff(before, after)); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}
