package sim

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"runtime"
	"sort"
	"strings"
	"time"

	lua "github.com/yuin/gopher-lua"

	"tandem/scripting"
)

// Options say what Run runs. Scripts needs Dir or Shipped; Emergency and Settings hold
// for every spec that does not say otherwise.
type Options struct {
	Scripts scripting.Options
	Files   []string // spec files; none: all *_spec.lua of the folder's spec/
	Out     io.Writer
}

// Result is how many specs held.
type Result struct{ Passed, Failed int }

// specLimit is how long one spec may take, by the machine's clock.
const specLimit = 5 * time.Minute

// firstMoment is when a spec begins unless it says otherwise: a Monday, at noon.
func firstMoment() time.Time { return time.Date(2026, 1, 5, 12, 0, 0, 0, time.UTC) }

// Run runs specs one after the other, each in a world of its own, and prints how they went,
// with "N passed, N failed" at the end. Nothing else in the process may be at work meanwhile.
// Its error tells why there was nothing to run; a spec that fails is none.
func Run(o Options) (Result, error) {
	names := o.Files
	specs := folderOf(o.Scripts)
	if len(names) == 0 {
		found, err := fs.Glob(specs, "spec/*_spec.lua")
		if err != nil || len(found) == 0 {
			return Result{}, errors.Join(errors.New("there are no specs: spec/*_spec.lua in the scripts folder"), err)
		}
		sort.Strings(found)
		names = found
	}
	// One processor does: everybody waits for the clock most of the time, and waking another
	// thread costs more than what it would do.
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	var total Result
	for _, name := range names {
		text, err := readSpec(specs, name, len(o.Files) > 0)
		if err != nil {
			return total, err
		}
		f := &file{o: o, name: path.Base(filepath.ToSlash(name)), out: o.Out}
		f.run(text)
		total.Passed += f.result.Passed
		total.Failed += f.result.Failed
	}
	fmt.Fprintf(o.Out, "%d passed, %d failed\n", total.Passed, total.Failed)
	return total, nil
}

// folderOf is where specs lie: in the user's folder, or among the shipped scripts.
func folderOf(o scripting.Options) fs.FS {
	if o.Dir != "" {
		return os.DirFS(o.Dir)
	}
	return o.Shipped
}

// readSpec reads a file that was named, or one of the folder.
func readSpec(specs fs.FS, name string, named bool) ([]byte, error) {
	if named {
		if b, err := os.ReadFile(name); err == nil || !errors.Is(err, fs.ErrNotExist) {
			return b, err
		}
	}
	return fs.ReadFile(specs, strings.TrimPrefix(filepath.ToSlash(name), "./"))
}

// file is one spec file while it runs.
type file struct {
	o      Options
	name   string
	out    io.Writer
	L      *lua.LState
	result Result

	root  *group
	group *group   // that is being described
	now   *running // the spec that runs; nil while the file is read
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
	group *group
}

// running is the spec that runs, and its world once it needs one.
type running struct {
	options options
	world   *world
	folders []string // made for it
}

// run reads the file and runs its specs.
func (f *file) run(text []byte) {
	fmt.Fprintln(f.out, f.name)
	f.L = lua.NewState(lua.Options{SkipOpenLibs: true, IncludeGoStackTrace: false})
	defer f.L.Close()
	f.open()
	f.root = &group{}
	f.group = f.root
	fn, err := f.L.Load(strings.NewReader(string(text)), f.name)
	if err == nil {
		f.L.Push(fn)
		err = f.protected(0)
	}
	if err != nil {
		f.result.Failed++
		fmt.Fprintf(f.out, "  ✗ the file cannot be read\n    %s\n", plainError(err))
		return
	}
	f.runGroup(f.root, "  ")
}

// protected calls what was pushed, for a bounded time.
func (f *file) protected(args int) error {
	ctx, cancel := context.WithTimeout(context.Background(), specLimit)
	defer cancel()
	f.L.SetContext(ctx)
	defer f.L.RemoveContext()
	return f.L.PCall(args, 0, nil)
}

func (f *file) runGroup(g *group, indent string) {
	for _, it := range g.items {
		if it.group != nil {
			fmt.Fprintln(f.out, indent+it.name)
			f.runGroup(it.group, indent+"  ")
			continue
		}
		f.runSpec(g, it, indent)
	}
}

// runSpec runs one spec after the before_each functions of its groups, the outermost first.
func (f *file) runSpec(g *group, it item, indent string) {
	f.now = &running{options: options{at: firstMoment(), http: &fakes{}, scripts: f.o.Scripts}}
	f.now.options.scripts.Settings = map[string]any{}
	var steps []*lua.LFunction
	for at := g; at != nil; at = at.parent {
		steps = append(append([]*lua.LFunction{}, at.before...), steps...)
	}
	var err error
	for _, fn := range append(steps, it.fn) {
		f.L.Push(fn)
		if err = f.protected(0); err != nil {
			break
		}
	}
	timeline := f.now.timeline()
	err = errors.Join(err, f.now.close())
	f.now = nil
	if err == nil {
		f.result.Passed++
		fmt.Fprintln(f.out, indent+"✓ "+it.name)
		return
	}
	f.result.Failed++
	fmt.Fprintln(f.out, indent+"✗ "+it.name)
	for line := range strings.SplitSeq(plainError(err), "\n") {
		fmt.Fprintln(f.out, indent+"    "+line)
	}
	for _, line := range timeline {
		fmt.Fprintln(f.out, indent+"    "+line)
	}
}

// plainError is what was raised, without a stack.
func plainError(err error) string {
	var ae *lua.ApiError
	if errors.As(err, &ae) {
		return ae.Object.String()
	}
	return err.Error()
}

// start makes the spec's world when it first needs one.
func (r *running) start() (*world, error) {
	if r.world != nil {
		return r.world, nil
	}
	if err := r.makeFolder(); err != nil {
		return nil, err
	}
	var err error
	r.world, err = newWorld(r.options)
	return r.world, err
}

// makeFolder makes the place for what calls and scripts write.
func (r *running) makeFolder() error {
	if r.options.folder != "" {
		return nil
	}
	folder, err := os.MkdirTemp("", "tandem-spec-")
	if err != nil {
		return err
	}
	r.folders, r.options.folder = append(r.folders, folder), folder
	return nil
}

// timeline is what happened in the calls so far, for a spec that fails.
func (r *running) timeline() []string {
	if r.world == nil {
		return nil
	}
	return r.world.timeline()
}

func (r *running) close() error {
	var err error
	if r.world != nil {
		err = r.world.close()
	}
	for _, folder := range r.folders {
		err = errors.Join(err, os.RemoveAll(folder))
	}
	return err
}

// timeline ends the calls that are left, so that they are complete, and lists their events.
func (w *world) timeline() []string {
	if err := w.run(time.Minute, func() error { return w.server.Close(w.ctx) }); err != nil {
		return []string{"the calls do not end: " + err.Error()}
	}
	w.records.mu.Lock()
	defer w.records.mu.Unlock()
	var lines []string
	for _, id := range w.records.open {
		rec, ok := w.records.finished[id]
		if !ok {
			continue
		}
		lines = append(lines, fmt.Sprintf("call to %s: %s %d", rec.Call.ToUser, rec.Call.State, rec.Call.SIPCode))
		for _, e := range rec.Events {
			lines = append(lines, fmt.Sprintf("  %8.3f  %-8s  %s", float64(e.AtMS-rec.Call.StartMS)/1000, e.Kind, e.Text))
		}
		if rec.Call.ScriptError != "" {
			lines = append(lines, "  "+rec.Call.ScriptError)
		}
	}
	return lines
}
