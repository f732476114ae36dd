package web

import (
	"encoding/json"
	"net/http"
	"reflect"
	"regexp"
	"strconv"
	"strings"

	"tandem/store"
)

// object is a JSON object of the document.
type object = map[string]any

// document describes the API in the terms of OpenAPI 3.0.
func (a *API) document(*http.Request) (any, error) {
	s := &schemas{named: object{}}
	failure := s.of(reflect.TypeFor[errorBody]())
	paths := object{}
	for _, op := range a.operations() {
		name := strings.Replace(op.path, "...}", "}", 1)
		if paths[name] == nil {
			paths[name] = object{}
		}
		paths[name].(object)[strings.ToLower(op.method)] = op.describe(s, failure)
	}
	version := "1"
	if a.o.Version != "" {
		version = a.o.Version
	}
	return object{
		"openapi": "3.0.3",
		"info": object{"title": "Tandem", "version": version,
			"description": "Times (…_ms) are milliseconds since 1970 in UTC, spans are milliseconds. Errors carry a code and a message."},
		"paths": paths,
		"components": object{"schemas": s.named, "securitySchemes": object{
			"token":  object{"type": "http", "scheme": "bearer"},
			"cookie": object{"type": "apiKey", "in": "cookie", "name": sessionCookie},
		}},
	}, nil
}

var inPath = regexp.MustCompile(`\{(\w+)(\.\.\.)?\}`)

func (op *operation) describe(s *schemas, failure object) object {
	out := object{"summary": op.summary, "operationId": op.id(), "responses": op.responses(s, failure)}
	if !op.open {
		out["security"] = []object{{"token": []string{}}, {"cookie": []string{}}}
	}
	var parameters []object
	for _, m := range inPath.FindAllStringSubmatch(op.path, -1) {
		parameters = append(parameters, object{"name": m[1], "in": "path", "required": true, "schema": object{"type": "string"}})
	}
	for _, q := range op.query {
		schema := object{"type": "string"}
		if q.values != nil {
			schema["enum"] = q.values
		}
		one := object{"name": q.name, "in": "query", "schema": schema}
		if q.doc != "" {
			one["description"] = q.doc
		}
		parameters = append(parameters, one)
	}
	if parameters != nil {
		out["parameters"] = parameters
	}
	if op.body != nil {
		s.given = true
		out["requestBody"] = object{"content": jsonContent(s.of(reflect.TypeOf(op.body)))}
		s.given = false
	}
	return out
}

// id is the operation's name in programs: getCallsId.
func (op *operation) id() string {
	name := strings.ToLower(op.method)
	for _, part := range strings.FieldsFunc(strings.TrimPrefix(op.path, base), func(r rune) bool { return strings.ContainsRune("/{}._", r) }) {
		name += strings.ToUpper(part[:1]) + part[1:]
	}
	return name
}

func (op *operation) responses(s *schemas, failure object) object {
	code, good := op.code, object{"description": op.summary}
	if code == 0 {
		code = http.StatusOK
	}
	if op.kind != "" {
		good["content"] = object{op.kind: object{"schema": object{"type": "string"}}}
	} else {
		good["content"] = jsonContent(s.of(reflect.TypeOf(op.answer)))
	}
	out := object{strconv.Itoa(code): good}
	codes := append([]int{http.StatusForbidden}, op.errors...)
	if !op.open {
		codes = append(codes, http.StatusUnauthorized)
	}
	if op.query != nil {
		codes = append(codes, http.StatusBadRequest)
	}
	if changes(op.method) {
		codes = append(codes, http.StatusBadRequest, http.StatusRequestEntityTooLarge, http.StatusUnsupportedMediaType)
	}
	for _, c := range codes {
		out[strconv.Itoa(c)] = object{"description": http.StatusText(c), "content": jsonContent(failure)}
	}
	return out
}

func jsonContent(schema object) object {
	return object{"application/json": object{"schema": schema}}
}

// schemas says what JSON the types of Go become. Those with a name stand once.
type schemas struct {
	named object
	given bool // what is described now is taken from clients, who may leave things out
}

// described are types whose JSON is not what their fields say.
type described interface{ schema(s *schemas) object }

func (Targets) schema(*schemas) object {
	text := object{"type": "string"}
	return object{"oneOf": []object{text, {"type": "array", "items": text}}}
}

func (s *schemas) of(t reflect.Type) object {
	if d, ok := reflect.Zero(t).Interface().(described); ok {
		return d.schema(s)
	}
	switch t {
	case reflect.TypeFor[store.Record]():
		return s.record()
	case reflect.TypeFor[json.RawMessage]():
		return object{}
	}
	switch t.Kind() {
	case reflect.Pointer:
		inner := s.of(t.Elem())
		if _, isRef := inner["$ref"]; isRef {
			return object{"allOf": []object{inner}, "nullable": true}
		}
		inner["nullable"] = true
		return inner
	case reflect.Slice, reflect.Array:
		return object{"type": "array", "items": s.of(t.Elem())}
	case reflect.Map:
		return object{"type": "object", "additionalProperties": s.of(t.Elem())}
	case reflect.Struct:
		return s.structure(t)
	case reflect.String:
		return object{"type": "string"}
	case reflect.Bool:
		return object{"type": "boolean"}
	case reflect.Float32, reflect.Float64:
		return object{"type": "number"}
	case reflect.Interface:
		return object{}
	}
	return object{"type": "integer"}
}

// structure is a reference to a named type, or an object where the type is generic.
func (s *schemas) structure(t reflect.Type) object {
	if strings.ContainsRune(t.Name(), '[') {
		return s.fields(t)
	}
	name := strings.ToUpper(t.Name()[:1]) + t.Name()[1:]
	if t.PkgPath() == reflect.TypeFor[store.Call]().PkgPath() {
		name = "Record" + name
	}
	if s.named[name] == nil {
		s.named[name] = object{} // it may hold itself
		if row, ok := reflect.New(t).Interface().(interface{ Fields() []store.Field }); ok {
			s.named[name] = columns(row.Fields())
		} else {
			s.named[name] = s.fields(t)
		}
	}
	return object{"$ref": "#/components/schemas/" + name}
}

func (s *schemas) fields(t reflect.Type) object {
	properties, required := object{}, []string{}
	for _, f := range reflect.VisibleFields(t) {
		name, options, _ := strings.Cut(f.Tag.Get("json"), ",")
		if f.Anonymous || !f.IsExported() || name == "-" || name == "" {
			continue
		}
		properties[name] = s.of(f.Type)
		if !s.given && !strings.Contains(options, "omit") {
			required = append(required, name)
		}
	}
	return object{"type": "object", "properties": properties, "required": required}
}

// columns are the keys of a row.
func columns(fields []store.Field) object {
	properties, required := object{}, []string{}
	for _, f := range fields {
		var one object
		switch f.Kind {
		case store.Int:
			one = object{"type": "integer"}
		case store.Opt:
			one = object{"type": "integer", "nullable": true}
		case store.Real:
			one = object{"type": "number", "nullable": true}
		case store.JSON:
			one = object{"type": "object", "nullable": true}
		default:
			one = object{"type": "string"}
		}
		properties[f.Name] = one
		required = append(required, f.Name)
	}
	return object{"type": "object", "properties": properties, "required": required}
}

// record is a call's row with its legs and its timeline.
func (s *schemas) record() object {
	return object{"allOf": []object{
		s.of(reflect.TypeFor[store.Call]()),
		{"type": "object", "required": []string{"legs", "events"}, "properties": object{
			"legs":   s.of(reflect.TypeFor[[]store.Leg]()),
			"events": s.of(reflect.TypeFor[[]store.Event]()),
		}},
	}}
}
