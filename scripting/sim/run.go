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
	"slices"
	"strings"
	"time"

	"tandem/scripting"
)

// Options say what Run runs. Scripts needs Dir or Shipped; its Emergency holds for every spec.
type Options struct {
	Scripts scripting.Options
	Files   []string // spec files; none: all *_spec.lua of the folder's spec/
	Filter  string   // runs only specs with this in their name, in any case; "": all
	Out     io.Writer
	Context context.Context // ends the run where it is; nil: nothing does
	Verbose bool            // lists the specs that held, too
	JSON    bool            // writes one JSON object instead of text
}

// Result is how many specs held.
type Result struct {
	Passed int `json:"passed"`
	Failed int `json:"failed"`
}

// firstMoment is when a spec begins unless it says otherwise: a Monday, at noon.
func firstMoment() time.Time { return time.Date(2026, 1, 5, 12, 0, 0, 0, time.UTC) }

// errInterrupted says that not all specs were run.
var errInterrupted = errors.New("interrupted: not all specs were run")

// Run runs specs one after the other, each in a world of its own, and prints how they went,
// with "N passed, N failed" at the end. Nothing else in the process may be at work meanwhile.
// Its error tells why there was nothing to run; a spec that fails is none.
func Run(o Options) (Result, error) {
	if o.Context == nil {
		o.Context = context.Background()
	}
	names, err := specNames(o)
	if err != nil {
		return Result{}, err
	}
	// Mistakes in the scripts would fail every spec with the same words.
	stage, err := newStage()
	if err != nil {
		return Result{}, err
	}
	defer stage.close()
	if _, err := stage.compile(o.Scripts); err != nil {
		return Result{}, fmt.Errorf("the scripts have mistakes:\n%w", err)
	}
	// One processor does: everybody waits for the clock most of the time, and waking another
	// thread costs more than what it would do.
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	var out reporter = &textReport{out: o.Out, verbose: o.Verbose}
	if o.JSON {
		out = &jsonReport{out: o.Out}
	}
	for _, name := range names {
		text, err := readSpec(folderOf(o.Scripts), name, len(o.Files) > 0)
		if err != nil {
			return Result{}, err
		}
		f := &file{o: o, stage: stage, name: path.Base(filepath.ToSlash(name)), report: out, lines: strings.Split(string(text), "\n")}
		out.begin(f.name)
		f.run(string(text))
	}
	total, err := out.end()
	if o.Context.Err() != nil {
		return total, errInterrupted
	}
	if err == nil && total == (Result{}) && o.Filter != "" {
		err = fmt.Errorf("no spec has %q in its name", o.Filter)
	}
	return total, err
}

// specNames are the files to run, sorted unless they were named.
func specNames(o Options) ([]string, error) {
	if len(o.Files) > 0 {
		return o.Files, nil
	}
	specs := folderOf(o.Scripts)
	where := "the shipped scripts"
	if o.Scripts.Dir != "" {
		where = o.Scripts.Dir
		if _, err := os.Stat(where); err != nil {
			return nil, fmt.Errorf("scripts folder: %w", err)
		}
	}
	found, err := fs.Glob(specs, "spec/*_spec.lua")
	if err != nil || len(found) == 0 {
		return nil, errors.Join(fmt.Errorf("there are no specs in %s: they are files such as spec/main_spec.lua (see docs/testing.md)", where), err)
	}
	slices.Sort(found)
	return found, nil
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
	inFolder := strings.TrimPrefix(filepath.ToSlash(name), "./")
	if named {
		if b, err := os.ReadFile(name); err == nil || !errors.Is(err, fs.ErrNotExist) {
			return b, err
		}
		for _, try := range []string{inFolder, path.Join("spec", inFolder)} {
			if b, err := fs.ReadFile(specs, try); err == nil {
				return b, nil
			}
		}
		return nil, fmt.Errorf("there is no spec file %s", name)
	}
	return fs.ReadFile(specs, inFolder)
}
