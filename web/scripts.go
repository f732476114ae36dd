package web

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
)

// ScriptsStatus is how the scripts stand.
type ScriptsStatus struct {
	Generation  int64        `json:"generation"`
	Again       int64        `json:"again"` // the generation that this one brought back, or 0
	Back        int64        `json:"back"`  // the one that going back would bring back, or 0
	Dir         string       `json:"dir"`   // "" for the shipped scripts
	Files       []string     `json:"files"`
	LoadedMS    int64        `json:"loaded_ms"` // the generation in force
	ReloadMS    int64        `json:"reload_ms"` // the last attempt
	Errors      []FileError  `json:"errors"`    // of the last attempt; empty when it went well
	Warnings    []FileError  `json:"warnings"`
	Generations []Generation `json:"generations"` // those that calls still run on
}

// Generation is a state of all scripts, loaded together.
type Generation struct {
	ID    int64 `json:"id"`
	Calls int64 `json:"calls"`
}

// FileError is a mistake at a place in a file.
type FileError struct {
	File    string `json:"file"`
	Line    int    `json:"line"` // 0: the file as a whole
	Message string `json:"message"`
}

func (e FileError) Error() string {
	switch {
	case e.File == "":
		return e.Message
	case e.Line == 0:
		return e.File + ": " + e.Message
	}
	return fmt.Sprintf("%s:%d: %s", e.File, e.Line, e.Message)
}

// Reloaded is what a reload has done.
type Reloaded struct {
	Generation int64       `json:"generation"`
	Again      int64       `json:"again"` // the generation that was brought back, or 0
	Files      []string    `json:"files"`
	Warnings   []FileError `json:"warnings"`
	Changed    []string    `json:"changed"` // keys of the configuration that took effect
	Restart    []string    `json:"restart"` // keys that changed and wait for the next start
}

// Broken is why a reload was refused.
type Broken struct{ Errors []FileError }

func (b *Broken) Error() string {
	lines := make([]string, len(b.Errors))
	for i, e := range b.Errors {
		lines[i] = e.Error()
	}
	return strings.Join(lines, "\n")
}

func (a *API) scripts(*http.Request) (any, error) { return a.o.Scripts.Scripts(), nil }

// reloadOrder is the body of a reload, which may be left out.
type reloadOrder struct {
	Back bool `json:"back"` // the last good generation of scripts again, instead of the files
}

func (a *API) reload(r *http.Request) (any, error) {
	var order reloadOrder
	if err := decode(r, &order); err != nil {
		return nil, err
	}
	do := a.o.Scripts.Reload
	if order.Back {
		do = a.o.Scripts.Back
	}
	done, err := do(r.Context())
	if broken, ok := errors.AsType[*Broken](err); ok {
		return nil, &Error{Code: http.StatusConflict, Message: broken.Error(), Errors: broken.Errors}
	}
	return done, err
}
