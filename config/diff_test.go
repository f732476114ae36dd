package config

import (
	"fmt"
	"strings"
	"testing"
)

func TestDiff(t *testing.T) {
	t.Parallel()
	parse := func(text string) *Config {
		c, err := Parse("t.toml", []byte(text), noEnv)
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	before := parse(`
[sip]
listen = ["udp://127.0.0.1:5060"]
[limits]
calls = 10
[[acl]]
allow = ["10.0.0.0/8"]
[[user]]
name = "1001"
password = "a"
[[user]]
name = "1002"
password = "b"
`)
	after := parse(`
# a comment moves every line
[sip]
listen = ["udp://127.0.0.1:5070"]
[server]
drain = "5s"
[store]
retention = "30d"
[http]
token = "t"
[limits]
calls = 20
[[acl]]
allow = ["10.0.0.0/16"]
[[user]]
name = "1003"
password = "c"
[[user]]
name = "1001"
password = "changed"
`)
	var got []string
	for _, c := range Diff(before, after) {
		got = append(got, fmt.Sprintf("%s %s restart=%v", c.Key, c.What, c.Restart))
	}
	want := `server.drain changed restart=false
sip.listen changed restart=true
store.retention changed restart=false
http.token changed restart=false
limits.calls changed restart=false
acl changed restart=false
user 1001 changed restart=false
user 1002 removed restart=false
user 1003 added restart=false`
	if s := strings.Join(got, "\n"); s != want {
		t.Errorf("got\n%s\nwant\n%s", s, want)
	}
	if same := Diff(before, before); len(same) != 0 {
		t.Errorf("a configuration differs from itself: %v", same)
	}
}
