package config

import (
	"errors"
	"fmt"
	"net/mail"
	"path"
	"slices"
	"strings"
	"time"
)

// validate checks what a value's own type cannot: ranges and how keys go together.
func (c *Config) validate(p *problems) {
	c.SIP.validate(p)
	c.Media.validate(p)
	c.HTTP.validate(p)
	c.Scripts.validate(p)
	c.Say.validate(p)
	c.Mail.validate(p)
	c.Limits.validate(p)
	for i, a := range c.ACL {
		if len(a.Allow)+len(a.Deny) == 0 {
			p.addf(fmt.Sprintf("acl[%d]", i), `has neither "allow" nor "deny"`)
		}
	}
	c.validateUsers(p)
	c.validateTrunks(p)
	for name, db := range c.DB {
		db.validate(p, "db."+name)
	}
	if c.Server.Data == "" {
		p.addf("server.data", "is empty")
	}
}

func (s *SIP) validate(p *problems) {
	if len(s.Listen) == 0 {
		p.addf("sip.listen", "needs at least one listener")
	}
	for i, e := range s.Listen {
		if e.Addr.Port() != 0 && slices.Contains(s.Listen[:i], e) {
			p.addf(fmt.Sprintf("sip.listen[%d]", i), "%s stands twice", e)
		}
		if needsCert := e.Proto == "tls" || e.Proto == "wss"; needsCert && s.TLSCert == "" {
			p.addf(fmt.Sprintf("sip.listen[%d]", i), "%s needs tls_cert and tls_key", e)
		}
	}
	if (s.TLSCert == "") != (s.TLSKey == "") {
		p.addf("sip", "tls_cert and tls_key go together")
	}
	if s.Domain != "" && !isHostname(s.Domain) && (&Addr{}).UnmarshalText([]byte(s.Domain)) != nil {
		p.addf("sip.domain", "%q is not a host name", s.Domain)
	}
	for i, a := range s.Advertise {
		path := fmt.Sprintf("sip.advertise[%d]", i)
		if a.IsUnspecified() || a.IsMulticast() {
			p.addf(path, "%s cannot be an address of ours", a)
		}
		if slices.ContainsFunc(s.Advertise[:i], func(b Addr) bool { return a.Is4() == b.Is4() }) {
			p.addf(path, "%s is the second of its family: one for IPv4, one for IPv6", a)
		}
	}
	for i, o := range s.WSOrigins {
		scheme, host, ok := strings.Cut(o, "://")
		if o != "*" && (!ok || scheme != "http" && scheme != "https" || host == "" || strings.ContainsAny(host, "/[]\\ ")) {
			p.addf(fmt.Sprintf("sip.ws_origins[%d]", i), `%q is not an origin: write it as "https://phone.example.com", "https://*.example.com" or "*"`, o)
		}
	}
	oneOf(p, "sip.digest", s.Digest, "sha-256", "md5")
	oneOf(p, "sip.auth_in_call", append([]string(nil), s.AuthInCall...), "INVITE", "BYE", "REFER", "UPDATE", "INFO", "MESSAGE", "SUBSCRIBE")
	for i, u := range s.ServiceRoute {
		host, ok := strings.CutPrefix(strings.TrimPrefix(u, "sips:"), "sip:")
		if ok = ok || strings.HasPrefix(u, "sips:"); !ok || host == "" || strings.ContainsAny(u, " <>\",\t\r\n") || !strings.Contains(u, ";lr") {
			p.addf(fmt.Sprintf("sip.service_route[%d]", i), `%q is not the URI of a proxy: write it as "sip:edge.example.com;lr"`, u)
		}
	}
	// RFC 4028 §4: the smallest interval is 90 seconds.
	if d := s.SessionExpires.Std(); d != 0 && d < 90*time.Second {
		p.addf("sip.session_expires", `%s is too short: "90s" or more, or "0"`, s.SessionExpires)
	}
}

func (m *Media) validate(p *problems) {
	oneOf(p, "media.codecs", m.Codecs, knownCodecs...)
	oneOf(p, "media.prefer", []string{m.Prefer}, "theirs", "ours")
}

var knownCodecs = []string{"opus", "g722", "pcmu", "pcma"}

func (h *HTTP) validate(p *problems) {
	if h.Token == "" && !h.Listen.Loopback() {
		p.addf("http.token", "is needed to listen on %s, which is not loopback", h.Listen)
	}
	for key, token := range map[string]Secret{"http.token": h.Token, "http.read_token": h.ReadToken} {
		if strings.ContainsFunc(string(token), func(r rune) bool { return r <= ' ' || r > '~' }) {
			p.addf(key, "may hold printable ASCII without spaces only")
		}
	}
	switch {
	case h.ReadToken == "":
	case h.Token == "":
		p.addf("http.read_token", "bounds nobody while there is no http.token")
	case h.ReadToken == h.Token:
		p.addf("http.read_token", "is the same as http.token: its bearer could change everything")
	}
	for i, name := range h.Hosts {
		if !isHostname(name) {
			p.addf(fmt.Sprintf("http.hosts[%d]", i), "%q is not a host name (without a port)", name)
		}
	}
}

func (s *Scripts) validate(p *problems) {
	if s.Dir == "" {
		p.addf("scripts.dir", "is empty")
	}
	if s.CallCPU <= 0 {
		p.addf("scripts.call_cpu", "must be more than 0")
	}
	if s.Memory < 1<<20 {
		p.addf("scripts.memory", `must be "1MB" or more`)
	}
}

func (s *Say) validate(p *problems) {
	url := string(s.URL)
	switch {
	case len(s.Command) > 0 && (s.Command[0] == "" || strings.ContainsAny(s.Command[0], "{}")):
		p.addf("say.command", "begins with the program to run")
	case url != "" && !strings.HasPrefix(url, "http://") && !strings.HasPrefix(url, "https://"):
		p.addf("say.url", "is not an http or https URL")
	case url != "" && !strings.Contains(url, "{text}"):
		p.addf("say.url", `does not say where the text goes: "http://127.0.0.1:5002/api/tts?text={text}"`)
	}
	if s.Timeout.Std() < time.Second || s.Timeout.Std() > time.Minute {
		p.addf("say.timeout", `must be from "1s" to "1m"`)
	}
	if s.Cache < 1<<20 {
		p.addf("say.cache", `must be "1MB" or more`)
	}
	if s.Language == "" || strings.ContainsFunc(s.Language, func(r rune) bool { return r != '-' && r != '_' && (r < '0' || r > 'z') }) {
		p.addf("say.language", "%q is not a language: en, or the name of a file in lib/lang", s.Language)
	}
}

func (m *Mail) validate(p *problems) {
	if m.Host != "" && !isHostname(m.Host) && (&Addr{}).UnmarshalText([]byte(m.Host)) != nil {
		p.addf("mail.host", "%q is not a host name (its port is mail.port)", m.Host)
	}
	if m.Port < 0 || m.Port > 65535 {
		p.addf("mail.port", "must be from 1 to 65535")
	}
	oneOf(p, "mail.tls", []string{m.TLS}, "starttls", "on", "off")
	if m.From != "" {
		if _, err := mail.ParseAddress(m.From); err != nil {
			p.addf("mail.from", `%q is not a mail address: write it as "Switch <switch@example.com>"`, m.From)
		}
	}
	if (m.Username == "") != (m.Password == "") {
		p.addf("mail", "username and password go together")
	}
	if m.Timeout.Std() < time.Second || m.Timeout.Std() > 5*time.Minute {
		p.addf("mail.timeout", `must be from "1s" to "5m"`)
	}
}

func (d DB) validate(p *problems, path string) {
	file, sqlite := strings.CutPrefix(string(d.URL), "sqlite:")
	switch {
	case d.URL == "":
		p.addf(path+".url", "is missing")
	case sqlite && file == "":
		p.addf(path+".url", `"sqlite:" needs a path, as in "sqlite:crm.db"`)
	case !sqlite && !strings.HasPrefix(string(d.URL), "postgres://") && !strings.HasPrefix(string(d.URL), "postgresql://"):
		p.addf(path+".url", `want "sqlite:PATH" or "postgres://user:password@host/name"`)
	}
	if d.Timeout.Std() > 5*time.Minute {
		p.addf(path+".timeout", `%s is too long: at most "5m"`, d.Timeout)
	}
	if d.Connections < 0 || d.Connections > 1000 {
		p.addf(path+".connections", "must be from 1 to 1000")
	}
}

func (l *Limits) validate(p *problems) {
	for _, n := range []struct {
		key   string
		value int
		least int
	}{
		{"calls", l.Calls, 1},
		{"calls_per_second", l.CallsPerSecond, 1},
		{"per_source.calls_per_second", l.PerSource.CallsPerSecond, 1},
		{"per_source.registers_per_minute", l.PerSource.RegistersPerMinute, 1},
		{"per_source.auth_failures", l.PerSource.AuthFailures, 1},
	} {
		if n.value < n.least {
			p.addf("limits."+n.key, "must be %d or more", n.least)
		}
	}
	if l.PerSource.Ban.Std() < time.Second {
		p.addf("limits.per_source.ban", `%s is too short: "1s" or more`, l.PerSource.Ban)
	}
	for i, n := range l.Emergency {
		if n == "" || strings.ContainsAny(n, "@:;/?<>\"\\ ,") || hasControl(n) {
			p.addf(fmt.Sprintf("limits.emergency[%d]", i), "%q is not a number", n)
		}
	}
	for i, pattern := range l.Scanners {
		if _, err := path.Match(pattern, "-"); err != nil || pattern == "" || strings.Trim(pattern, "*?") == "" {
			p.addf(fmt.Sprintf("limits.scanners[%d]", i), "%q is not a pattern that tells some User-Agents from others", pattern)
		}
	}
}

func (c *Config) validateUsers(p *problems) {
	names := map[string]int{}
	for i, u := range c.Users {
		path := fmt.Sprintf("user[%d]", i)
		unique(p, path, u.Name, names)
		if u.Password == "" {
			p.addf(path+".password", "is missing")
		}
		if hasControl(u.Display) {
			p.addf(path+".display", "holds a control character")
		}
		oneOf(p, path+".digest", u.Digest, "sha-256", "md5")
		oneOf(p, path+".codecs", u.Codecs, knownCodecs...)
		oneOf(p, path+".srtp", optional(u.SRTP), "off", "optional", "required")
		oneOf(p, path+".dtmf", optional(u.DTMF), "rfc4733", "info", "inband")
	}
}

// CheckUser tells what is wrong with a user's or trunk's name: it is the user part of a URI
// and stands in targets such as "user:1001".
func CheckUser(name string) error {
	if name == "" {
		return errors.New("the name is empty")
	}
	if strings.ContainsAny(name, "@:;/?<>\"\\ ,") || hasControl(name) {
		return fmt.Errorf("%q holds a character that a SIP user cannot have", name)
	}
	return nil
}

// unique checks the name of an entry and that it has it alone.
func unique(p *problems, path, name string, seen map[string]int) {
	if name == "" {
		p.addf(path+".name", "is missing")
		return
	}
	if err := CheckUser(name); err != nil {
		p.addf(path+".name", "%v", err)
	}
	if line, ok := seen[name]; ok {
		if line > 0 {
			p.addf(path+".name", "%q stands twice: the first is on line %d", name, line)
		} else {
			p.addf(path+".name", "%q stands twice", name)
		}
		return
	}
	seen[name] = p.lines[path+".name"]
}

// oneOf checks the values of a list against the known ones, and that none repeats.
func oneOf(p *problems, path string, values []string, known ...string) {
	if values != nil && len(values) == 0 {
		p.addf(path, "is empty")
	}
	for i, v := range values {
		at := path
		if p.lines[fmt.Sprintf("%s[%d]", path, i)] > 0 {
			at = fmt.Sprintf("%s[%d]", path, i)
		}
		if !slices.Contains(known, v) {
			msg := fmt.Sprintf("%q is not known", v)
			if n := nearest(v, known); n != "" {
				msg += fmt.Sprintf(": did you mean %q?", n)
			} else {
				msg += ": one of " + strings.Join(known, ", ")
			}
			p.addf(at, "%s", msg)
		} else if slices.Contains(values[:i], v) {
			p.addf(at, "%q stands twice", v)
		}
	}
}

func optional(v string) []string {
	if v == "" {
		return nil
	}
	return []string{v}
}

func hasControl(s string) bool {
	return strings.ContainsFunc(s, func(r rune) bool { return r < ' ' || r == 0x7f })
}

// isHostname follows RFC 1123 §2.1, loosely.
func isHostname(s string) bool {
	if s == "" || len(s) > 253 {
		return false
	}
	for label := range strings.SplitSeq(s, ".") {
		if label == "" || len(label) > 63 || label[0] == '-' || label[len(label)-1] == '-' {
			return false
		}
		if strings.ContainsFunc(label, func(r rune) bool {
			return r != '-' && r != '_' && (r < '0' || r > '9') && (r < 'a' || r > 'z') && (r < 'A' || r > 'Z')
		}) {
			return false
		}
	}
	return true
}
