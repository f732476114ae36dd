package config

import (
	"reflect"
	"slices"
)

// Change is one key whose value differs between two configurations.
type Change struct {
	Key     string // "limits.calls", or "user 1001" for an entry with a name
	What    string // "changed", "added" or "removed"
	Restart bool   // it takes effect at the next start only
}

// Diff lists what changes from a to b, in the order of the file's sections.
func Diff(a, b *Config) []Change {
	d := differ{}
	d.table("", reflect.ValueOf(*a), reflect.ValueOf(*b), false)
	return d.list
}

type differ struct{ list []Change }

func (d *differ) table(path string, a, b reflect.Value, live bool) {
	for i := range a.NumField() {
		f := a.Type().Field(i)
		key := f.Tag.Get("toml")
		if key == "" {
			continue
		}
		at, live := join(path, key), live || f.Tag.Get("reload") == "live"
		switch x, y := a.Field(i), b.Field(i); {
		case reflect.DeepEqual(x.Interface(), y.Interface()) || empty(x) && empty(y):
		case f.Type.Kind() == reflect.Struct && !isText(f.Type):
			d.table(at, x, y, live)
		case f.Type == reflect.TypeFor[[]User](), f.Type == reflect.TypeFor[[]Trunk]():
			d.entries(key, x, y, !live)
		default:
			d.list = append(d.list, Change{Key: at, What: "changed", Restart: !live})
		}
	}
}

// entries compares two arrays of tables by the names of their entries.
func (d *differ) entries(key string, a, b reflect.Value, restart bool) {
	before, was := named(a)
	after, is := named(b)
	for _, name := range was {
		x, y := before[name], after[name]
		switch {
		case y == nil:
			d.list = append(d.list, Change{Key: key + " " + name, What: "removed", Restart: restart})
		case !reflect.DeepEqual(x, y):
			d.list = append(d.list, Change{Key: key + " " + name, What: "changed", Restart: restart})
		}
	}
	for _, name := range is {
		if before[name] == nil {
			d.list = append(d.list, Change{Key: key + " " + name, What: "added", Restart: restart})
		}
	}
}

func named(list reflect.Value) (entries map[string]any, names []string) {
	entries = map[string]any{}
	for i := range list.Len() {
		name := list.Index(i).FieldByName("Name").String()
		entries[name] = list.Index(i).Interface()
		names = append(names, name)
	}
	slices.Sort(names)
	return entries, names
}

// empty tells a slice or map without elements, nil or not.
func empty(v reflect.Value) bool {
	return (v.Kind() == reflect.Slice || v.Kind() == reflect.Map) && v.Len() == 0
}
