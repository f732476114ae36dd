package web

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"mime"
	"net/http"
	"slices"
	"strings"

	"tandem/store"
)

// maxBody bounds a request's body in bytes.
const maxBody = 64 << 10

// Error is what goes wrong with a request. In JSON it stands under the key "error".
type Error struct {
	Code    int         `json:"code"` // the HTTP status
	Message string      `json:"message"`
	Errors  []FileError `json:"errors,omitempty"` // of a refused reload
}

func (e *Error) Error() string { return e.Message }

type errorBody struct {
	Error *Error `json:"error"`
}

func problem(code int, format string, args ...any) error {
	return &Error{Code: code, Message: fmt.Sprintf(format, args...)}
}

// handler answers a request with a value for JSON.
type handler func(r *http.Request) (any, error)

// raw is what a handler returns that writes its answer itself.
type raw func(w http.ResponseWriter, r *http.Request)

// methods are the handlers of one path; nil is a path that is not there.
type methods map[string]handler

func (a *API) dispatch(m methods) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := a.answer(m, w, r)
		if err != nil {
			a.fail(w, r, err)
			return
		}
		if write, ok := body.(raw); ok {
			write(w, r)
			return
		}
		code := http.StatusOK
		if b, ok := body.(interface{ status() int }); ok {
			code = b.status()
		}
		a.reply(w, r, code, body)
	})
}

func (a *API) answer(m methods, w http.ResponseWriter, r *http.Request) (any, error) {
	if m == nil {
		return nil, problem(http.StatusNotFound, "there is nothing at %s", printable(r.URL.Path))
	}
	method := r.Method
	if method == http.MethodHead {
		method = http.MethodGet
	}
	h, ok := m[method]
	if !ok {
		allowed := slices.Sorted(maps.Keys(m))
		w.Header().Set("Allow", strings.Join(allowed, ", "))
		return nil, problem(http.StatusMethodNotAllowed, "%s takes %s", printable(r.URL.Path), strings.Join(allowed, " or "))
	}
	if changes(r.Method) {
		if err := readBody(w, r); err != nil {
			return nil, err
		}
	}
	return h(r)
}

// readBody replaces the body by one that is whole, bounded and JSON, or empty.
func readBody(w http.ResponseWriter, r *http.Request) error {
	data, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	if _, large := errors.AsType[*http.MaxBytesError](err); large {
		return problem(http.StatusRequestEntityTooLarge, "the body is larger than %d bytes", maxBody)
	}
	if err != nil {
		return problem(http.StatusBadRequest, "the body ends too early")
	}
	if len(data) > 0 {
		if kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || kind != "application/json" {
			return problem(http.StatusUnsupportedMediaType, "the body must be application/json")
		}
	}
	r.Body = io.NopCloser(bytes.NewReader(data))
	return nil
}

// decode reads a body's JSON object; an empty body leaves into as it is.
func decode(r *http.Request, into any) error {
	d := json.NewDecoder(r.Body)
	d.DisallowUnknownFields()
	if err := d.Decode(into); err != nil && err != io.EOF {
		return problem(http.StatusBadRequest, "the body: %s", strings.TrimPrefix(err.Error(), "json: "))
	}
	if _, err := d.Token(); err != io.EOF {
		return problem(http.StatusBadRequest, "the body holds more than one value")
	}
	return nil
}

func (a *API) reply(w http.ResponseWriter, r *http.Request, code int, body any) {
	out, err := json.Marshal(body)
	if err != nil {
		a.o.Log.Error("http: an answer cannot be written as JSON", "path", r.URL.Path, "error", err)
		code, out = http.StatusInternalServerError, []byte(`{"error":{"code":500,"message":"internal error"}}`)
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(code)
	w.Write(append(out, '\n')) // who has gone away cannot be told
}

// fail answers with an error. What is not meant for the client is logged instead.
func (a *API) fail(w http.ResponseWriter, r *http.Request, err error) {
	e, ok := errors.AsType[*Error](err)
	switch fe, isFilter := errors.AsType[*store.FilterError](err); {
	case ok:
	case isFilter:
		e = &Error{Code: http.StatusBadRequest, Message: fe.Error()}
	case errors.Is(err, store.ErrNotFound), errors.Is(err, store.ErrNoRecords):
		e = &Error{Code: http.StatusNotFound, Message: err.Error()}
	default:
		a.o.Log.Error("http: request failed", "method", r.Method, "path", r.URL.Path, "error", err)
		e = &Error{Code: http.StatusInternalServerError, Message: "internal error"}
	}
	a.reply(w, r, e.Code, errorBody{e})
}

// items wraps a list, which is never null.
type items[T any] struct {
	Items []T    `json:"items"`
	Next  string `json:"next,omitempty"` // cursor of the page after this one
	Note  string `json:"note,omitempty"` // what a person who asks should know of the answer
}

func listOf[T any](list []T, next string) items[T] {
	if list == nil {
		list = []T{}
	}
	return items[T]{Items: list, Next: next}
}
