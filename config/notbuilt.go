package config

import (
	"fmt"
	"reflect"
	"strings"
)

// unbuilt lists the keys whose feature does not exist yet. A file may carry one at
// its default, or at the value in also; anything else is an error, for a key
// that is silently without effect is worse than none. Take a line out when its
// feature is built.
var unbuilt = []struct{ key, also string }{}

// unbuiltStores are values that are not built yet, of a key that is.
var unbuiltStores = []string{"postgres"}

func (c *Config) notBuilt(p *problems) {
	have, def := reflect.ValueOf(c).Elem(), reflect.ValueOf(Default()).Elem()
	for _, u := range unbuilt {
		unbuiltAt(p, "", strings.Split(u.key, "."), u.also, have, def)
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
