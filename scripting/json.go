package scripting

import (
	"encoding/json"
	"fmt"
	"math"
	"strings"

	lua "github.com/yuin/gopher-lua"
)

func jsonModule() module {
	return module{
		name: "json",
		doc:  "JSON text from and to Lua values.",
		functions: []function{
			{
				name:    "encode",
				params:  []field{{"value", "any", "a string, number, boolean, nil, or a table of them"}},
				returns: []field{{"text", "string", ""}},
				doc:     "Makes JSON of a value. A table with the keys 1 to n is an array, any other an object; an empty one is `{}`, unless it was decoded from `[]`. Functions, objects and tables that contain themselves raise an error.",
				example: `local body = json.encode{ caller = call.from.user, choices = { 1, 2 } }`,
				run:     jsonEncode,
			},
			{
				name:    "decode",
				params:  []field{{"text", "string", "JSON"}},
				returns: []field{{"value", "any", "or nil and what is wrong"}},
				doc:     "Reads JSON. `null` is nil.",
				example: `local order, err = json.decode('{"id": 17, "paid": true}')`,
				run:     jsonDecode,
			},
		},
	}
}

func jsonEncode(_ *state, L *lua.LState) int {
	v, err := toGo(L.CheckAny(1))
	if err == nil {
		v, err = wholeNumbers(v)
	}
	if err != nil {
		L.RaiseError("json.encode: %s", err)
	}
	text, err := encodeJSON(v)
	if err != nil {
		L.RaiseError("json.encode: %s", err)
	}
	checkLength(L, len(text))
	return push(L, lua.LString(text))
}

func encodeJSON(v any) (string, error) {
	var b strings.Builder
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return "", err
	}
	return strings.TrimSuffix(b.String(), "\n"), nil
}

// wholeNumbers makes numbers without a fraction integers, so that 1e15 is not written 1e+15,
// and refuses those that JSON cannot write.
func wholeNumbers(v any) (any, error) {
	switch v := v.(type) {
	case float64:
		if math.IsNaN(v) || math.IsInf(v, 0) {
			return nil, fmt.Errorf("%v is not a JSON number", v)
		}
		if v == math.Trunc(v) && math.Abs(v) < 1<<53 {
			return int64(v), nil
		}
	case []any:
		for i := range v {
			var err error
			if v[i], err = wholeNumbers(v[i]); err != nil {
				return nil, err
			}
		}
	case map[string]any:
		for k := range v {
			item, err := wholeNumbers(v[k])
			if err != nil {
				return nil, err
			}
			v[k] = item
		}
	}
	return v, nil
}

func jsonDecode(_ *state, L *lua.LState) int {
	text := args(L, "json.decode").str(1, "text")
	v, err := decodeJSON(text)
	if err != nil {
		return failed(L, err.Error())
	}
	return push(L, fromGo(v))
}

// maxJSON bounds what is decoded: small text can make large tables.
const maxJSON = 2 << 20

func decodeJSON(text string) (any, error) {
	if len(text) > maxJSON {
		return nil, fmt.Errorf("over %d MB", maxJSON>>20)
	}
	var v any
	if err := json.Unmarshal([]byte(text), &v); err != nil {
		return nil, err
	}
	return v, nil
}
