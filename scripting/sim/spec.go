package sim

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"

	lua "github.com/yuin/gopher-lua"

	"tandem/scripting"
)

const (
	// specLimit is how long one spec may take, by the machine's clock.
	specLimit = 2 * time.Minute
	// loopLimit is how long it may go on without asking the simulation for anything.
	loopLimit = 5 * time.Second
)

var (
	errLoop = fmt.Errorf("this has run for %v without a call or a wait: does the loop end?", loopLimit)
	errLong = fmt.Errorf("the spec has run for %v", specLimit)
)

// file is one spec file while it runs.
type file struct {
	o      Options
	stage  *stage
	report reporter
	name   string
	lines  []string // its text
	L      *lua.LState

	root  *group
	group *group      // that is being described
	now   *running    // the spec that runs; nil while the file is read
	loop  *time.Timer // ends a spec that does nothing but compute
}

// group is a describe.
type group struct {
	name   string
	parent *group
	before []*lua.LFunction
	items  []item
}

// item is a spec, or a group within a group.
type item struct {
	name  string
	fn    *lua.LFunction
	line  int
	group *group
}

// running is the spec that runs, and its world once it needs one.
type running struct {
	options options
	world   *world
	steps   []moment
	targets []string // that the spec names
}

// named notes the users and trunks that a spec's text names. They have phones from the
// start: who is dialled second cannot be told from who is not there otherwise.
func (r *running) named(p *lua.FunctionProto) {
	if p == nil {
		return
	}
	for _, c := range p.Constants {
		target, _, _ := strings.Cut(c.String(), "/")
		if kind, name, _ := strings.Cut(target, ":"); (kind == "user" || kind == "trunk") && isName(name) && !slices.Contains(r.targets, target) {
			r.targets = append(r.targets, target)
		}
	}
	for _, inner := range p.FunctionPrototypes {
		r.named(inner)
	}
}

// isName tells a name of a user or trunk from other text.
func isName(s string) bool {
	for _, c := range s {
		if !unicode.IsLetter(c) && !unicode.IsDigit(c) && !strings.ContainsRune("._+-", c) {
			return false
		}
	}
	return s != ""
}

// run reads the file and runs its specs.
func (f *file) run(text string) {
	f.L = lua.NewState(lua.Options{SkipOpenLibs: true, IncludeGoStackTrace: false})
	defer f.L.Close()
	f.open()
	f.root = &group{}
	f.group = f.root
	err := scripting.Syntax(f.name, text)
	var fn *lua.LFunction
	if err == nil {
		fn, err = f.L.Load(strings.NewReader(text), f.name)
	}
	if err == nil {
		f.L.Push(fn)
		err = f.protected(0)
	}
	if err != nil {
		message, at := f.explain(err)
		f.report.spec(SpecResult{File: f.name, Name: "the file cannot be read", Line: at, Error: message})
		return
	}
	f.runGroup(f.root, nil)
}

// protected calls what was pushed, for a bounded time.
func (f *file) protected(args int) error {
	ctx, cancel := context.WithCancelCause(f.o.Context)
	defer cancel(nil)
	f.loop = time.AfterFunc(loopLimit, func() { cancel(errLoop) })
	defer f.loop.Stop()
	defer time.AfterFunc(specLimit, func() { cancel(errLong) }).Stop()
	f.L.SetContext(ctx)
	defer f.L.RemoveContext()
	err := f.L.PCall(args, 0, nil)
	var ae *lua.ApiError
	if cause := context.Cause(ctx); cause != nil && errors.As(err, &ae) {
		// The machine says that its context has ended, and where it was.
		ae.Object = lua.LString(strings.Replace(ae.Object.String(), ctx.Err().Error(), cause.Error(), 1))
	}
	return err
}

// waiting and thinking stand around what the simulation does for a spec.
func (f *file) waiting() {
	if f.loop != nil {
		f.loop.Stop()
	}
}

func (f *file) thinking() {
	if f.loop != nil {
		f.loop.Reset(loopLimit)
	}
}

func (f *file) runGroup(g *group, names []string) {
	for _, it := range g.items {
		if f.o.Context.Err() != nil {
			return
		}
		full := append(names[:len(names):len(names)], it.name)
		if it.group != nil {
			f.runGroup(it.group, full)
			continue
		}
		name := strings.Join(full, ", ")
		if f.o.Filter == "" || strings.Contains(strings.ToLower(name), strings.ToLower(f.o.Filter)) {
			f.runSpec(g, it, name)
		}
	}
}

// runSpec runs one spec after the before_each functions of its groups, the outermost first.
func (f *file) runSpec(g *group, it item, name string) {
	began := time.Now()
	f.now = &running{options: options{interrupt: f.o.Context, stage: f.stage, at: firstMoment(), http: &fakes{}, mail: &mailbox{}, scripts: f.o.Scripts}}
	f.now.options.scripts.Settings = map[string]any{}
	var steps []*lua.LFunction
	for at := g; at != nil; at = at.parent {
		steps = append(append([]*lua.LFunction{}, at.before...), steps...)
	}
	for _, fn := range append(steps, it.fn) {
		f.now.named(fn.Proto)
	}
	var err error
	for _, fn := range append(steps, it.fn) {
		f.L.Push(fn)
		if err = f.protected(0); err != nil {
			break
		}
	}
	result := SpecResult{File: f.name, Name: name, Line: it.line, Passed: err == nil}
	if err != nil {
		result.Error, result.Line = f.explain(err)
		if result.Line == 0 {
			result.Line = it.line
		}
		result.Timeline = f.now.timeline()
	}
	if err := f.now.close(); err != nil {
		result.Passed = false
		result.Error = strings.TrimPrefix(result.Error+"\nafter the spec: "+err.Error(), "\n")
	}
	f.now = nil
	result.Milliseconds = float64(time.Since(began).Microseconds()) / 1000
	f.report.spec(result)
}

// explain says what was raised, shows the line of the spec that raised it, and from which
// lines of the spec that was called.
func (f *file) explain(err error) (message string, line int) {
	var fe scripting.FileError
	if errors.As(err, &fe) {
		return fe.Error() + f.excerpt(fe.Line), fe.Line
	}
	var ae *lua.ApiError
	if !errors.As(err, &ae) {
		return err.Error(), 0
	}
	message = strings.TrimSpace(ae.Object.String())
	if t, ok := ae.Object.(*lua.LTable); ok {
		message = show(t)
	}
	place := regexp.MustCompile(regexp.QuoteMeta(f.name) + `:(\d+):`)
	if m := place.FindStringSubmatch(message); m != nil {
		line, _ = strconv.Atoi(m[1])
	}
	message += f.excerpt(line)
	seen := map[string]bool{strconv.Itoa(line): true}
	for _, m := range place.FindAllStringSubmatch(ae.StackTrace, -1) {
		if n, _ := strconv.Atoi(m[1]); !seen[m[1]] {
			seen[m[1]] = true
			message += fmt.Sprintf("\ncalled in %s:%d%s", f.name, n, f.excerpt(n))
		}
	}
	return message, line
}

// excerpt is a line of the spec.
func (f *file) excerpt(line int) string {
	if line < 1 || line > len(f.lines) {
		return ""
	}
	return fmt.Sprintf("\n  %d | %s", line, strings.TrimSpace(f.lines[line-1]))
}

// start makes the spec's world when it first needs one.
func (r *running) start() (*world, error) {
	if r.world != nil {
		return r.world, nil
	}
	err := r.makeFolder()
	if err != nil {
		return nil, err
	}
	if r.world, err = newWorld(r.options); err != nil {
		return nil, err
	}
	for _, target := range r.targets {
		if _, err := r.world.party(target); err != nil {
			return nil, err
		}
	}
	return r.world, nil
}

// makeFolder makes the place for what calls and scripts write.
func (r *running) makeFolder() error {
	if r.options.folder != "" {
		return nil
	}
	folder, err := r.options.stage.room()
	if err != nil {
		return err
	}
	r.options.folder, r.options.beside = filepath.Join(folder, "recordings"), folder
	return os.Mkdir(r.options.folder, 0o750)
}

// now is what time it is in the spec's world, also before there is one.
func (r *running) now() time.Time {
	if r.world == nil {
		return r.options.at
	}
	return r.world.clock.Now()
}

func (r *running) close() error {
	if r.world == nil {
		return nil
	}
	return r.world.close()
}
