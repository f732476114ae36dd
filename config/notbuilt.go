package config

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
)

// unbuilt lists the keys whose feature does not exist yet. A file may carry one at
// its default, or at the value in also; anything else is an error, for a key
// that is silently without effect is worse than none. Take a line out when its
// feature is built.
var unbuilt = []struct{ key, also string }{
	{key: "db"},
	{key: "user.dtmf", also: "rfc4733"},
	{key: "trunk.dtmf", also: "rfc4733"},
}

// The values that are not built yet, of keys that are.
var (
	unbuiltCodecs = []string{"opus", "g722"}
	unbuiltStores = []string{"postgres"}
)

// Built is the codecs of m that this version can carry.
func (m Media) Built() []string {
	return slices.DeleteFunc(slices.Clone(m.Codecs), func(c string) bool { return slices.Contains(unbuiltCodecs, c) })
}

func (c *Config) notBuilt(p *problems) {
	have, def := reflect.ValueOf(c).Elem(), reflect.ValueOf(Default()).Elem()
	for _, u := range unbuilt {
		unbuiltAt(p, "", strings.Split(u.key, "."), u.also, have, def)
	}
	if !slices.Equal(c.Media.Codecs, Default().Media.Codecs) {
		for i, name := range c.Media.Codecs {
			if slices.Contains(unbuiltCodecs, name) {
				p.addf(fmt.Sprintf("media.codecs[%d]", i), "%s is not built yet", name)
			}
		}
	}
	for i, u := range c.Users {
		for j, name := range u.Codecs {
			if slices.Contains(unbuiltCodecs, name) {
				p.addf(fmt.Sprintf("user[%d].codecs[%d]", i, j), "%s is not built yet", name)
			}
		}
	}
	for i, t := range c.Trunks {
		for j, name := range t.Codecs {
			if slices.Contains(unbuiltCodecs, name) {
				p.addf(fmt.Sprintf("trunk[%d].codecs[%d]", i, j), "%s is not built yet", name)
			}
		}
	}
	for _, s := range unbuiltStores {
		if strings.HasPrefix(string(c.Store.URL), s) {
			p.addf("store.url", "%s is not built yet", s)
		}
	}
}

// unbuiltAt follows a key into have and def together, and into each entry of an
// array of tables.
func unbuiltAt(p *problems, path string, key []string, also string, have, def reflect.Value) {
	if len(key) == 0 {
		same := reflect.DeepEqual(have.Interface(), def.Interface())
		if !same && fmt.Sprint(have.Interface()) != also && (have.Kind() != reflect.Slice || have.Len() > 0) {
			p.addf(path, "is not built yet")
		}
		return
	}
	if have.Kind() == reflect.Slice {
		zero := reflect.Zero(have.Type().Elem())
		for i := range have.Len() {
			unbuiltAt(p, fmt.Sprintf("%s[%d]", path, i), key, also, have.Index(i), zero)
		}
		return
	}
	i := fieldsOf(have.Type())[key[0]]
	unbuiltAt(p, join(path, key[0]), key[1:], also, have.Field(i), def.Field(i))
}
