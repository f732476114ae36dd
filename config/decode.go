package config

import (
	"encoding"
	"fmt"
	"maps"
	"math"
	"reflect"
	"slices"
	"strings"
)

// decoder puts TOML values into a Config. It is ours rather than go-toml's because
// that one stops at the first mistake, and a text type's error there does not know
// the array element it came from.
type decoder struct {
	*problems
	env func(string) (string, bool)
}

// table reads into a struct or a map; into is a pointer.
func (d *decoder) table(path string, values map[string]any, into any) {
	d.value(path, values, reflect.ValueOf(into).Elem())
}

func (d *decoder) value(path string, v any, out reflect.Value) {
	if out.Kind() == reflect.Interface {
		out.Set(reflect.ValueOf(d.free(path, v)))
		return
	}
	if s, ok := v.(string); ok {
		expanded, err := expand(s, d.env)
		if err != nil {
			d.addf(path, "%v", err)
			return
		}
		v = expanded
	}
	if t, ok := out.Addr().Interface().(encoding.TextUnmarshaler); ok {
		d.text(path, v, t)
		return
	}
	switch out.Kind() {
	case reflect.Struct:
		if m, ok := v.(map[string]any); ok {
			d.structure(path, m, out)
			return
		}
	case reflect.Map:
		if m, ok := v.(map[string]any); ok {
			d.mapping(path, m, out)
			return
		}
	case reflect.Slice:
		if list, ok := v.([]any); ok {
			d.list(path, list, out)
			return
		}
	default:
		if d.scalar(v, out) {
			return
		}
	}
	if out.Kind() == reflect.String {
		d.addf(path, "want a string%s, not %s", quotes(v), kindOf(v))
		return
	}
	d.addf(path, "want %s, not %s", wanted(out), kindOf(v))
}

func (d *decoder) text(path string, v any, out encoding.TextUnmarshaler) {
	s, ok := v.(string)
	if !ok {
		d.addf(path, "want a string%s, not %s", quotes(v), kindOf(v))
		return
	}
	if err := out.UnmarshalText([]byte(s)); err != nil {
		d.addf(path, "%v", err)
	}
}

func (d *decoder) structure(path string, m map[string]any, out reflect.Value) {
	fields := fieldsOf(out.Type())
	for _, key := range slices.Sorted(maps.Keys(m)) {
		at := join(path, key)
		i, ok := fields[key]
		if !ok {
			d.unknown(at, key, slices.Sorted(maps.Keys(fields)))
			continue
		}
		d.value(at, m[key], out.Field(i))
	}
}

func (d *decoder) unknown(path, key string, known []string) {
	if n := nearest(key, known); n != "" {
		d.addf(path, "unknown key: did you mean %q?", n)
		return
	}
	d.addf(path, "unknown key")
}

func (d *decoder) mapping(path string, m map[string]any, out reflect.Value) {
	out.Set(reflect.MakeMapWithSize(out.Type(), len(m)))
	for _, key := range slices.Sorted(maps.Keys(m)) {
		elem := reflect.New(out.Type().Elem()).Elem()
		d.value(join(path, key), m[key], elem)
		if elem.Kind() == reflect.Interface && elem.IsNil() {
			continue
		}
		out.SetMapIndex(reflect.ValueOf(key), elem)
	}
}

func (d *decoder) list(path string, list []any, out reflect.Value) {
	all := reflect.MakeSlice(out.Type(), len(list), len(list))
	for i, v := range list {
		if t, ok := all.Index(i).Addr().Interface().(*Trunk); ok {
			*t = defaultTrunk()
		}
		d.value(fmt.Sprintf("%s[%d]", path, i), v, all.Index(i))
	}
	out.Set(all)
}

// scalar reads a string, a bool or an integer.
func (d *decoder) scalar(v any, out reflect.Value) bool {
	switch v := v.(type) {
	case string:
		if out.Kind() == reflect.String {
			out.SetString(v)
			return true
		}
	case bool:
		if out.Kind() == reflect.Bool {
			out.SetBool(v)
			return true
		}
	case int64:
		if out.Kind() == reflect.Int && v >= math.MinInt32 && v <= math.MaxInt32 {
			out.SetInt(v)
			return true
		}
	}
	return false
}

// free reads a value of any shape, as under [scripts.settings].
func (d *decoder) free(path string, v any) any {
	switch v := v.(type) {
	case string:
		s, err := expand(v, d.env)
		if err != nil {
			d.addf(path, "%v", err)
		}
		return s
	case map[string]any:
		for _, key := range slices.Sorted(maps.Keys(v)) {
			v[key] = d.free(join(path, key), v[key])
		}
		return v
	case []any:
		for i := range v {
			v[i] = d.free(fmt.Sprintf("%s[%d]", path, i), v[i])
		}
		return v
	case int64, float64, bool:
		return v
	}
	return fmt.Sprint(v) // TOML's dates and times
}

// fieldsOf maps the keys of a struct to its fields.
func fieldsOf(t reflect.Type) map[string]int {
	fields := map[string]int{}
	for i := range t.NumField() {
		if key := t.Field(i).Tag.Get("toml"); key != "" {
			fields[key] = i
		}
	}
	return fields
}

func wanted(out reflect.Value) string {
	switch out.Kind() {
	case reflect.Struct, reflect.Map:
		return "a table"
	case reflect.Slice:
		if out.Type().Elem().Kind() == reflect.Struct && !isText(out.Type().Elem()) {
			return "an array of tables"
		}
		return "an array"
	case reflect.Bool:
		return "true or false"
	case reflect.Int:
		return "a whole number"
	}
	return "a value"
}

// quotes is a hint for one who left them out.
func quotes(v any) string {
	if _, ok := v.(int64); ok {
		return " in quotes"
	}
	return ""
}

func isText(t reflect.Type) bool {
	return reflect.PointerTo(t).Implements(reflect.TypeFor[encoding.TextUnmarshaler]())
}

// kindOf names a value's kind and not the value, which may be a password.
func kindOf(v any) string {
	switch v := v.(type) {
	case string:
		return "a string"
	case bool:
		return "true or false"
	case int64:
		if v < math.MinInt32 || v > math.MaxInt32 {
			return "a number out of range"
		}
		return "a number"
	case float64:
		return "a number with a fraction"
	case map[string]any:
		return "a table"
	case []any:
		return "an array"
	}
	return "a " + strings.TrimPrefix(fmt.Sprintf("%T", v), "toml.")
}
