package scripting

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fsnotify/fsnotify"
)

// watchedScripts is a folder that an engine watches; run tells what is in force.
type watchedScripts struct {
	t    *testing.T
	e    *Engine
	dir  string // as the engine knows it
	root string // of the test
}

// body is a plugin of which version v can be told from outside.
func body(v string) string {
	return fmt.Sprintf("return { on_load = function() shared.set('v', '%s') end }", v)
}

func watchScripts(t *testing.T, root, dir string) *watchedScripts {
	t.Helper()
	o := testOptions(dir)
	o.Watch = true
	return &watchedScripts{t: t, e: newTestEngine(t, o), dir: dir, root: root}
}

// await waits until Lua gives what is wanted.
func (w *watchedScripts) await(lua, want string) {
	w.t.Helper()
	got := ""
	for deadline := time.Now().Add(30 * time.Second); time.Now().Before(deadline); time.Sleep(5 * time.Millisecond) {
		if got, _ = eval(w.t, w.e, lua); got == want {
			return
		}
	}
	w.t.Fatalf("%s gives %q; want %q: %+v", lua, got, want, w.e.Status())
}

func (w *watchedScripts) version(v string) {
	w.t.Helper()
	w.await("return shared.get('v')", v)
}

func (w *watchedScripts) write(name, text string) { writeFile(w.t, filepath.Join(w.root, name), text) }

// must fails the test on an error.
func (w *watchedScripts) must(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
}

func (w *watchedScripts) rename(from, to string) {
	w.t.Helper()
	w.must(os.Rename(filepath.Join(w.root, from), filepath.Join(w.root, to)))
}

// relink points a link elsewhere as `ln -sfn` and deployments do: a new one takes its place.
func (w *watchedScripts) relink(target, link string) {
	w.t.Helper()
	path := filepath.Join(w.root, link)
	w.must(os.Symlink(target, path+".new"))
	w.must(os.Rename(path+".new", path))
}

// Each of these changes the scripts in a way of its own; what is in force follows.
func TestWaysToChangeScripts(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(w *watchedScripts){
		"in place": func(w *watchedScripts) {
			w.write("scripts/50-main.lua", body("2"))
			w.version("2")
		},
		"in many pieces": func(w *watchedScripts) {
			f, err := os.Create(filepath.Join(w.dir, "50-main.lua"))
			w.must(err)
			defer f.Close()
			for _, c := range body("2") + strings.Repeat("\n-- more", 200) {
				_, err := f.WriteString(string(c))
				w.must(err)
			}
			w.version("2")
		},
		"half, a while later the rest": func(w *watchedScripts) {
			text := body("2")
			w.write("scripts/50-main.lua", text[:len(text)/2])
			for deadline := time.Now().Add(30 * time.Second); len(w.e.Status().Errors) == 0 && time.Now().Before(deadline); {
				time.Sleep(5 * time.Millisecond)
			}
			if st := w.e.Status(); st.Generation != 1 || len(st.Errors) != 1 {
				w.t.Errorf("with half a file: %+v", st)
			}
			w.write("scripts/50-main.lua", text)
			w.version("2")
		},
		"by vim, with a backup": func(w *watchedScripts) {
			w.write("scripts/4913", "") // its probe
			w.must(os.Remove(filepath.Join(w.dir, "4913")))
			w.rename("scripts/50-main.lua", "scripts/50-main.lua~")
			w.write("scripts/50-main.lua", body("2"))
			w.must(os.Chmod(filepath.Join(w.dir, "50-main.lua"), 0o600))
			w.must(os.Remove(filepath.Join(w.dir, "50-main.lua~")))
			w.version("2")
			w.write("scripts/50-main.lua", body("3"))
			w.version("3")
		},
		"by a file that takes its place": func(w *watchedScripts) {
			for _, v := range []string{"2", "3"} {
				w.write("scripts/.50-main.lua.tmp", body(v))
				w.rename("scripts/.50-main.lua.tmp", "scripts/50-main.lua")
				w.version(v)
			}
		},
		"a new plugin, then gone": func(w *watchedScripts) {
			w.write("scripts/60-more.lua", body("2"))
			w.version("2")
			w.must(os.Remove(filepath.Join(w.dir, "60-more.lua")))
			w.version("1")
		},
		"new folders below lib": func(w *watchedScripts) {
			w.write("scripts/lib/deep/er/m.lua", "return 'a'")
			w.await("return require('deep.er.m')", "a")
			w.write("scripts/lib/deep/er/m.lua", "return 'b'")
			w.await("return require('deep.er.m')", "b")
			w.must(os.RemoveAll(filepath.Join(w.dir, "lib")))
			w.await("return tostring(pcall(require, 'deep.er.m'))", "false")
			w.write("scripts/lib/deep/er/m.lua", "return 'c'")
			w.await("return require('deep.er.m')", "c")
			w.write("scripts/lib/deep/er/m.lua", "return 'd'")
			w.await("return require('deep.er.m')", "d")
		},
		"the whole folder replaced": func(w *watchedScripts) {
			w.write("next/50-main.lua", body("2"))
			w.rename("scripts", "old")
			w.rename("next", "scripts")
			w.version("2")
			w.write("scripts/50-main.lua", body("3"))
			w.version("3")
		},
		"removed and made again": func(w *watchedScripts) {
			w.must(os.RemoveAll(w.dir))
			w.write("scripts/50-main.lua", body("2"))
			w.version("2")
			w.write("scripts/50-main.lua", body("3"))
			w.version("3")
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			root := t.TempDir()
			writeFile(t, filepath.Join(root, "scripts/50-main.lua"), body("1"))
			w := watchScripts(t, root, filepath.Join(root, "scripts"))
			w.version("1")
			change(w)
		})
	}
}

// Kubernetes mounts a ConfigMap as links to files in a folder that is itself behind a link, and
// swaps that.
func TestWatchConfigMap(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	w := &watchedScripts{t: t, root: root}
	for i := range 4 {
		w.write(fmt.Sprintf("scripts/..v%d/50-main.lua", i), body(fmt.Sprint(i)))
		w.write(fmt.Sprintf("scripts/..v%d/m.lua", i), fmt.Sprintf("return 'm%d'", i))
	}
	w.must(os.Symlink("..v0", filepath.Join(root, "scripts/..data")))
	w.must(os.Symlink("..data/50-main.lua", filepath.Join(root, "scripts/50-main.lua")))
	w.must(os.Mkdir(filepath.Join(root, "scripts/lib"), 0o755))
	w.must(os.Symlink("../..data/m.lua", filepath.Join(root, "scripts/lib/m.lua")))
	w = watchScripts(t, root, filepath.Join(root, "scripts"))
	w.version("0")
	for i := 1; i < 4; i++ {
		w.relink(fmt.Sprintf("..v%d", i), "scripts/..data")
		w.version(fmt.Sprint(i))
		w.await("return require('m')", fmt.Sprintf("m%d", i))
		w.must(os.RemoveAll(filepath.Join(root, fmt.Sprintf("scripts/..v%d", i-1)))) // as the kubelet does
	}
}

// Releases lie side by side, and a link above the scripts folder says which is in force.
func TestWatchLinkAboveTheFolder(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	w := &watchedScripts{t: t, root: root}
	for i := range 3 {
		w.write(fmt.Sprintf("releases/%d/scripts/50-main.lua", i), body(fmt.Sprint(i)))
	}
	w.must(os.Symlink("releases/0", filepath.Join(root, "current")))
	w = watchScripts(t, root, filepath.Join(root, "current", "scripts"))
	w.version("0")
	for i := 1; i < 3; i++ {
		w.relink(fmt.Sprintf("releases/%d", i), "current")
		w.version(fmt.Sprint(i))
		w.write(fmt.Sprintf("releases/%d/scripts/50-main.lua", i), body(fmt.Sprintf("%d edited", i)))
		w.version(fmt.Sprintf("%d edited", i))
	}
	folders, err := foldersOf(w.dir)
	if err != nil || folders[filepath.Join(root, "releases/1/scripts")] || !folders[filepath.Join(root, "releases/2/scripts")] {
		t.Errorf("%v, %v", folders, err)
	}
}

// A plugin and lib may be links to places outside of the folder.
func TestWatchLinksOutOfTheFolder(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	w := &watchedScripts{t: t, root: root}
	w.write("shared/main.lua", body("1"))
	w.write("elsewhere/lib/m.lua", "return 'a'")
	w.must(os.Mkdir(filepath.Join(root, "scripts"), 0o755))
	w.must(os.Symlink("../shared/main.lua", filepath.Join(root, "scripts/50-main.lua")))
	w.must(os.Symlink("../elsewhere/lib", filepath.Join(root, "scripts/lib")))
	w.must(os.Symlink("../scripts", filepath.Join(root, "elsewhere/lib/around"))) // in circles
	w = watchScripts(t, root, filepath.Join(root, "scripts"))
	w.version("1")
	w.write("shared/main.lua", body("2"))
	w.version("2")
	w.await("return require('m')", "a")
	w.write("elsewhere/lib/m.lua", "return 'b'")
	w.await("return require('m')", "b")
}

// Prompts, specs and what is no script make no generation; a new prompt can be played at once.
func TestWhatIsNoScript(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	writeFile(t, filepath.Join(root, "scripts/50-main.lua"), body("1"))
	w := watchScripts(t, root, filepath.Join(root, "scripts"))
	w.version("1")
	for _, name := range []string{"notes.txt", ".50-main.lua.swp", "50-main.lua~", "tandem.d.lua", "spec/main_spec.lua"} {
		w.write("scripts/"+name, "(")
	}
	wav, err := os.ReadFile("../scripts/prompts/goodbye.wav")
	w.must(err)
	w.write("scripts/prompts/hello.wav", string(wav))
	if _, err := w.e.sound(w.e.files(), "hello"); err != nil {
		t.Errorf("the new prompt: %v", err)
	}
	w.write("scripts/50-main.lua", body("2"))
	w.version("2")
	if st := w.e.Status(); st.Generation != 2 {
		t.Errorf("%+v", st)
	}
}

// Changes are read once they have rested for a while, and a folder that never rests every
// now and then.
func TestChangesComeToRest(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name   string
		events int
		apart  time.Duration
		want   []time.Duration // when they are read, from the first event
	}{
		{"one", 1, 0, []time.Duration{150 * time.Millisecond}},
		{"an editor's", 6, 20 * time.Millisecond, []time.Duration{250 * time.Millisecond}},
		{"two saves", 2, time.Second, []time.Duration{150 * time.Millisecond, 1150 * time.Millisecond}},
		{"no rest", 50, 90 * time.Millisecond, []time.Duration{2 * time.Second, 4070 * time.Millisecond, 4560 * time.Millisecond}},
	} {
		synctest.Test(t, func(t *testing.T) {
			e := newEngine(Options{Shipped: os.DirFS(t.TempDir())})
			defer e.cancel()
			events := make(chan fsnotify.Event)
			began := time.Now()
			var got []time.Duration
			done := make(chan struct{})
			go func() {
				defer close(done)
				e.follow(events, nil, func() { got = append(got, time.Since(began)) })
			}()
			for range tt.events {
				events <- fsnotify.Event{}
				time.Sleep(tt.apart)
			}
			time.Sleep(time.Minute)
			close(events)
			<-done
			if fmt.Sprint(got) != fmt.Sprint(tt.want) {
				t.Errorf("%s: read after %v; want %v", tt.name, got, tt.want)
			}
		})
	}
}
