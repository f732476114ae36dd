//go:build interop

package interop

import (
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// sippRun is one run of SIPp: a scenario against the server, or a far end that
// waits for it.
type sippRun struct {
	*process
	dir  string
	addr netip.AddrPort
}

// sipp starts a scenario of testdata, or one that SIPp brings ("uac", "uas"),
// for one call unless -m is among the arguments. remote is the far end; the
// zero address is none, for a scenario that waits. It returns when SIPp has its
// sockets.
func sipp(t *testing.T, scenario string, remote netip.AddrPort, args ...string) *sippRun {
	t.Helper()
	return sippOn(t, netip.MustParseAddr("127.0.0.1"), scenario, remote, args...)
}

// sippOn is sipp at another address of this machine.
func sippOn(t *testing.T, host netip.Addr, scenario string, remote netip.AddrPort, args ...string) *sippRun {
	t.Helper()
	which := []string{"-sn", scenario}
	if strings.HasSuffix(scenario, ".xml") {
		path, err := filepath.Abs(filepath.Join("testdata", scenario))
		if err != nil {
			t.Fatal(err)
		}
		which = []string{"-sf", path}
	}
	if remote.IsValid() {
		args = append(args, remote.String())
	}
	for {
		if r := trySIPp(t, host, scenario, append(which, args...)); r != nil {
			return r
		}
	}
}

// trySIPp returns nil if somebody else has taken one of SIPp's ports.
func trySIPp(t *testing.T, host netip.Addr, scenario string, args []string) *sippRun {
	t.Helper()
	media := freePort(t, host)
	r := &sippRun{dir: t.TempDir(), addr: freePort(t, host)}
	// Any bytes are G.711: uac_stream.xml says these.
	writeFile(t, filepath.Join(r.dir, "speech.ulaw"), strings.Repeat("\x20\x35\xa0\xb5", 4000))
	writeSpokenKeys(t, filepath.Join(r.dir, "speech.pcap")) // uac_pcap.xml plays it
	// Cleanups run backwards: SIPp has ended when its files are shown.
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("sipp %s errors:\n%s\nmessages:\n%s", scenario, r.file("errors"), r.file("messages"))
		}
	})
	r.process = launch(t, r.dir, "sipp", append([]string{
		"-i", host.String(), "-p", strconv.Itoa(int(r.addr.Port())),
		"-mi", host.String(), "-mp", strconv.Itoa(int(media.Port())),
		"-m", "1", "-nostdin", "-timeout", "60s", "-timeout_error",
		"-trace_err", "-error_file", filepath.Join(r.dir, "errors"),
		"-trace_msg", "-message_file", filepath.Join(r.dir, "messages"),
		"-trace_stat", "-stf", filepath.Join(r.dir, "stat.csv"),
	}, args...)...)
	const unconnected = "07"
	table := "udp"
	if host.Is6() {
		table = "udp6"
	}
	eventually(t, "sipp has its sockets", func() bool {
		// The last that it opens is the one for video, two above.
		last := netip.AddrPortFrom(media.Addr(), media.Port()+2)
		return !r.running() || slices.Contains(bound(r.cmd.Process.Pid, table, unconnected), last)
	})
	if !r.running() && strings.Contains(r.out.String(), "Unable to bind") {
		return nil
	}
	return r
}

func (r *sippRun) file(name string) string {
	b, _ := os.ReadFile(filepath.Join(r.dir, name))
	return string(b)
}

// succeeds waits until SIPp has ended and all its calls went as the scenario
// says.
func (r *sippRun) succeeds(t *testing.T) {
	t.Helper()
	if code := r.wait(t); code != 0 {
		t.Fatalf("sipp: exit code %d", code)
	}
	if n := r.stat(t, "FailedCall(C)"); n != 0 {
		t.Fatalf("sipp: %d calls failed", n)
	}
}

// stat is one number of SIPp's last line of statistics.
func (r *sippRun) stat(t *testing.T, column string) int {
	t.Helper()
	lines := strings.Split(strings.TrimSpace(r.file("stat.csv")), "\n")
	names, values := strings.Split(lines[0], ";"), strings.Split(lines[len(lines)-1], ";")
	for i, name := range names {
		if name == column && i < len(values) {
			n, err := strconv.Atoi(values[i])
			if err != nil {
				t.Fatalf("sipp: %s is %q", column, values[i])
			}
			return n
		}
	}
	t.Fatalf("sipp has no statistic %s", column)
	return 0
}

// freePort is a loopback address that nobody used a moment ago. SIPp cannot
// tell which port it took, so it is given one.
func freePort(t *testing.T, host netip.Addr) netip.AddrPort {
	t.Helper()
	c, err := net.ListenPacket("udp", netip.AddrPortFrom(host, 0).String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	return c.LocalAddr().(*net.UDPAddr).AddrPort()
}
