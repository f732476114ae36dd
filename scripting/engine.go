package scripting

import (
	"context"
	"io/fs"
	"log/slog"
	"net/http"
	"net/netip"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"tandem/b2bua"
	"tandem/clock"
	"tandem/scripting/database"
)

// Options are what an Engine is made of; zero values take the defaults named.
type Options struct {
	Dir        string            // the user's scripts; "" means the shipped ones
	Shipped    fs.FS             // plugins, lib and prompts that come with the server
	Recordings string            // the folder recordings lie below
	Watch      bool              // reload when a file changes
	CallCPU    time.Duration     // Lua time a call may burn without waiting; 2 s
	Memory     int64             // bytes by which a call's Lua may make the heap grow; 64 MiB
	Settings   map[string]any    // for config.get
	Allow      []netip.Prefix    // addresses that http may reach though they are not public
	HTTP       http.RoundTripper // makes the requests of http instead of the network; nil: the network
	Clock      clock.Clock
	Log        *slog.Logger
	Database   string                     // the file of the scripts' own database; "": there is none
	Databases  map[string]database.Source // for db.named
	Records    Records                    // for cdr.find; nil: there are none
	Mail       Mailer                     // takes what mail.send sends; nil: nobody
	Voice      Speaker                    // reads text for say; nil: nobody
	Language   string                     // of say with as, when a script names none; en by default
	Shared     []SharedValue              // kept from the time before
	OnShared   func(SharedValue)          // a value to keep over a restart has changed; must not block
	Emergency  []string                   // numbers that on_dial is not asked about
	OnReload   func(Status)               // after each attempt to reload; must not block
	// OnRan gets the Lua time of each call whose script has ended. It must not block.
	OnRan func(time.Duration)
}

const (
	defaultCPU    = 2 * time.Second
	defaultMemory = 64 << 20
	// tidyUp is how long a script may go on after its call has ended.
	tidyUp = 5 * time.Second
)

// Engine runs scripts on calls. Its methods are safe for use by many goroutines.
type Engine struct {
	o Options
	base
	shared  *sharedValues
	regexps *regexpCache
	guard   *memoryGuard
	http    *httpClient
	dbs     databases
	fetched *fetchedSounds
	panics  panics
	hangups hangups
	serving serving
	beside  beside

	settings atomic.Pointer[map[string]any]
	current  atomic.Pointer[generation]
	server   atomic.Pointer[b2bua.Server]
	early    early

	mailer    atomic.Pointer[Mailer]
	speaker   atomic.Pointer[Speaker]
	language  atomic.Pointer[string]
	emergency atomic.Pointer[[]string]

	ctx    context.Context // ends with Close
	cancel context.CancelFunc
	done   sync.WaitGroup // the watcher

	mu       sync.Mutex // of reloading
	lastID   int64
	live     []*generation
	before   []*generation // that were in force, the latest last
	errors   []FileError
	warnings []FileError
	reloaded time.Time
	print    string // fingerprint of what was read last
}

// New compiles the scripts and starts to watch them. With broken scripts its error is FileErrors.
func New(o Options) (*Engine, error) {
	e := newEngine(o)
	if errs := e.reload("start"); len(errs) > 0 {
		e.Close()
		return nil, FileErrors(errs)
	}
	if o.Watch && o.Dir != "" {
		if err := e.watch(); err != nil {
			e.o.Log.Warn("scripts are not watched; use tandem reload", "dir", o.Dir, "error", err)
		}
	}
	return e, nil
}

func newEngine(o Options) *Engine { return engineOf(o, newBase()) }

// base is what engines of one process may share: nothing of it belongs to a call.
type base struct {
	api     *api
	builtin *builtin
	clips   *clips
}

func newBase() base {
	a := newAPI()
	return base{api: a, builtin: newBuiltin(a), clips: &clips{}}
}

func engineOf(o Options, b base) *Engine {
	if o.CallCPU <= 0 {
		o.CallCPU = defaultCPU
	}
	if o.Memory <= 0 {
		o.Memory = defaultMemory
	}
	if o.Clock == nil {
		o.Clock = clock.System()
	}
	if o.Log == nil {
		o.Log = slog.Default()
	}
	e := &Engine{o: o, base: b, shared: newSharedValues(o.Clock), regexps: newRegexpCache(), guard: newMemoryGuard(o.Memory),
		http: newHTTPClient(o.Allow, o.HTTP), fetched: newFetchedSounds()}
	e.ctx, e.cancel = context.WithCancel(context.Background())
	e.SetMail(o.Mail)
	e.SetVoice(o.Voice, o.Language)
	e.shared.restore(o.Shared)
	e.shared.changed = o.OnShared
	e.dbs.open(o.Database)
	if err := e.SetDatabases(o.Databases); err != nil {
		e.o.Log.Error("a database cannot be used", "error", err)
	}
	e.SetSettings(o.Settings)
	e.SetEmergency(o.Emergency)
	return e
}

// Close waits a while for on_hangup to see the last records, stops watching and ends
// whatever scripts still run.
func (e *Engine) Close() {
	e.hangups.drain(e.o.Clock)
	e.cancel()
	e.beside.wait(e.o.Clock)
	e.done.Wait()
	e.fetched.wait()
	e.http.client.CloseIdleConnections()
	if err := e.dbs.close(); err != nil {
		e.o.Log.Warn("a database was not closed well", "error", err)
	}
}

// SetSettings replaces what config.get answers, for calls in progress too.
func (e *Engine) SetSettings(settings map[string]any) { e.settings.Store(&settings) }

// SetAllow replaces the addresses that http may reach though they are not public.
func (e *Engine) SetAllow(allow []netip.Prefix) { e.http.setAllow(allow) }

// files are the scripts as they lie now.
func (e *Engine) files() files { return files{dir: e.o.Dir, shipped: e.o.Shipped} }

// Check compiles and lints the scripts, specs included, and runs their top level, but not
// on_load. It returns all that is wrong. What the linter finds counts here too, though a
// server would run such scripts.
func Check(o Options) []FileError {
	o.Log = slog.New(slog.DiscardHandler)
	if o.Dir != "" {
		if _, err := os.Stat(o.Dir); err != nil {
			return []FileError{{File: o.Dir, Message: "scripts folder: " + err.Error()}}
		}
	}
	e := newEngine(o)
	defer e.Close()
	_, found := e.build(1, false)
	for i := range found {
		found[i].Warning = false
	}
	found = append(found, checkSpecs(e.files())...)
	sortErrors(found)
	return found
}

// checkSpecs compiles the specs, which calls never load.
func checkSpecs(f files) []FileError {
	names, err := f.tree("spec", false)
	if err != nil {
		return []FileError{{File: f.dir, Message: err.Error()}}
	}
	var found []FileError
	for _, name := range names {
		if _, fe := compile(f, name); fe != nil {
			found = append(found, *fe)
		}
	}
	return found
}
