package media

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// What a child process is told to do, by its environment.
const (
	childDir   = "TANDEM_TEST_RECORD"    // the folder to record into
	childLimit = "TANDEM_TEST_FILE_SIZE" // bytes that a file may have
)

// child runs TestRecordingChild in a process of its own; its lines come one by one.
func child(t *testing.T, dir, limit string) (*exec.Cmd, *bufio.Scanner) {
	t.Helper()
	cmd := exec.Command(os.Args[0], "-test.run=^TestRecordingChild$", "-test.v")
	cmd.Env = append(os.Environ(), childDir+"="+dir, childLimit+"="+limit)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
	return cmd, bufio.NewScanner(out)
}

// TestRecordingChild is no test of its own: others run it to kill it, or to take its disk
// away. It records a tone for as long as it lives, or until the disk is full, and then
// shows that its session still echoes.
func TestRecordingChild(t *testing.T) {
	dir := os.Getenv(childDir)
	if dir == "" {
		return
	}
	e := newEngine(t, Options{Workers: 1})
	s, p := open(t, e, SessionOptions{}), newPeer(t)
	p.call(s, "0")
	if limit := os.Getenv(childLimit); limit != "" {
		var n uint64
		if _, err := fmt.Sscan(limit, &n); err != nil {
			t.Fatal(err)
		}
		if err := unix.Setrlimit(unix.RLIMIT_FSIZE, &unix.Rlimit{Cur: n, Max: n}); err != nil {
			t.Fatal(err)
		}
	}
	var all []*Recording
	for _, name := range []string{"crash.wav", "crash.opus"} {
		r, err := s.Record(RecordOptions{Path: filepath.Join(dir, name), Side: SideBoth})
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, r)
	}
	tone := muLawOf(sine(500, 8000, 160)) // a whole number of periods
	running := func() bool {
		for _, r := range all {
			select {
			case <-r.Done():
			default:
				return true
			}
		}
		return false
	}
	for n := 0; running(); n++ {
		p.send(tone)
		if n%25 == 0 {
			fmt.Println("sent", n)
		}
		time.Sleep(4 * time.Millisecond) // faster than time: its timestamps say when
	}
	for _, r := range all {
		fmt.Printf("ended %s %v\n", r.Result().Why, r.Result().Err)
	}
	if err := Bridge(s, s); err != nil {
		t.Fatal(err)
	}
	p.send(sound(3))
	if got := p.next(); bytes.Equal(got.payload, sound(3)) {
		fmt.Println("echo")
	}
}

// TestKilledWhileRecording kills the process without warning: what it had written plays.
func TestKilledWhileRecording(t *testing.T) {
	dir := t.TempDir()
	cmd, out := child(t, dir, "")
	for out.Scan() {
		// The header is written after the sound, so the file's size alone promises nothing.
		if a, err := os.ReadFile(filepath.Join(dir, "crash.wav")); err == nil && len(a) > 44 && binary.LittleEndian.Uint32(a[40:]) > 40_000 {
			if b, err := os.Stat(filepath.Join(dir, "crash.opus")); err == nil && b.Size() > 4_000 {
				break
			}
		}
	}
	if err := cmd.Process.Kill(); err != nil { // SIGKILL
		t.Fatal(err)
	}
	_ = cmd.Wait()
	for name, least := range map[string]float64{"crash.wav": 2, "crash.opus": 0.5} {
		a := readSound(t, filepath.Join(dir, name))
		if a.Duration().Seconds() < least {
			t.Errorf("%s plays %v", name, a.Duration())
		}
		loud := 0
		for _, v := range a.PCM {
			if v > 4000 || v < -4000 {
				loud++
			}
		}
		if loud < len(a.PCM)/4 {
			t.Errorf("%s: %d of %d samples are loud", name, loud, len(a.PCM))
		}
	}
}

// TestRecordUntilTheDiskIsFull lets the system refuse to make the files longer.
func TestRecordUntilTheDiskIsFull(t *testing.T) {
	dir := t.TempDir()
	_, out := child(t, dir, "30000")
	var ended []string
	echo := false
	for out.Scan() {
		if why, ok := strings.CutPrefix(out.Text(), "ended "); ok {
			ended = append(ended, why)
		}
		echo = echo || out.Text() == "echo"
	}
	if len(ended) != 2 || !strings.HasPrefix(ended[0], "error ") || !strings.Contains(ended[0], "file too large") ||
		!strings.HasPrefix(ended[1], "error ") {
		t.Errorf("%q", ended)
	}
	if !echo {
		t.Error("the call did not go on")
	}
	for name, least := range map[string]float64{"crash.wav": 1.4, "crash.opus": 3} {
		if a := readSound(t, filepath.Join(dir, name)); a.Duration().Seconds() < least {
			t.Errorf("%s plays %v", name, a.Duration())
		}
	}
}
