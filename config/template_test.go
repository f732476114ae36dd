package config

import (
	"maps"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// uncomment gives the template with every key in force.
func uncomment() string {
	key := regexp.MustCompile(`(?m)^# (\[|[a-z_0-9]+ += )`)
	return key.ReplaceAllString(string(template), "$1")
}

// The template must name each key, and no other, and show each default as it is.
func TestTemplateMatchesTheStructs(t *testing.T) {
	t.Parallel()
	if _, err := Parse("tandem.toml", Template(), noEnv); err != nil {
		t.Fatalf("as shipped: %v", err)
	}
	all := Default()
	p := &problems{file: "tandem.toml", lines: keyLines([]byte(uncomment()))}
	readAll(t, p, uncomment(), all)
	if err := p.err(); err != nil {
		t.Fatalf("with every key: %v", err)
	}
	var missing []string
	for _, key := range slices.Sorted(maps.Keys(keysOf(reflect.TypeFor[Config](), ""))) {
		found := false
		for path := range p.lines {
			found = found || strings.Replace(indexes.ReplaceAllString(path, ""), "db.crm", "db.*", 1) == key
		}
		if !found {
			missing = append(missing, key)
		}
	}
	if missing != nil {
		t.Errorf("not in the template: %s", strings.Join(missing, ", "))
	}
	// Put the examples back: what is left must be the defaults.
	def := Default()
	all.SIP.Domain, all.SIP.Advertise, all.SIP.TLSCert, all.SIP.TLSKey = "", nil, "", ""
	all.SIP.TLSCA, all.SIP.WSOrigins, all.SIP.DNS = "", nil, nil
	all.HTTP.Token, all.HTTP.ReadToken, all.HTTP.Hosts, all.Scripts.Settings, all.Scripts.HTTP.Allow = "", "", nil, nil, nil
	if errs := p.list; len(errs) != 0 {
		t.Fatal(errs)
	}
	all.Say.Command, all.Say.URL, all.Say.Voice, all.Mail = nil, "", "", def.Mail
	all.DB, all.ACL, all.Users, all.Trunks = nil, nil, nil, nil
	for _, c := range Diff(def, all) {
		t.Errorf("%s is not shown with its default", c.Key)
	}
}

func readAll(t *testing.T, p *problems, text string, into *Config) {
	t.Helper()
	values, err := parseValues(p.file, []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	d := decoder{problems: p, env: func(name string) (string, bool) { return name, true }}
	d.table("", values, into)
	into.validate(p)
}

// keysOf lists the paths of every key below t; a map's are written "*".
func keysOf(t reflect.Type, path string) map[string]bool {
	keys := map[string]bool{}
	for i := range t.NumField() {
		f := t.Field(i)
		if f.Tag.Get("toml") == "" {
			continue
		}
		at, elem := join(path, f.Tag.Get("toml")), f.Type
		for elem.Kind() == reflect.Slice || elem.Kind() == reflect.Map && elem.Elem().Kind() == reflect.Struct {
			if elem.Kind() == reflect.Map {
				at += ".*"
			}
			elem = elem.Elem()
		}
		if elem.Kind() == reflect.Struct && !isText(elem) {
			maps.Copy(keys, keysOf(elem, at))
		} else {
			keys[at] = true
		}
	}
	return keys
}
