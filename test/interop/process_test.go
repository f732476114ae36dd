//go:build interop

package interop

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// process is a program under test or a peer, with all that it has printed.
type process struct {
	name   string
	cmd    *exec.Cmd
	out    transcript
	exited chan struct{} // closed when it has ended
}

// launch starts a program. It is ended with the test, and what it printed is
// shown when the test has failed.
func launch(t *testing.T, dir, program string, args ...string) *process {
	t.Helper()
	cmd := exec.Command(program, args...)
	cmd.Dir = dir
	return launchCommand(t, cmd)
}

// launchCommand is launch for a command that needs more than a folder.
func launchCommand(t *testing.T, cmd *exec.Cmd) *process {
	t.Helper()
	p := &process{name: filepath.Base(cmd.Path), cmd: cmd, exited: make(chan struct{})}
	p.cmd.Stdout, p.cmd.Stderr = &p.out, &p.out
	if err := p.cmd.Start(); err != nil {
		t.Fatalf("%s: %v", p.name, err)
	}
	go func() {
		p.cmd.Wait()
		close(p.exited)
	}()
	t.Cleanup(func() {
		p.end()
		if t.Failed() {
			t.Logf("%s %v (exit %d) printed:\n%s", p.name, cmd.Args[1:], p.cmd.ProcessState.ExitCode(), p.out.tail(12000))
		}
	})
	return p
}

// launchIn is launch in another network, or in this one.
func launchIn(t *testing.T, in *namespace, dir, program string, args ...string) *process {
	t.Helper()
	if in == nil {
		return launch(t, dir, program, args...)
	}
	return launch(t, dir, "ip", append([]string{"netns", "exec", in.name, program}, args...)...)
}

func (p *process) running() bool {
	select {
	case <-p.exited:
		return false
	default:
		return true
	}
}

// end asks the program to go, and insists after a while.
func (p *process) end() {
	if !p.running() {
		return
	}
	p.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case <-p.exited:
	case <-time.After(10 * time.Second):
		p.cmd.Process.Kill()
		<-p.exited
	}
}

// wait returns the exit code, once the program has ended by itself.
func (p *process) wait(t *testing.T) int {
	t.Helper()
	select {
	case <-p.exited:
	case <-time.After(60 * time.Second):
		t.Fatalf("%s is still running", p.name)
	}
	return p.cmd.ProcessState.ExitCode()
}

// waitOutput waits until the program has printed s.
func (p *process) waitOutput(t *testing.T, s string) {
	t.Helper()
	eventually(t, fmt.Sprintf("%s prints %q", p.name, s), func() bool { return strings.Contains(p.out.String(), s) })
}

// transcript collects output; it is written to and read at the same time.
type transcript struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (b *transcript) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

func (b *transcript) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}

func (b *transcript) tail(n int) string {
	s := b.String()
	return s[max(0, len(s)-n):]
}

// bound lists the addresses of a process's sockets in /proc/net/TABLE ("tcp" or
// "udp") that are in the given state there. The peers pick their own free
// ports, but do not tell them.
func bound(pid int, table, state string) []netip.AddrPort {
	sockets := map[string]bool{}
	links, _ := filepath.Glob(fmt.Sprintf("/proc/%d/fd/*", pid))
	for _, l := range links {
		target, _ := os.Readlink(l)
		if inode, ok := strings.CutPrefix(target, "socket:["); ok {
			sockets[strings.TrimSuffix(inode, "]")] = true
		}
	}
	lines, _ := os.ReadFile(fmt.Sprintf("/proc/%d/net/%s", pid, table))
	var found []netip.AddrPort
	for line := range strings.Lines(string(lines)) {
		f := strings.Fields(line)
		if len(f) < 10 || f[3] != state || !sockets[f[9]] {
			continue
		}
		host, port, _ := strings.Cut(f[1], ":")
		ip, ok := kernelAddress(host)
		p, err := strconv.ParseUint(port, 16, 16)
		if !ok || err != nil {
			continue
		}
		found = append(found, netip.AddrPortFrom(ip, uint16(p)))
	}
	return found
}

// kernelAddress reads an address in /proc/net: words that the kernel prints as
// numbers in its own byte order.
func kernelAddress(s string) (netip.Addr, bool) {
	b, err := hex.DecodeString(s)
	if err != nil || len(b)%4 != 0 {
		return netip.Addr{}, false
	}
	for i := 0; i < len(b); i += 4 {
		binary.BigEndian.PutUint32(b[i:], binary.NativeEndian.Uint32(b[i:]))
	}
	return netip.AddrFromSlice(b)
}
