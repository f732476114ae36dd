//go:build interop

package interop

import (
	"context"
	"net/netip"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// sipvicious runs one of its tools against an address of the server until it ends, and gives
// what it printed. It has a home of its own, for it keeps its findings there.
func sipvicious(t *testing.T, tool string, at netip.AddrPort, args ...string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, tool, append(args, "-p", portOf(at), at.Addr().String())...)
	cmd.Env = []string{"HOME=" + t.TempDir(), "PATH=/usr/bin:/bin:/usr/local/bin"}
	out, err := cmd.CombinedOutput()
	if ctx.Err() != nil || cmd.ProcessState == nil {
		t.Fatalf("%s: %v\n%s", tool, err, out)
	}
	t.Logf("%s %v\n%s", tool, args, out)
	return string(out)
}

// finding runs a tool until it prints what it is to find: it gives up soon on a busy machine.
func finding(t *testing.T, what, tool string, at netip.AddrPort, args ...string) (out string) {
	t.Helper()
	for range 5 {
		if out = sipvicious(t, tool, at, args...); strings.Contains(out, what) {
			return out
		}
	}
	t.Fatalf("%s does not find %q", tool, what)
	return ""
}

// wordlist is a dictionary of passwords, the last of which may be the right one.
func wordlist(t *testing.T, words ...string) string {
	name := filepath.Join(t.TempDir(), "words")
	writeFile(t, name, strings.Join(words, "\n")+"\n")
	return name
}

type banned struct {
	Source   string
	Failures int
}

func (s *server) bans(t *testing.T) []banned {
	t.Helper()
	var st struct{ Bans []banned }
	s.get(t, "/status", &st)
	return st.Bans
}

func wrongWords() []string {
	var words []string
	for _, w := range strings.Fields("123456 password 1234 12345 admin letmein qwerty asterisk voip sip 0000 1111 secret test phone") {
		words = append(words, w, w+"1", w+"!")
	}
	return append(words, "first-secret")
}

// What scanners find without any of them being known by its name.
func TestSIPVicious(t *testing.T) {
	t.Parallel()
	srv := serve(t, setup{config: md5Only + twoUsers + trustNobody})

	out := finding(t, "| unknown", "svmap", srv.udp, "-d")
	for _, line := range strings.Split(out, "\n") {
		if l := strings.ToLower(line); strings.HasPrefix(l, "server:") || strings.HasPrefix(l, "user-agent: t") || strings.Contains(l, "tandem/") {
			t.Errorf("svmap learns %q", line)
		}
	}

	// Two of these are users.
	for _, method := range []string{"REGISTER", "INVITE"} {
		if out := sipvicious(t, "svwar", srv.udp, "--force", "-m", method, "-e", "999-1004"); !strings.Contains(out, "found nothing") {
			t.Errorf("svwar with %s tells users from others:\n%s", method, out)
		}
	}

	out = sipvicious(t, "svcrack", srv.udp, "-u", "1001", "-d", wordlist(t, wrongWords()...))
	if strings.Contains(out, "first-secret") {
		t.Error("svcrack finds the password")
	}
	if b := srv.bans(t); len(b) != 1 || b[0].Source != "127.0.0.1" || b[0].Failures != 5 {
		t.Errorf("bans: %+v", b)
	}
	out = sipvicious(t, "svcrack", srv.udp, "-u", "1001", "-d", wordlist(t, "first-secret"), "--maximumtime=3")
	if strings.Contains(out, "| 1001") {
		t.Error("who is banned is answered")
	}
	if out, _ := srv.tandem(t, "status"); !strings.Contains(out, "127.0.0.1 until ") {
		t.Errorf("status does not show the ban:\n%s", out)
	}

	// It would have found it, or it proves nothing.
	open := serve(t, setup{config: md5Only + twoUsers + trustNobody})
	finding(t, "first-secret", "svcrack", open.udp, "-u", "1001", "-d", wordlist(t, "first-secret"))
}

// Known by their names they get no answer at all, and their sources are banned.
func TestSIPViciousByName(t *testing.T) {
	t.Parallel()
	for tool, args := range map[string][]string{
		"svmap":   nil,
		"svwar":   {"--force", "-e", "999-1004", "--maximumtime=3"},
		"svcrack": {"-u", "1001", "-d", wordlist(t, "first-secret"), "--maximumtime=3"},
	} {
		t.Run(tool, func(t *testing.T) {
			t.Parallel()
			srv := serve(t, setup{config: "[limits]\nscanners = ['friendly-scanner*', 'sipvicious*']\n" + md5Only + twoUsers + trustNobody})
			out := sipvicious(t, tool, srv.udp, args...)
			if strings.Contains(out, srv.udp.String()+" |") || strings.Contains(out, "first-secret") || strings.Contains(out, "reqauth") {
				t.Errorf("%s finds\n%s", tool, out)
			}
			if b := srv.bans(t); len(b) != 1 || b[0].Source != "127.0.0.1" || b[0].Failures != 0 {
				t.Errorf("bans: %+v", b)
			}
		})
	}
}
