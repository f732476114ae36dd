package config

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func noEnv(string) (string, bool) { return "", false }

func TestMistakes(t *testing.T) {
	t.Parallel()
	tests := []struct{ name, text, want string }{
		{"syntax", "[sip]\nlisten = \n", "t.toml:2: unexpected character U+000A at start of value"},
		{"twice", "[sip]\ndomain = 'a'\ndomain = 'b'\n", "t.toml:3: domain: key domain is already defined"},
		{"unknown key", "[sip]\nlisten_on = ['udp://0.0.0.0:5060']\n", "t.toml:2: sip.listen_on: unknown key"},
		{"misspelt key", "[sip]\nlsiten = ['udp://0.0.0.0:5060']\n", `t.toml:2: sip.lsiten: unknown key: did you mean "listen"?`},
		{"misspelt table", "[media]\n\n[servr]\ndata='x'\n", `t.toml:3: servr: unknown key: did you mean "server"?`},
		{"key at the top", "listen = []\n", "t.toml:1: listen: unknown key"},
		{"type", "[server]\ndrain = 60\n", "t.toml:2: server.drain: want a string in quotes, not a number"},
		{"number of a user", "[[user]]\nname = 1001\npassword = 'x'\n", "t.toml:2: user.name: want a string in quotes, not a number"},
		{"table for array", "[user]\nname = '1001'\n", "t.toml:1: user: want an array of tables, not a table"},
		{"array for string", "sip.domain = ['a']\n", "t.toml:1: sip.domain: want a string, not an array"},
		{"bool", "[store]\nevents = 'yes'\n", "t.toml:2: store.events: want true or false, not a string"},
		{"huge", "[limits]\ncalls = 99999999999\n", "t.toml:2: limits.calls: want a whole number, not a number out of range"},
		{"date", "[limits]\ncalls = 1979-05-27\n", "t.toml:2: limits.calls: want a whole number, not a LocalDate"},
		{"duration", "[server]\ndrain = 'soon'\n", `t.toml:2: server.drain: "soon" is not a duration: write it as "30s", "15m", "2h" or "90d"`},
		{"size", "[scripts]\nmemory = 'much'\n", `t.toml:2: scripts.memory: "much" is not a size: write it as "512KB" or "64MB"`},
		{"element", "[sip]\nlisten = [\n  'udp://0.0.0.0:5060',\n  'udp:/x',\n]\n", `t.toml:4: sip.listen: "udp:/x" is not a listener: write it as "udp://0.0.0.0:5060"`},
		{"transport", "sip.listen = ['sctp://0.0.0.0:5060']\n", `t.toml:1: sip.listen: "sctp://0.0.0.0:5060": "sctp" is not a transport: it is one of udp, tcp, tls, ws, wss`},
		{"listener by name", "sip.listen = ['udp://localhost:5060']\n", `t.toml:1: sip.listen: "udp://localhost:5060": "localhost:5060" is not an address and a port, as in "udp://0.0.0.0:5060" or "udp://[::]:5060"`},
		{"no listener", "sip.listen = []\n", "t.toml:1: sip.listen: needs at least one listener"},
		{"listener twice", "sip.listen = ['udp://0.0.0.0:5060',\n'udp://0.0.0.0:5060']\n", "t.toml:2: sip.listen: udp://0.0.0.0:5060 stands twice"},
		{"cidr", "[[acl]]\nallow = ['10.0.0.1/8']\n", `t.toml:2: acl.allow: "10.0.0.1/8" has bits set below its length: is "10.0.0.0/8" meant?`},
		{"second acl", "[[acl]]\nallow=['::1']\n[[acl]]\n", `t.toml:3: acl: has neither "allow" nor "deny"`},
		{"advertise", "sip.advertise = ['192.0.2.1', '192.0.2.2']\n", "t.toml:1: sip.advertise: 192.0.2.2 is the second of its family: one for IPv4, one for IPv6"},
		{"domain", "sip.domain = 'a b'\n", `t.toml:1: sip.domain: "a b" is not a host name`},
		{"digest", "sip.digest = ['sha256']\n", `t.toml:1: sip.digest: "sha256" is not known: did you mean "sha-256"?`},
		{"ports", "media.ports = '20000-10000'\n", `t.toml:1: media.ports: "20000-10000" holds no pair of ports`},
		{"ports too high", "media.ports = '10000-70000'\n", `t.toml:1: media.ports: "10000-70000" is not a range of ports: write it as "10000-32767"`},
		{"codec", "media.codecs = ['g729']\n", `t.toml:1: media.codecs: "g729" is not known: did you mean "g722"?`},
		{"preference", "media.prefer = 'our'\n", `t.toml:1: media.prefer: "our" is not known: did you mean "ours"?`},
		{"user's codec", "[[user]]\nname='1'\npassword='x'\ncodecs=['pcma','gsm']\n", `t.toml:4: user.codecs: "gsm" is not known: one of opus, g722, pcmu, pcma`},
		{"store", "store.url = 'mysql://x:secret@y'\n", `t.toml:1: store.url: want "sqlite:PATH", "postgres://user:password@host/name" or "none"`},
		{"token", "[http]\nlisten = '0.0.0.0:8080'\n", "t.toml:1: http.token: is needed to listen on 0.0.0.0:8080, which is not loopback"},
		{"token everywhere", "[http]\nlisten = ':8080'\n", "t.toml:1: http.token: is needed to listen on :8080, which is not loopback"},
		{"user twice", "[[user]]\nname='1001'\npassword='a'\n[[user]]\npassword='b'\nname='1001'\n", `t.toml:6: user.name: "1001" stands twice: the first is on line 2`},
		{"user without password", "[[user]]\nname='1001'\n", "t.toml:1: user.password: is missing"},
		{"user with @", "[[user]]\nname='a@b'\npassword='x'\n", `t.toml:2: user.name: "a@b" holds a character that a SIP user cannot have`},
		{"reader's token alone", "[http]\nread_token = 'x'\n", "t.toml:2: http.read_token: bounds nobody while there is no http.token"},
		{"one token for both", "[http]\ntoken = 'x'\nread_token = 'x'\n", "t.toml:3: http.read_token: is the same as http.token: its bearer could change everything"},
		{"env unset", "[http]\ntoken = '${NOPE}'\n", "t.toml:2: http.token: the environment has no variable NOPE"},
		{"env unclosed", "[http]\ntoken = '${NOPE'\n", `t.toml:2: http.token: "${" begins no ${NAME}: write "$${" for the characters themselves`},
		{"env in settings", "[scripts.settings]\na = { b = ['${NOPE}'] }\n", "t.toml:2: scripts.settings.a.b: the environment has no variable NOPE"},
		{"trunk without hosts", "[[trunk]]\nname='c'\n", "t.toml:1: trunk.hosts: is missing"},
		{"trunk's name", "[[trunk]]\nname='a/b'\nhosts=['h']\n", `t.toml:2: trunk.name: "a/b" holds a character that a SIP user cannot have`},
		{"trunk twice", "[[trunk]]\nname='c'\nhosts=['h']\n[[trunk]]\nname='c'\nhosts=['h']\n", `t.toml:5: trunk.name: "c" stands twice: the first is on line 2`},
		{"trunk's host", "[[trunk]]\nname='c'\nhosts=['h',\n'sip:x']\n", `t.toml:4: trunk.hosts: "sip:x": "x" is not a port`},
		{"trunk's host as URI", "[[trunk]]\nname='c'\nhosts=['a@b']\n", `t.toml:3: trunk.hosts: "a@b" is not a host: write it as "sip.example.net", "192.0.2.1:5070" or "[2001:db8::1]:5060"`},
		{"host's port", "[[trunk]]\nname='c'\nhosts=['[::1]:0']\n", `t.toml:3: trunk.hosts: "[::1]:0": "0" is not a port`},
		{"host twice", "[[trunk]]\nname='c'\nhosts=['h', 'h']\n", `t.toml:3: trunk.hosts: "h" stands twice`},
		{"trunk's transport", "[[trunk]]\nname='c'\nhosts=['h']\ntransport='sctp'\n", `t.toml:4: trunk.transport: "sctp" is not known: did you mean "tcp"?`},
		{"register without username", "[[trunk]]\nname='c'\nhosts=['h']\nregister=true\n", "t.toml:4: trunk.register: needs a username"},
		{"password without username", "[[trunk]]\nname='c'\nhosts=['h']\npassword='x'\n", "t.toml:4: trunk.password: needs a username"},
		{"from username", "[[trunk]]\nname='c'\nhosts=['h']\nfrom='username'\n", "t.toml:4: trunk.from: needs a username"},
		{"trunk's expires", "[[trunk]]\nname='c'\nhosts=['h']\nexpires='10s'\n", `t.toml:4: trunk.expires: 10s is out of range: from "1m" to "1d"`},
		{"trunk's check", "[[trunk]]\nname='c'\nhosts=['h']\ncheck='10ms'\n", `t.toml:4: trunk.check: 10ms is too short: "1s" or more, or "0"`},
		{"trunk's number", "[[trunk]]\nname='c'\nhosts=['h']\nnumber='uri'\n", `t.toml:4: trunk.number: "uri" is not known: did you mean "ruri"?`},
		{"trunk's match", "[[trunk]]\nname='c'\nhosts=['h']\nmatch=['carrier']\n", `t.toml:4: trunk.match: "carrier" is not an address range: write it as "192.0.2.0/24" or "192.0.2.1"`},
		{"trunk's identity", "[[trunk]]\nname='c'\nhosts=['h']\nidentity='p-asserted-identity'\n", `t.toml:4: trunk.identity: "p-asserted-identity" is not known: one of none, pai, ppi, rpid`},
		{"pattern", "[[trunk]]\nname='c'\nhosts=['h']\nrewrite_in=[\n{match='(', replace='x'}]\n", "t.toml:5: trunk.rewrite_in.match: missing closing ): `(`"},
		{"rule without pattern", "[[trunk]]\nname='c'\nhosts=['h']\nrewrite_out=[{replace='x'}]\n", "t.toml:4: trunk.rewrite_out.match: is missing"},
		{"rule's group", "[[trunk]]\nname='c'\nhosts=['h']\nrewrite_from_in=[{match='^(0)', replace='\\2'}]\n", `t.toml:4: trunk.rewrite_from_in.replace: \2: the pattern has 1 groups`},
		{"rule's key", "[[trunk]]\nname='c'\nhosts=['h']\nrewrite_out=[{match='a', with='x'}]\n", "t.toml:4: trunk.rewrite_out.with: unknown key"},
		{"rule by itself", "[[trunk]]\nname='c'\nhosts=['h']\nrewrite_out={match='a', replace='x'}\n", "t.toml:4: trunk.rewrite_out: want an array of tables, not a table"},
		{"pass", "[[trunk]]\nname='c'\nhosts=['h']\npass=['X-*',\n'X y']\n", `t.toml:5: trunk.pass: "X y" is not the name of a header`},
		{"set of the server's", "[[trunk]]\nname='c'\nhosts=['h']\n[trunk.set]\nVia='x'\n", "t.toml:5: trunk.set.Via: is a header that the server sets itself"},
		{"set of a line", "[[trunk]]\nname='c'\nhosts=['h']\n[trunk.set]\nX-A=\"a\\nb\"\n", "t.toml:5: trunk.set.X-A: holds a control character"},
		{"set of a number", "[[trunk]]\nname='c'\nhosts=['h']\nset={X-A=1}\n", "t.toml:4: trunk.set.X-A: want a string in quotes, not a number"},
		{"user's codec", "[[user]]\nname='1'\npassword='x'\ncodecs=['pcma','g729']\n", `t.toml:4: user.codecs: "g729" is not known: did you mean "g722"?`},
		{"trunk's codec", "[[trunk]]\nname='c'\nhosts=['h']\ncodecs=['pcma','g729']\n", `t.toml:4: trunk.codecs: "g729" is not known: did you mean "g722"?`},
		{"trunk's srtp", "[[trunk]]\nname='c'\nhosts=['h']\nsrtp='always'\n", `t.toml:4: trunk.srtp: "always" is not known: one of off, optional, required`},
		{"max calls", "[[trunk]]\nname='c'\nhosts=['h']\nmax_calls=-1\ncalls_per_second=-1\n", "t.toml:4: trunk.max_calls: must be 0 or more\nt.toml:5: trunk.calls_per_second: must be 0 or more"},
		{"emergency", "[limits]\nemergency=['112', '9 1 1']\n", `t.toml:2: limits.emergency: "9 1 1" is not a number`},
		{"emergency without quotes", "[limits]\nemergency=[112]\n", "t.toml:2: limits.emergency: want a string in quotes, not a number"},
		{"rate", "[limits]\ncalls_per_second=0\n", "t.toml:2: limits.calls_per_second: must be 1 or more"},
		{"ban", "[limits]\nper_source={ban='0'}\n", `t.toml:2: limits.per_source.ban: 0 is too short: "1s" or more`},
		{"auth failures", "[limits]\nper_source={auth_failures=0}\n", "t.toml:2: limits.per_source.auth_failures: must be 1 or more"},
		{"scanners", "[limits]\nscanners=['sip*', '*']\n", `t.toml:2: limits.scanners: "*" is not a pattern that tells some User-Agents from others`},
		{"auth in call", "[sip]\nauth_in_call=['bye']\n", `t.toml:2: sip.auth_in_call: "bye" is not known: one of INVITE, BYE, REFER, UPDATE, INFO, MESSAGE, SUBSCRIBE`},
		{"service route", "[sip]\nservice_route=['sip:edge.example;lr', 'sip:edge.example']\n", `t.toml:2: sip.service_route: "sip:edge.example" is not the URI of a proxy: write it as "sip:edge.example.com;lr"`},
		{"user's digest", "[[user]]\nname='1'\npassword='x'\ndigest=[]\n", "t.toml:4: user.digest: is empty"},
		{"db", "[db.crm]\nurl='mysql:x'\ntimeout='1h'\nconnections=-1\n", "t.toml:2: db.crm.url: want \"sqlite:PATH\" or \"postgres://user:password@host/name\"\n" +
			"t.toml:3: db.crm.timeout: 1h is too long: at most \"5m\"\nt.toml:4: db.crm.connections: must be from 1 to 1000"},
		{"mail", "[mail]\nhost='a:25'\ntls='ssl'\nfrom='x'\nusername='u'\n", "t.toml:1: mail: username and password go together\n" +
			"t.toml:2: mail.host: \"a:25\" is not a host name (its port is mail.port)\n" +
			"t.toml:3: mail.tls: \"ssl\" is not known: one of starttls, on, off\n" +
			"t.toml:4: mail.from: \"x\" is not a mail address: write it as \"Switch <switch@example.com>\""},
		{"say", "[say]\ncommand=['{file}']\ntimeout='0'\ncache='1KB'\nlanguage='../x'\n", "t.toml:2: say.command: begins with the program to run\n" +
			"t.toml:3: say.timeout: must be from \"1s\" to \"1m\"\nt.toml:4: say.cache: must be \"1MB\" or more\n" +
			"t.toml:5: say.language: \"../x\" is not a language: en, or the name of a file in lib/lang"},
		{"say to a URL", "[say]\nurl='http://x/'\n", `t.toml:2: say.url: does not say where the text goes: "http://127.0.0.1:5002/api/tts?text={text}"`},
		{"db no path", "[db.crm]\nurl='sqlite:'\n", `t.toml:2: db.crm.url: "sqlite:" needs a path, as in "sqlite:crm.db"`},
		{"tls without a certificate", "[sip]\nlisten=['udp://0.0.0.0:5060',\n'tls://0.0.0.0:5061']\n", "t.toml:3: sip.listen: tls://0.0.0.0:5061 needs tls_cert and tls_key"},
		{"certificate without its key", "[sip]\ntls_cert='a'\n", "t.toml:1: sip: tls_cert and tls_key go together"},
		{"origin", "[sip]\nws_origins=['https://a.example', 'a.example']\n", `t.toml:2: sip.ws_origins: "a.example" is not an origin: write it as "https://phone.example.com", "https://*.example.com" or "*"`},
		{"name server", "[sip]\ndns=['ns.example.com']\n", `t.toml:2: sip.dns: "ns.example.com" is not an IP address: write it as "192.0.2.53" or "127.0.0.1:5353"`},
		{"user's srtp", "[[user]]\nname='1'\npassword='x'\nsrtp='off'\n[[user]]\nname='2'\npassword='x'\nsrtp='require'\n", `t.toml:8: user.srtp: "require" is not known: did you mean "required"?`},
		{"all at once", "[sip]\nlisten=['x']\nport=5060\n[http]\nlisten='y'\n[store]\nevents=1\n",
			"t.toml:2: sip.listen: \"x\" is not a listener: write it as \"udp://0.0.0.0:5060\"\n" +
				"t.toml:3: sip.port: unknown key\n" +
				"t.toml:5: http.listen: \"y\" is not an address and a port: write it as \"127.0.0.1:8080\"\n" +
				"t.toml:7: store.events: want true or false, not a number"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			_, err := Parse("t.toml", []byte(tt.text), noEnv)
			if err == nil {
				t.Fatal("no error")
			}
			if err.Error() != tt.want {
				t.Errorf("got  %s\nwant %s", err, tt.want)
			}
		})
	}
}

func TestLoad(t *testing.T) {
	t.Setenv("TANDEM_TEST_TOKEN", "s3cret")
	dir := t.TempDir()
	file := filepath.Join(dir, "tandem.toml")
	text := `
[server]
data = "var"
drain = "1h30m"
[sip]
listen = ["udp://127.0.0.1:0", "tcp://[::1]:5070"]
domain = "example.com"
advertise = ["203.0.113.7", "2001:db8::1"]
[media]
codecs = ["pcma"]
prefer = "ours"
ports = "20000-20100"
[http]
listen = "0.0.0.0:9000"
token = "x-${TANDEM_TEST_TOKEN}-$${y}"
hosts = ["pbx.example.com"]
[scripts]
dir = "/opt/scripts"
watch = false
memory = "512KB"
[scripts.settings]
greeting = "hello"
days = [1, 2]
[limits]
calls = 10
[[acl]]
allow = ["192.0.2.1", "::1/128"]
[[user]]
name = "1001"
password = "pw"
display = "Alice"
`
	write := func(s string) {
		if err := os.WriteFile(file, []byte(s), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write(text)
	if _, err := Load(file); err == nil || err.Error() != file+`:20: scripts.memory: must be "1MB" or more` {
		t.Fatalf("memory too small: %v", err)
	}
	write(strings.Replace(text, "512KB", "2MB", 1))
	c, err := Load(file)
	if err != nil {
		t.Fatal(err)
	}
	for _, check := range []struct{ name, got, want string }{
		{"data", string(c.Server.Data), filepath.Join(dir, "var")},
		{"store", string(c.Store.URL), "sqlite:" + filepath.Join(dir, "var", "tandem.db")},
		{"drain", c.Server.Drain.Std().String(), "1h30m0s"},
		{"listen", c.SIP.Listen[0].String() + " " + c.SIP.Listen[1].String(), "udp://127.0.0.1:0 tcp://[::1]:5070"},
		{"realm", c.SIP.Realm(), "example.com"},
		{"token", string(c.HTTP.Token), "x-s3cret-${y}"},
		{"token shown", c.HTTP.Token.String(), "[hidden]"},
		{"http", c.HTTP.Listen.String(), "0.0.0.0:9000"},
		{"scripts", string(c.Scripts.Dir), "/opt/scripts"},
		{"acl", c.ACL[0].Allow[0].String(), "192.0.2.1/32"},
		{"default kept", c.Store.Retention.String(), "90d"},
		{"ports", c.Media.Ports.String(), "20000-20100"},
		{"prefer", c.Media.Prefer, "ours"},
	} {
		if check.got != check.want {
			t.Errorf("%s: got %q, want %q", check.name, check.got, check.want)
		}
	}
	if c.Scripts.Watch || c.Limits.Calls != 10 || c.Scripts.Settings["greeting"] != "hello" {
		t.Errorf("scripts or limits: %+v %+v", c.Scripts, c.Limits)
	}
	if !c.Set("http.token") || c.Set("store.url") {
		t.Error("Set does not tell what the file names")
	}
}

func TestLoadMissing(t *testing.T) {
	t.Parallel()
	if _, err := Load(filepath.Join(t.TempDir(), "no.toml")); !os.IsNotExist(err) {
		t.Fatalf("got %v", err)
	}
}

func TestDefaultIsValid(t *testing.T) {
	t.Parallel()
	c := Default()
	if err := c.Validate(); err != nil {
		t.Fatal(err)
	}
	c.SetData("/x")
	if c.Store.URL != "sqlite:/x/tandem.db" {
		t.Errorf("store: %s", c.Store.URL)
	}
	c.HTTP.Listen.Host = "0.0.0.0"
	if err := c.Validate(); err == nil || err.Error() != "http.token: is needed to listen on 0.0.0.0:8080, which is not loopback" {
		t.Errorf("got %v", err)
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(template))
	f.Add([]byte("[[trunk]]\nname='c'\nhosts=['h']\n[trunk.x]\n"))
	f.Add([]byte("a.b.c = {d=[{e=1}]}\n[[user]]\n[[user]]\nname=1"))
	f.Add([]byte("sip.listen=['udp://[::1]:1']\n[sip.x]\n"))
	f.Add([]byte("[scripts.settings]\na=[1,'${X}',{b=1979-05-27T07:32:00Z}]"))
	f.Fuzz(func(t *testing.T, data []byte) {
		c, err := Parse("f.toml", data, func(string) (string, bool) { return "v", true })
		if (c == nil) == (err == nil) {
			t.Fatalf("config %v, error %v", c, err)
		}
		if err == nil && c.Validate() != nil {
			t.Fatalf("valid once, then %v", c.Validate())
		}
	})
}
