package scripting

import (
	"context"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	lua "github.com/yuin/gopher-lua"
)

func httpModule() module {
	target, opts := field{"url", "string", "http or https"}, field{"options?", "HTTPOptions", ""}
	returns := []field{{"response", "Response?", "whatever its status; or nil"}, {"error", "string?", "such as \"timeout\" or \"too large\""}}
	return module{
		name: "http",
		doc:  "Requests to other services. They go on after a hangup, for the 5 s that a script has then. Addresses that are not public are reached only where `[scripts.http] allow` names them.",
		functions: []function{
			{name: "get", params: []field{target, opts}, returns: returns, doc: "Asks for something.",
				example: "local res, err = http.get(\"https://crm.example.com/customer\", { query = { number = call.from.user }, timeout = 2 })\nif res and res.status == 200 then call.vars.customer = res:json().id end",
				run:     func(s *state, L *lua.LState) int { return s.http(args(L, "http.get"), "GET") }},
			{name: "post", params: []field{target, opts}, returns: returns, doc: "Sends something.",
				example: `http.post("https://example.com/hook", { json = { caller = call.from.user, number = call.number } })`,
				run:     func(s *state, L *lua.LState) int { return s.http(args(L, "http.post"), "POST") }},
			{name: "request", params: []field{target, opts}, returns: returns, doc: "Makes a request with any method; option method says which.",
				example: `http.request("https://example.com/booking/7", { method = "DELETE" })`,
				run:     func(s *state, L *lua.LState) int { return s.http(args(L, "http.request"), "") }},
		},
	}
}

func httpOptions() class {
	return class{name: "HTTPOptions", doc: "Options of a request. Only one of body, json and form may be given.", fields: []field{
		{"method?", "string", "of http.request, GET by default"},
		{"headers?", "table", "by name: a string, or a list of them"},
		{"query?", "table", "added to the URL: name and value"},
		{"body?", "string", ""},
		{"json?", "any", "a value to send as JSON"},
		{"form?", "table", "name and value, sent as a form"},
		{"user?", "string", "for basic authentication"},
		{"password?", "string", ""},
		{"timeout?", "number", "seconds for the whole request, retries included, 10 by default, 300 at most"},
		{"retries?", "integer", "tries after the first when the connection fails or the answer is 429, 502, 503 or 504; none by default, 5 at most. Between them it waits as Retry-After says, else 0.25 s, then twice as long each time"},
		{"max?", "number", "bytes of the answer's body, 1 MB by default, 8 MB at most"},
	}}
}

func responseClass() class {
	return class{name: "Response", doc: "An answer to an HTTP request.",
		fields: []field{{"status", "integer", ""}, {"headers", "table", "by name, in any case; several of a name are joined by a comma"}, {"body", "string", ""}},
		methods: []function{{name: "json", returns: []field{{"value", "any", "or nil"}, {"error", "string?", "what is wrong"}},
			doc: "Reads the body as JSON.", example: "local response = http.get(\"https://crm.example.com/customers/17\")\nlocal customer = response and response:json()", run: responseJSON}}}
}

// responses are the metatables of an answer and of its headers; scripts cannot reach them.
var (
	responseMeta = sealed(goFunction(func(L *lua.LState) int {
		if L.Get(2) == lua.LString("json") {
			return push(L, responseJSONFunction)
		}
		return push(L, lua.LNil)
	}))
	responseJSONFunction = goFunction(func(L *lua.LState) int { return guarded(L, "response:json", responseJSON) })
	headersMeta          = sealed(goFunction(func(L *lua.LState) int {
		t, ok := L.Get(1).(*lua.LTable)
		name, isString := L.Get(2).(lua.LString)
		if !ok || !isString {
			return push(L, lua.LNil)
		}
		return push(L, t.RawGetString(http.CanonicalHeaderKey(string(name))))
	}))
)

func responseJSON(_ *state, L *lua.LState) int {
	t, ok := L.Get(1).(*lua.LTable)
	if !ok {
		L.RaiseError("response:json: call it with a colon")
	}
	body, _ := t.RawGetString("body").(lua.LString)
	v, err := decodeJSON(string(body))
	if err != nil {
		return failed(L, err.Error())
	}
	return push(L, fromGo(v))
}

// http makes a request while the state's other functions may run.
func (s *state) http(a arguments, verb string) int {
	target, o := a.str(1, "url"), a.options(2, httpOptions())
	if verb == "" {
		verb = strings.ToUpper(o.str("method", "GET"))
	} else if o.has("method") {
		a.fail("option method is one of http.request")
	}
	r := httpRequest{method: verb, url: target, headers: a.httpHeaders(o), timeout: o.seconds("timeout", httpTimeout), largest: int64(o.integer("max", httpBody, 0)),
		retries: o.integer("retries", 0, 0)}
	if r.timeout <= 0 || r.timeout > maxHTTPTimeout {
		a.fail("option timeout must be more than 0 and at most %v seconds", maxHTTPTimeout.Seconds())
	}
	if r.retries > maxHTTPRetries {
		a.fail("option retries must be at most %d", maxHTTPRetries)
	}
	if r.largest > maxString {
		a.fail("option max must be at most %d", maxString)
	}
	a.httpContent(o, &r)
	if query := a.form(o, "query"); len(query) > 0 {
		r.url = withQuery(r.url, query)
	}
	var res httpResponse
	var err error
	began := s.engine.o.Clock.Now()
	s.block(a.L, a.name, func(ctx context.Context) { res, err = s.engine.doHTTP(ctx, r) })
	noteHTTP(runningIn(a.L).call, r, res, err, s.engine.o.Clock.Now().Sub(began))
	if err != nil {
		return failed(a.L, err.Error())
	}
	return push(a.L, responseTable(res))
}

// noteHTTP adds a line to the call's timeline. Of the URL it keeps scheme and host: the rest
// may hold a secret.
func noteHTTP(o *callObject, r httpRequest, res httpResponse, err error, took time.Duration) {
	if o == nil {
		return
	}
	where := "?"
	if u, bad := url.Parse(r.url); bad == nil {
		where = u.Scheme + "://" + u.Host
	}
	how := strconv.Itoa(res.status) + " " + http.StatusText(res.status)
	if err != nil {
		how = err.Error()
	}
	o.c.Note("http", r.method+" "+where+" "+how+" after "+took.Round(time.Millisecond).String())
}

func responseTable(res httpResponse) *lua.LTable {
	headers := newTable(0, len(res.headers))
	for name, values := range res.headers {
		headers.RawSetString(name, lua.LString(strings.Join(values, ", ")))
	}
	headers.Metatable = headersMeta
	t := newTable(0, 3)
	t.RawSetString("status", lua.LNumber(res.status))
	t.RawSetString("headers", headers)
	t.RawSetString("body", lua.LString(res.body))
	t.Metatable = responseMeta
	return t
}

// httpContent fills in what is sent.
func (a arguments) httpContent(o options, r *httpRequest) {
	given := 0
	for _, key := range []string{"body", "json", "form"} {
		if o.has(key) {
			given++
		}
	}
	if given > 1 {
		a.fail("only one of the options body, json and form may be given")
	}
	typ := ""
	switch {
	case o.has("json"):
		v, err := toGo(o.get("json"))
		if err == nil {
			v, err = wholeNumbers(v)
		}
		if err == nil {
			r.body, err = encodeJSON(v)
		}
		if err != nil {
			a.fail("option json: %s", err)
		}
		typ = "application/json"
	case o.has("form"):
		r.body, typ = a.form(o, "form").Encode(), "application/x-www-form-urlencoded"
	default:
		r.body = o.str("body", "")
	}
	checkLength(a.L, len(r.body))
	if typ != "" && r.headers.Get("Content-Type") == "" {
		r.headers.Set("Content-Type", typ)
	}
}

// httpHeaders reads the headers to send.
func (a arguments) httpHeaders(o options) http.Header {
	h := http.Header{}
	if t := o.table("headers"); t != nil {
		t.ForEach(func(k, v lua.LValue) {
			name, ok := k.(lua.LString)
			if !ok {
				a.fail("option headers: the names of headers are strings, not %s", k)
			}
			list, isList := v.(*lua.LTable)
			if !isList {
				list = newTable(1, 0)
				list.Append(v)
			}
			for i := 1; i <= list.Len(); i++ {
				item := list.RawGetInt(i)
				if !lua.LVCanConvToString(item) {
					a.fail("option headers: %s must be a string, got %s", name, item.Type())
				}
				h.Add(string(name), item.String())
			}
		})
	}
	if o.has("user") {
		req := http.Request{Header: h}
		req.SetBasicAuth(o.str("user", ""), o.str("password", ""))
	}
	return h
}

// form reads a table of names and values.
func (a arguments) form(o options, key string) url.Values {
	t := o.table(key)
	if t == nil {
		return nil
	}
	values := url.Values{}
	t.ForEach(func(k, v lua.LValue) {
		if _, isBool := v.(lua.LBool); !isBool && !lua.LVCanConvToString(v) {
			a.fail("option %s: %s must be a string, a number or a boolean, got %s", key, k, v.Type())
		}
		values.Add(k.String(), v.String())
	})
	return values
}

// withQuery adds to what the URL asks for by itself.
func withQuery(target string, query url.Values) string {
	base, fragment, _ := strings.Cut(target, "#")
	sep := "?"
	if strings.Contains(base, "?") {
		sep = "&"
	}
	if fragment != "" {
		fragment = "#" + fragment
	}
	return base + sep + query.Encode() + fragment
}
