package sim

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"
	"time"

	lua "github.com/yuin/gopher-lua"

	"tandem/media/soundfile"
)

// recording is a file that a script has made.
type recording struct {
	w       *world
	path    string
	seconds float64
}

// writeLimit is how long a recording that has ended may take to be complete.
const writeLimit = 10 * time.Second

func (f *file) simRecording(L *lua.LState) int {
	w, name := f.world(L), L.CheckString(1)
	check(L, w.pass(0))
	r := &recording{w: w, path: name}
	var err error
	for end := time.Now().Add(writeLimit); ; { // the disk has a clock of its own
		if r.seconds, err = w.length(name); err == nil || errors.Is(err, fs.ErrNotExist) || time.Now().After(end) {
			break
		}
		time.Sleep(time.Millisecond)
	}
	if errors.Is(err, fs.ErrNotExist) {
		all, _ := w.recordings()
		have := "there is none at all"
		if len(all) > 0 {
			have = "there are " + strings.Join(all, ", ")
		}
		err = fmt.Errorf("there is no recording %q; %s", name, have)
	}
	check(L, err)
	L.Push(f.object("SimRecording", r))
	return 1
}

func (w *world) length(name string) (float64, error) {
	if !fs.ValidPath(name) {
		return 0, fmt.Errorf("%q is not a path below the recordings", name)
	}
	file, err := os.DirFS(w.folder).Open(name)
	if err != nil {
		return 0, err
	}
	defer file.Close()
	audio, err := soundfile.Decode(name, file, longestSound)
	return audio.Duration().Seconds(), err
}

// recordings lists what lies below the folder.
func (w *world) recordings() ([]string, error) {
	var all []string
	err := fs.WalkDir(os.DirFS(w.folder), ".", func(name string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() && slices.Contains(soundfile.Endings(), name[max(0, strings.LastIndexByte(name, '.')):]) {
			all = append(all, name)
		}
		return err
	})
	if errors.Is(err, fs.ErrNotExist) { // nothing has been recorded
		err = nil
	}
	return all, err
}

func (f *file) simRecordings(L *lua.LState) int {
	all, err := f.world(L).recordings()
	check(L, err)
	list := L.NewTable()
	for _, name := range all {
		list.Append(lua.LString(name))
	}
	L.Push(list)
	return 1
}

func recordingHas(L *lua.LState) int {
	r := self[*recording](L)
	sound, as := saidOptions(L)
	looking, err := r.w.search(sound, as)
	check(L, err)
	pcm, err := readSound(os.DirFS(r.w.folder), r.path)
	check(L, err)
	if !looking.correlates(pcm) {
		L.RaiseError("%s is not in %s", strings.Join(sound, ", "), r.path)
	}
	return again(L)
}
