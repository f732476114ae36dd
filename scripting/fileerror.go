package scripting

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	lua "github.com/yuin/gopher-lua"
	"github.com/yuin/gopher-lua/parse"
)

// FileError is what is wrong with one place in a script.
type FileError struct {
	File    string `json:"file"`
	Line    int    `json:"line"`             // 0 when it concerns the whole file
	Column  int    `json:"column,omitempty"` // from 1, or 0 when it is not known
	Message string `json:"message"`
	Warning bool   `json:"warning"` // found by the linter; does not keep a generation from being used
}

func (e FileError) Error() string {
	if e.Line == 0 {
		return e.File + ": " + e.Message
	}
	return fmt.Sprintf("%s:%d: %s", e.File, e.Line, e.Message)
}

// FileErrors is all that keeps a generation from being used.
type FileErrors []FileError

func (es FileErrors) Error() string {
	lines := make([]string, len(es))
	for i, e := range es {
		lines[i] = e.Error()
	}
	return strings.Join(lines, "\n")
}

// split parts what refuses a generation from what merely looks wrong.
func split(all []FileError) (errs, warnings []FileError) {
	for _, e := range all {
		if e.Warning {
			warnings = append(warnings, e)
		} else {
			errs = append(errs, e)
		}
	}
	return errs, warnings
}

func sortErrors(es []FileError) {
	slices.SortStableFunc(es, func(a, b FileError) int {
		if c := strings.Compare(a.File, b.File); c != 0 {
			return c
		}
		return a.Line - b.Line
	})
}

// syntaxError turns what the parser or compiler says into a FileError; lines is how many the file has.
func syntaxError(file string, lines int, err error) FileError {
	var pe *parse.Error
	if errors.As(err, &pe) {
		if pe.Pos.Line == parse.EOF {
			return FileError{File: file, Line: lines, Message: "syntax error: the file ends too early"}
		}
		msg := strings.TrimSpace(pe.Message)
		if pe.Token != "" {
			msg += fmt.Sprintf(" near %q", pe.Token)
		}
		return FileError{File: file, Line: pe.Pos.Line, Column: max(pe.Pos.Column-max(len(pe.Token)-1, 0), 0), Message: msg}
	}
	var ce *lua.CompileError
	if errors.As(err, &ce) {
		line := ce.Line
		if _, after, ok := strings.Cut(ce.Message, "at line "); ok { // of a goto: ce.Line is where the block ends
			_, _ = fmt.Sscanf(after, "%d", &line)
		}
		return FileError{File: file, Line: line, Message: ce.Message}
	}
	return FileError{File: file, Message: err.Error()}
}

// position is how a Lua error message begins: "50-main.lua:12: ".
func positionPattern() *regexp.Regexp { return regexp.MustCompile(`^([^\s:]+\.lua):(\d+):\s*`) }

// runError turns an error raised while a file was loaded into a FileError. path maps a
// script's name to the file it came from.
func runError(name string, err *ScriptError, path func(string) string) FileError {
	if m := positionPattern().FindStringSubmatch(err.Message); m != nil {
		line, _ := strconv.Atoi(m[2])
		return FileError{File: path(m[1]), Line: line, Message: err.Message[len(m[0]):]}
	}
	return FileError{File: path(name), Message: err.Message}
}
