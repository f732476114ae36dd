package scripting

import (
	"fmt"
	"strings"

	lua "github.com/yuin/gopher-lua"
	"github.com/yuin/gopher-lua/ast"
	"github.com/yuin/gopher-lua/parse"
)

// script is a file compiled once; its proto is shared by all states.
type script struct {
	name  string // "50-main.lua", "lib/queue.lua"
	proto *lua.FunctionProto
	chunk []ast.Stmt
	text  string
}

// compile reads and compiles one file.
func compile(f files, name string) (*script, *FileError) {
	text, err := f.read(name)
	if err != nil {
		return nil, &FileError{File: f.path(name), Message: err.Error()}
	}
	chunk, proto, err := compileText(text, name)
	if err != nil {
		e := syntaxError(f.path(name), strings.Count(text, "\n")+1, err)
		return nil, &e
	}
	return &script{name: name, proto: proto, chunk: chunk, text: text}, nil
}

func compileText(text, name string) (chunk []ast.Stmt, proto *lua.FunctionProto, err error) {
	defer func() {
		if p := recover(); p != nil { // gopher-lua's compiler panics on what it did not foresee
			err = fmt.Errorf("cannot be compiled: %v", p)
		}
	}()
	if strings.HasPrefix(text, "\x1bLua") {
		return nil, nil, fmt.Errorf("compiled Lua is not accepted")
	}
	if strings.HasPrefix(text, "#") { // a line for the shell
		text = "--" + text
	}
	text = strings.TrimPrefix(text, "\ufeff")
	chunk, err = parse.Parse(strings.NewReader(text), name)
	if err != nil {
		return nil, nil, err
	}
	if line := tooDeep(chunk); line > 0 {
		return nil, nil, &parse.Error{Pos: ast.Position{Source: name, Line: line}, Message: "nested too deep"}
	}
	proto, err = lua.Compile(chunk, name)
	return chunk, proto, err
}
