//go:build interop

package interop

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"
)

// tandemBinary is built once, with the race detector, for every test here.
var tandemBinary string

func TestMain(m *testing.M) { os.Exit(withBinary(m)) }

func withBinary(m *testing.M) int {
	for _, peer := range []string{"sipp", "baresip", "kamailio", "svmap", "espeak-ng", "ip", "nft", "chromium", "promtool", "tshark"} {
		if _, err := exec.LookPath(peer); err != nil {
			fmt.Fprintf(os.Stderr, "interop: %v (make peers installs it)\n", err)
			return 1
		}
	}
	if _, err := postgresProgram("postgres"); err != nil {
		fmt.Fprintf(os.Stderr, "interop: %v (make peers installs it)\n", err)
		return 1
	}
	dir, err := os.MkdirTemp("", "tandem-interop-")
	if err != nil {
		fmt.Fprintln(os.Stderr, "interop:", err)
		return 1
	}
	defer os.RemoveAll(dir)
	tandemBinary = filepath.Join(dir, "tandem")
	build := exec.Command("go", "build", "-race", "-o", tandemBinary, "tandem/cmd/tandem")
	if out, err := build.CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "interop: build: %v\n%s", err, out)
		return 1
	}
	return m.Run()
}

// soon is how long a peer on this machine may take for anything that is not
// bounded by the test itself. It is generous: two cores run many calls at once.
const soon = 20 * time.Second

// eventually waits until ok holds.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	deadline := time.After(soon)
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for !ok() {
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("waited %v in vain until %s", soon, what)
		}
	}
}
