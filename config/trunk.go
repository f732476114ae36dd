package config

import (
	"errors"
	"fmt"
	"net/netip"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Trunk is a carrier or another switch.
type Trunk struct {
	Name      string      `toml:"name"`
	Hosts     []TrunkHost `toml:"hosts"`     // in the order of failover
	Transport string      `toml:"transport"` // "": as DNS says, else UDP
	Domain    string      `toml:"domain"`    // host of the addresses that we call there; "": that of the host
	Username  string      `toml:"username"`
	Password  Secret      `toml:"password"`
	Digest    []string    `toml:"digest"` // the algorithms its challenges are answered with; none: whichever it asks for
	Register  bool        `toml:"register"`
	Expires   Duration    `toml:"expires"` // that registrations ask for
	Match     []Prefix    `toml:"match"`   // where its calls come from; none: the addresses of its hosts
	Check     Duration    `toml:"check"`   // between probes of a host; 0: none

	MaxCalls       int `toml:"max_calls"` // 0: no limit
	CallsPerSecond int `toml:"calls_per_second"`

	Number         string `toml:"number"` // where an inbound INVITE has the dialled number
	RewriteIn      []Rule `toml:"rewrite_in"`
	RewriteOut     []Rule `toml:"rewrite_out"`
	RewriteFromIn  []Rule `toml:"rewrite_from_in"`
	RewriteFromOut []Rule `toml:"rewrite_from_out"`
	CallerID       string `toml:"caller_id"`
	CallerName     string `toml:"caller_name"`
	From           string `toml:"from"`     // "caller", or "username" for the account whoever calls
	Identity       string `toml:"identity"` // the header that tells who calls
	Trust          bool   `toml:"trust"`    // what it says about who calls is believed

	Pass []string          `toml:"pass"`
	Drop []string          `toml:"drop"`
	Set  map[string]string `toml:"set"`

	SRTP   string   `toml:"srtp"`
	DTMF   string   `toml:"dtmf"`
	Codecs []string `toml:"codecs"`
}

// defaultTrunk is what an entry of [[trunk]] starts from.
func defaultTrunk() Trunk {
	return Trunk{Expires: Duration(10 * time.Minute), Check: Duration(30 * time.Second),
		Number: "ruri", From: "caller", Identity: "none", Trust: true}
}

// TrunkHost is "sip.example.net", "192.0.2.1:5070", "2001:db8::1" or "[2001:db8::1]:5060".
type TrunkHost string

// UnmarshalText reads a host and perhaps a port.
func (h *TrunkHost) UnmarshalText(b []byte) error {
	s := string(b)
	bad := fmt.Errorf(`%q is not a host: write it as "sip.example.net", "192.0.2.1:5070" or "[2001:db8::1]:5060"`, s)
	if a, err := netip.ParseAddr(s); err == nil && a.Zone() == "" {
		*h = TrunkHost(s)
		return nil
	}
	name, port, given := strings.Cut(s, ":")
	if strings.HasPrefix(s, "[") {
		inner, rest, closed := strings.Cut(s[1:], "]")
		a, err := netip.ParseAddr(inner)
		if !closed || err != nil || !a.Is6() || a.Zone() != "" || rest != "" && rest[0] != ':' {
			return bad
		}
		name, port, given = "", strings.TrimPrefix(rest, ":"), rest != ""
	} else if !isHostname(name) {
		return bad
	}
	if n, err := strconv.ParseUint(port, 10, 16); given && (err != nil || n == 0) {
		return fmt.Errorf("%q: %q is not a port", s, port)
	}
	*h = TrunkHost(s)
	return nil
}

// Pattern is a regular expression (RE2) that compiles.
type Pattern string

// UnmarshalText reads a pattern.
func (p *Pattern) UnmarshalText(b []byte) error {
	if _, err := regexp.Compile(string(b)); err != nil {
		return errors.New(strings.TrimPrefix(err.Error(), "error parsing regexp: "))
	}
	*p = Pattern(b)
	return nil
}

// Rule rewrites a number: what Match finds is replaced, \1 to \9 standing for its groups.
type Rule struct {
	Match   Pattern `toml:"match"`
	Replace string  `toml:"replace"`
}

func (c *Config) validateTrunks(p *problems) {
	names := map[string]int{}
	for i := range c.Trunks {
		t, path := &c.Trunks[i], fmt.Sprintf("trunk[%d]", i)
		unique(p, path, t.Name, names)
		t.validateAccount(p, path)
		t.validateNumbers(p, path)
		t.validateHeaders(p, path)
		oneOf(p, path+".srtp", optional(t.SRTP), "off", "optional", "required")
		oneOf(p, path+".dtmf", optional(t.DTMF), "rfc4733", "info", "inband")
		oneOf(p, path+".codecs", t.Codecs, knownCodecs...)
	}
}

func (t *Trunk) validateAccount(p *problems, path string) {
	if len(t.Hosts) == 0 {
		p.addf(path+".hosts", "is missing")
	}
	for i, h := range t.Hosts {
		if slices.Contains(t.Hosts[:i], h) {
			p.addf(fmt.Sprintf("%s.hosts[%d]", path, i), "%q stands twice", h)
		}
	}
	oneOf(p, path+".transport", optional(t.Transport), protos...)
	if t.Domain != "" && !isHostname(t.Domain) && (&Addr{}).UnmarshalText([]byte(t.Domain)) != nil {
		p.addf(path+".domain", "%q is not a host name", t.Domain)
	}
	switch {
	case t.Username != "":
	case t.Register:
		p.addf(path+".register", "needs a username")
	case t.Password != "":
		p.addf(path+".password", "needs a username")
	case t.From == "username":
		p.addf(path+".from", "needs a username")
	}
	if strings.ContainsAny(t.Username, "\"\\<>") || hasControl(t.Username) {
		p.addf(path+".username", "%q holds a character that a username cannot have", t.Username)
	}
	oneOf(p, path+".digest", t.Digest, "sha-256", "md5")
	if e := t.Expires.Std(); e < time.Minute || e > day {
		p.addf(path+".expires", `%s is out of range: from "1m" to "1d"`, t.Expires)
	}
	if d := t.Check.Std(); d != 0 && d < time.Second {
		p.addf(path+".check", `%s is too short: "1s" or more, or "0"`, t.Check)
	}
	if t.MaxCalls < 0 {
		p.addf(path+".max_calls", "must be 0 or more")
	}
	if t.CallsPerSecond < 0 {
		p.addf(path+".calls_per_second", "must be 0 or more")
	}
}

func (t *Trunk) validateNumbers(p *problems, path string) {
	oneOf(p, path+".number", []string{t.Number}, "ruri", "to", "p-called-party-id")
	oneOf(p, path+".from", []string{t.From}, "caller", "username")
	oneOf(p, path+".identity", []string{t.Identity}, "none", "pai", "ppi", "rpid")
	for _, rules := range []struct {
		key  string
		list []Rule
	}{{"rewrite_in", t.RewriteIn}, {"rewrite_out", t.RewriteOut}, {"rewrite_from_in", t.RewriteFromIn}, {"rewrite_from_out", t.RewriteFromOut}} {
		for i, r := range rules.list {
			r.validate(p, fmt.Sprintf("%s.%s[%d]", path, rules.key, i))
		}
	}
	if strings.ContainsAny(t.CallerID, "@:;/?<>\"\\ ,") || hasControl(t.CallerID) {
		p.addf(path+".caller_id", "%q holds a character that a number cannot have", t.CallerID)
	}
	if hasControl(t.CallerName) {
		p.addf(path+".caller_name", "holds a control character")
	}
}

func (r *Rule) validate(p *problems, path string) {
	pattern, err := regexp.Compile(string(r.Match))
	if r.Match == "" || err != nil {
		p.addf(path+".match", "is missing")
		return
	}
	if hasControl(r.Replace) {
		p.addf(path+".replace", "holds a control character")
	}
	for i := 0; i+1 < len(r.Replace); i++ {
		d := r.Replace[i+1]
		if r.Replace[i] == '\\' && d >= '0' && d <= '9' && int(d-'0') > pattern.NumSubexp() {
			p.addf(path+".replace", `\%c: the pattern has %d groups`, d, pattern.NumSubexp())
		}
	}
}

func (t *Trunk) validateHeaders(p *problems, path string) {
	for _, list := range []struct {
		key   string
		names []string
	}{{"pass", t.Pass}, {"drop", t.Drop}} {
		for i, name := range list.names {
			if !isToken(name) {
				p.addf(fmt.Sprintf("%s.%s[%d]", path, list.key, i), "%q is not the name of a header", name)
			}
		}
	}
	for name, value := range t.Set {
		at := path + ".set." + name
		switch {
		case !isToken(name) || strings.Contains(name, "*"):
			p.addf(at, "is not the name of a header")
		case slices.Contains(serverHeaders, strings.ToLower(name)):
			p.addf(at, "is a header that the server sets itself")
		case hasControl(value):
			p.addf(at, "holds a control character")
		}
	}
}

// serverHeaders belong to the protocol: no configuration sets them.
var serverHeaders = []string{"via", "v", "from", "f", "to", "t", "call-id", "i", "cseq", "contact", "m", "route",
	"record-route", "content-length", "l", "content-type", "c", "max-forwards", "authorization", "proxy-authorization",
	"www-authenticate", "proxy-authenticate", "require", "supported", "k", "rack", "rseq"}

// isToken: RFC 3261 §25.1.
func isToken(s string) bool {
	return s != "" && !strings.ContainsFunc(s, func(r rune) bool {
		return !(r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("-.!%*_+`'~", r))
	})
}
