//go:build interop

package interop

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// TestDiskFull: the folder of the data, the spool's too, is on a disk that others fill up. Calls
// go on, their records wait, and all are in the store once there is room.
func TestDiskFull(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	disk := smallDisk(t, filepath.Join(dir, "data"), 8<<20)
	srv := serve(t, setup{dir: dir, scripts: map[string]string{"50-main.lua": `
		return { on_call = function(call)
			call.vars.note = string.rep("x", 4000)
			call:answer()
			call:play("silence:60")
		end }`}})
	calls := func(run string, n int) {
		sipp(t, "uac_random.xml", srv.udp, "-s", "5000", "-key", "run", run, "-r", "50", "-m", fmt.Sprint(n), "-l", "1000").succeeds(t)
	}
	in := func(run string) int {
		return len(srv.records(t, `select id from calls where from_user like ? and state = 'answered'`, run+"x%"))
	}
	const before, during, after = 20, 150, 20
	calls("before", before)
	eventually(t, "the first records are written", func() bool { return in("before") == before })
	filler := fill(t, filepath.Join(disk, "filler"))
	calls("during", during)
	var health struct {
		Store struct {
			Error            string
			Dropped, Written int
		}
	}
	eventually(t, "the server says that it cannot write", func() bool {
		srv.get(t, "/status", &health)
		return health.Store.Error != ""
	})
	if n := in("during"); n == during {
		t.Fatal("the disk was not full: nothing is proved")
	}
	if err := os.Remove(filler); err != nil {
		t.Fatal(err)
	}
	calls("after", after)
	eventually(t, "all records are written", func() bool { return in("after") == after && in("during") == during })
	srv.get(t, "/status", &health)
	if health.Store.Error != "" || health.Store.Dropped != 0 {
		t.Errorf("the store: %+v", health.Store)
	}
	if out, err := srv.tandem(t, "cdr", "list", "--data", "data", "--limit", "1000", "--format", "csv"); strings.Count(out, "\n") != before+during+after+1 || err != 0 {
		t.Errorf("listed %d lines", strings.Count(out, "\n"))
	}
	if ok := srv.records(t, `pragma integrity_check`); len(ok) != 1 || ok[0]["integrity_check"] != "ok" {
		t.Errorf("integrity_check: %v", ok)
	}
}

// smallDisk makes dir a file system of so many bytes, which goes with the test.
func smallDisk(t *testing.T, dir string, size int) string {
	t.Helper()
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := unix.Mount("tmpfs", dir, "tmpfs", 0, fmt.Sprintf("size=%d,mode=0755", size)); err != nil {
		t.Skipf("no file systems of our own here: %v", err)
	}
	t.Cleanup(func() {
		if err := unix.Unmount(dir, unix.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	return dir
}

// fill writes a file until the disk has no room.
func fill(t *testing.T, path string) string {
	t.Helper()
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for block := make([]byte, 64<<10); len(block) > 0; {
		if _, err := f.Write(block); err != nil {
			block = block[:len(block)/2]
		}
	}
	return path
}
