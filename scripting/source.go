package scripting

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	lua "github.com/yuin/gopher-lua"

	"tandem/media"
	"tandem/media/soundfile"
)

// clips keeps the prompts that have been read, for all calls. A prompt edited on disk is
// read again by the next play.
type clips struct {
	mu  sync.Mutex
	all map[clipKey]cachedClip
}

type clipKey struct {
	shipped bool
	name    string
}

type cachedClip struct {
	clip     *media.Clip
	modified time.Time
	size     int64
}

// maxClips bounds the prompts kept.
const maxClips = 4096

// load reads a sound file, or finds it read.
func (c *clips) load(fsys fs.FS, key clipKey, info fs.FileInfo) (*media.Clip, error) {
	c.mu.Lock()
	have, ok := c.all[key]
	c.mu.Unlock()
	if ok && have.modified.Equal(info.ModTime()) && have.size == info.Size() {
		return have.clip, nil
	}
	clip, err := media.LoadClip(fsys, key.name)
	if err != nil {
		return nil, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.all == nil || len(c.all) >= maxClips {
		c.all = map[clipKey]cachedClip{}
	}
	c.all[key] = cachedClip{clip, info.ModTime(), info.Size()}
	return clip, nil
}

// errName is misuse: a name that could lead out of the folders sounds come from.
var errName = errors.New("is not a path below prompts/ or the recordings")

// sound finds a prompt by name, else a recording by its path.
func (e *Engine) sound(f files, name string) (media.Source, error) {
	if !fs.ValidPath(name) || strings.ContainsAny(name, "\\\x00") {
		return nil, fmt.Errorf("%q %w", name, errName)
	}
	names := []string{name}
	if path.Ext(name) == "" {
		for _, ending := range soundfile.Endings() {
			names = append(names, name+ending)
		}
	}
	for _, file := range names {
		prompt := path.Join("prompts", file)
		if fsys, info, err := f.open(prompt); err == nil {
			return e.clips.load(fsys, clipKey{fsys == f.shipped, prompt}, info)
		}
	}
	return e.recording(names...)
}

// recording reads a recording; a link that leads out of their folder is not followed.
func (e *Engine) recording(names ...string) (media.Source, error) {
	root, err := os.OpenRoot(e.o.Recordings)
	if err != nil {
		return nil, fs.ErrNotExist
	}
	defer root.Close()
	for _, name := range names {
		if info, err := root.Stat(name); err == nil && info.Mode().IsRegular() {
			return media.LoadClip(root.FS(), name)
		}
	}
	return nil, fs.ErrNotExist
}

// source reads one source as scripts write them.
func (a arguments) source(text string) ([]media.Source, error) {
	s := of(a.L)
	if isWeb(text) {
		src, err := a.fetch(text)
		return []media.Source{src}, err
	}
	kind, rest, _ := strings.Cut(text, ":")
	switch kind {
	case "tone":
		tone, err := media.ParseTone(text)
		if err != nil {
			return nil, misuse{err}
		}
		return []media.Source{tone}, nil
	case "silence":
		n, err := strconv.ParseFloat(rest, 64)
		if err != nil || !(n >= 0 && n <= 3600) {
			return nil, misuse{fmt.Errorf("%q: silence takes a number of seconds, at most 3600", text)}
		}
		return []media.Source{media.Silence(time.Duration(n * float64(time.Second)))}, nil
	case "say":
		// say:number:42 can stand in a list of prompts, where a call of say cannot.
		if as, what, ok := strings.Cut(rest, ":"); ok && slices.Contains(recordedWords(), as) {
			return a.recorded(what, as, options{a: a, of: sayOptions()})
		}
		return a.voice("", rest)
	}
	clip, err := s.engine.sound(s.gen.files, text)
	if errors.Is(err, errName) {
		return nil, misuse{err}
	}
	if err != nil {
		return nil, err
	}
	return []media.Source{clip}, nil
}

func isWeb(source string) bool {
	return strings.HasPrefix(source, "http://") || strings.HasPrefix(source, "https://")
}

// misuse is an error to raise rather than to return.
type misuse struct{ error }

// sources reads a source, or a list of them; those that are not found are logged with the
// place in the script, and left out. It is empty when none was found.
func (a arguments) sources(what string, v lua.LValue) []media.Source {
	var out []media.Source
	one := func(v lua.LValue) {
		text, ok := v.(lua.LString)
		if !ok {
			a.wrong(what, "a source or a list of sources", v)
		}
		srcs, err := a.source(string(text))
		var wrong misuse
		switch {
		case errors.As(err, &wrong):
			a.fail("%s: %s", what, err)
		case err != nil:
			a.notFound(string(text), err)
		default:
			out = append(out, srcs...)
		}
	}
	t, ok := v.(*lua.LTable)
	if !ok {
		one(v)
		return out
	}
	for i := 1; i <= t.Len(); i++ {
		one(t.RawGetInt(i))
	}
	return out
}

// notFound logs a sound that cannot be played.
func (a arguments) notFound(source string, err error) {
	r := runningIn(a.L)
	if isWeb(source) {
		source = shownURL(source)
	}
	msg := "prompt not found"
	if !errors.Is(err, fs.ErrNotExist) {
		msg = "prompt cannot be played: " + err.Error()
	}
	where := strings.TrimSuffix(a.L.Where(1), ":")
	r.log().Warn(msg, "source", source, "script", where)
	r.note(where + ": " + msg + ": " + source)
}

// optSources reads a source from an option, if it is set.
func (o options) sources(key string) []media.Source {
	if !o.has(key) {
		return nil
	}
	return o.a.sources("option "+key, o.get(key))
}
