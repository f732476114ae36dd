//go:build interop

package interop

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
)

// TestTraceOpensInTshark writes a call to a file by `tandem trace`, and has tshark read it.
func TestTraceOpensInTshark(t *testing.T) {
	t.Parallel()
	srv := serve(t, setup{})
	capture := filepath.Join(t.TempDir(), "call.pcap")
	tracer := launch(t, t.TempDir(), tandemBinary, "--server", srv.api, "trace", "-o", capture)
	eventually(t, "the trace stands", func() bool { return strings.Contains(tracer.out.String(), "Ctrl-C ends") })
	messages := func() []string {
		out, err := exec.Command("tshark", "-r", capture, "-d", "udp.port=="+port(srv)+",sip", "-Y", "sip", "-T", "fields", "-e", "sip.Method", "-e", "sip.Status-Code").Output()
		if err != nil {
			return nil // the last packet may be half written
		}
		return strings.Fields(string(out))
	}
	call := func() {
		if out, err := exec.Command(tandemBinary, "call", "sip:700@"+srv.udp.String(), "--duration", "1s").CombinedOutput(); err != nil {
			t.Fatalf("call: %v\n%s", err, out)
		}
	}
	// Until the server has begun to hand messages out, calls pass unseen.
	eventually(t, "a whole call is in the file", func() bool {
		call()
		return slices.Contains(messages(), "INVITE") && slices.Contains(messages(), "BYE")
	})
	if err := tracer.cmd.Process.Signal(syscall.SIGINT); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the trace ends", func() bool { return !tracer.running() })
	got := messages()
	i := slices.Index(got, "INVITE")
	if want := []string{"INVITE", "100", "200", "ACK", "BYE", "200"}; i < 0 || len(got) < i+6 || !slices.Equal(got[i:i+6], want) {
		t.Errorf("tshark sees %v", got)
	}
	if info, err := os.Stat(capture); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the file: %v, %v", info.Mode(), err)
	}
}

func port(s *server) string {
	_, p, _ := strings.Cut(s.udp.String(), ":")
	return p
}
