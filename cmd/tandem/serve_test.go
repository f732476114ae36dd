package main

import (
	"encoding/json"
	"net"
	"net/http"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"

	"tandem/web"
)

const answering = "return { on_call = function(call) call:answer() call:sleep(60) end }\n"

func TestFirstStart(t *testing.T) {
	t.Parallel()
	data := filepath.Join(t.TempDir(), "data")
	s := serve(t, "--data", data)
	s.await(s.stdout, `(?s)Three things to try.*600 is an echo`)
	out := s.stdout.String()
	if !strings.HasPrefix(out, "ready sip=") {
		t.Errorf("the ready line is not the first:\n%s", out)
	}
	found := regexp.MustCompile(`user (100[12])  password ([a-z2-7]{16})\n`).FindAllStringSubmatch(out, -1)
	if len(found) != 2 || found[0][2] == found[1][2] {
		t.Fatalf("users: %q", found)
	}
	if strings.Contains(s.stderr.String(), found[0][2]) {
		t.Error("the log has a password")
	}
	code, stdout, stderr := s.api("status")
	if code != 0 {
		t.Fatalf("status: exit %d, %s", code, stderr)
	}
	mustContain(t, "status", stdout, "running", "udp://"+s.sip, "generation 1 of the shipped scripts", "50-main.lua", "0 of at most 5000")
	for path, want := range map[string]int{"/healthz": 200, "/readyz": 200, "/api/v1/status": 200, "/nope": 404} {
		res, err := http.Get(s.http + path)
		if err != nil {
			t.Fatal(err)
		}
		res.Body.Close()
		if res.StatusCode != want {
			t.Errorf("%s: %d, want %d", path, res.StatusCode, want)
		}
	}
	if code := s.stop(); code != 0 {
		t.Fatalf("exit %d\n%s", code, s.stderr)
	}
	again := serve(t, "--data", data)
	if code := again.stop(); code != 0 || strings.Contains(again.stdout.String(), "password") {
		t.Errorf("second start: exit %d\n%s", code, again.stdout)
	}
}

func TestCannotStart(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	udp, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer udp.Close()
	tcp, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer tcp.Close()
	file := write(t, filepath.Join(dir, "file"), "")
	bad := write(t, filepath.Join(dir, "bad.toml"), "[sip]\nlsiten = []\n[server]\ndrain = 'x'\n")
	open := write(t, filepath.Join(dir, "open.toml"), "[http]\nlisten = '0.0.0.0:0'\n")
	write(t, filepath.Join(dir, "broken", "50-main.lua"), "return {\n  on_call = function(call)\n    call:answer(\n}\n")
	free := []string{"--sip", "udp://127.0.0.1:0", "--http", "127.0.0.1:0", "--data", filepath.Join(dir, "data")}
	tests := []struct {
		name string
		args []string
		want string // a regular expression for all of stderr but log lines
	}{
		{"SIP port taken", append(free, "--sip", "udp://"+udp.LocalAddr().String()), `tandem: listen udp://` + udp.LocalAddr().String() + `: .*address already in use`},
		{"HTTP port taken", append(free, "--http", tcp.Addr().String()), `tandem: http: listen tcp ` + tcp.Addr().String() + `: bind: address already in use`},
		{"data is a file", append(free, "--data", file), `tandem: data folder: mkdir ` + file + `: not a directory`},
		{"configuration", append(free, "-c", bad), `tandem: ` + bad + `:2: sip.lsiten: unknown key: did you mean "listen"\?` + "\n" + `tandem: ` + bad + `:4: server.drain: "x" is not a duration: .*`},
		{"no token", []string{"-c", open, "--data", filepath.Join(dir, "data")}, `tandem: ` + open + `:1: http.token: is needed to listen on 0.0.0.0:0, which is not loopback`},
		{"no token, by flag", append(free, "--http", "0.0.0.0:0"), `tandem: http.token: is needed to listen on 0.0.0.0:0, which is not loopback`},
		{"no certificate", append(free, "--sip", "tls://127.0.0.1:0"), `tandem: sip.listen: tls://127.0.0.1:0 needs tls_cert and tls_key`},
		{"no scripts", append(free, "--scripts", filepath.Join(dir, "nothing")), `tandem: .*nothing.*no such file or directory`},
		{"broken scripts", append(free, "--scripts", filepath.Join(dir, "broken")), `tandem: .*50-main\.lua:4: .*`},
	}
	for _, tt := range tests {
		code, stdout, stderr := command(append([]string{"serve"}, tt.args...)...)
		var lines []string
		for line := range strings.Lines(stderr) {
			if !strings.HasPrefix(line, "time=") {
				lines = append(lines, line)
			}
		}
		said := strings.TrimSuffix(strings.Join(lines, ""), "\n")
		if code != 1 || stdout != "" || !regexp.MustCompile(`^`+tt.want+`$`).MatchString(said) {
			t.Errorf("%s: exit %d, stdout %q, stderr\n%s\nwant %s", tt.name, code, stdout, stderr, tt.want)
		}
	}
}

func TestReload(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	user := "[[user]]\nname = '1001'\npassword = 'a'\n"
	file := write(t, filepath.Join(dir, "tandem.toml"), user)
	main := write(t, filepath.Join(dir, "scripts", "50-main.lua"), answering)
	watchless := "[scripts]\nwatch = false\n"
	write(t, file, watchless+user)
	s := serve(t, "-c", file, "--data", filepath.Join(dir, "data"))
	if strings.Contains(s.stdout.String(), "password") {
		t.Error("users were made though the file has one")
	}
	code, stdout, stderr := s.api("reload")
	if code != 0 || stdout != "generation 2: 50-main.lua\n" {
		t.Errorf("nothing changed: exit %d, %q, %q", code, stdout, stderr)
	}

	write(t, file, "[media]\nports = '20000-20100'\n"+watchless+user+"[[user]]\nname = '1002'\npassword = 'b'\n[[acl]]\nallow = ['10.0.0.0/8']\n")
	code, stdout, stderr = s.api("reload")
	if code != 0 || stdout != "generation 3: 50-main.lua\nin force: acl, user 1002 added\nwaits for a restart: media.ports\n" {
		t.Errorf("changed: exit %d, %q, %q", code, stdout, stderr)
	}
	code, stdout, _ = s.api("reload")
	if code != 0 || stdout != "generation 4: 50-main.lua\nwaits for a restart: media.ports\n" {
		t.Errorf("still waiting: exit %d, %q", code, stdout)
	}

	write(t, main, "return { on_call = function(call) call:answer( end }\n")
	code, stdout, stderr = s.api("reload")
	if code != 1 || stdout != "" {
		t.Errorf("broken script: exit %d, %q", code, stdout)
	}
	mustContain(t, "stderr", stderr, "50-main.lua:1: ", "tandem: not reloaded: the scripts and the configuration before stay in force")
	_, stdout, _ = s.api("status")
	mustContain(t, "status", stdout, "generation 4 of", "the last reload failed", "50-main.lua:1: ")
	write(t, main, answering)

	write(t, file, "[http]\ntokn = 'x'\n"+user)
	code, stdout, stderr = s.api("reload")
	if code != 1 || stdout != "" {
		t.Errorf("broken configuration: exit %d, %q", code, stdout)
	}
	mustContain(t, "stderr", stderr, file+":2: http.tokn: unknown key: did you mean \"token\"?")

	write(t, file, "[http]\ntoken = 'sesame'\n"+watchless+user)
	s.signals <- syscall.SIGHUP
	s.await(s.stderr, `msg=reloaded generation=5`)
	code, _, stderr = s.api("reload")
	if code != 1 || stderr != "tandem: "+s.http+" needs a token: --token or TANDEM_TOKEN\n" {
		t.Errorf("without a token: exit %d, %q", code, stderr)
	}
	if code, _, stderr = s.api("--token", "sesame", "calls"); code != 0 {
		t.Errorf("with the token: exit %d, %q", code, stderr)
	}
	if strings.Contains(s.stderr.String(), "sesame") {
		t.Error("the log has the token")
	}
	if code := s.stop(); code != 0 {
		t.Errorf("exit %d\n%s", code, s.stderr)
	}
}

func TestReloadBack(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	main := write(t, filepath.Join(dir, "scripts", "50-main.lua"), answering)
	file := write(t, filepath.Join(dir, "tandem.toml"), "[scripts]\nwatch = false\n")
	s := serve(t, "-c", file, "--data", filepath.Join(dir, "data"))
	code, stdout, stderr := s.api("reload", "--back")
	if code != 1 || stdout != "" {
		t.Errorf("nothing to go back to: exit %d, %q", code, stdout)
	}
	mustContain(t, "stderr", stderr, "no generation to go back to", "tandem: not reloaded")
	write(t, main, "return {}\n")
	if code, _, stderr := s.api("reload"); code != 0 {
		t.Fatalf("exit %d, %s", code, stderr)
	}
	code, stdout, _ = s.api("reload", "--back")
	if code != 0 || !strings.HasPrefix(stdout, "generation 3 (generation 1 again): 50-main.lua\n") {
		t.Errorf("exit %d, %q", code, stdout)
	}
	_, stdout, _ = s.api("status")
	mustContain(t, "status", stdout, "generation 3 (generation 1 again) of")
	if code := s.stop(); code != 0 {
		t.Errorf("exit %d\n%s", code, s.stderr)
	}
}

// The status tells which calls are still on which generation.
func TestStatusOfGenerations(t *testing.T) {
	t.Parallel()
	s := answeringServer(t, t.TempDir())
	if _, stdout, _ := s.api("status"); strings.Contains(stdout, "on generation") {
		t.Errorf("with one generation:\n%s", stdout)
	}
	call, err := s.dial(caller(t), "4711")
	if err != nil {
		t.Fatal(err)
	}
	if code, _, stderr := s.api("reload"); code != 0 {
		t.Fatalf("exit %d, %s", code, stderr)
	}
	_, stdout, _ := s.api("status")
	mustContain(t, "status", stdout, "generation 2 of", "1 call on generation 1, 0 calls on generation 2")
	var scripts web.ScriptsStatus
	s.get("/api/v1/scripts", &scripts)
	var status web.Status
	s.get("/api/v1/status", &status)
	want := []web.Generation{{ID: 1, Calls: 1}, {ID: 2, Calls: 0}}
	if !slices.Equal(scripts.Generations, want) || !slices.Equal(status.Scripts.Generations, want) {
		t.Errorf("%+v, %+v; want %+v", scripts.Generations, status.Scripts.Generations, want)
	}
	if err := call.Hangup(t.Context()); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the old generation is let go", func() bool {
		s.get("/api/v1/scripts", &scripts)
		return slices.Equal(scripts.Generations, want[1:])
	})
}

func TestEmptyLists(t *testing.T) {
	t.Parallel()
	s := serve(t, "--data", t.TempDir())
	for args, want := range map[string]string{
		"calls": "no calls\n", "registrations": "no phone is registered\n",
		"calls --format json": "[]\n", "registrations --format=json": "[]\n",
	} {
		if code, stdout, stderr := s.api(strings.Fields(args)...); code != 0 || stdout != want {
			t.Errorf("%s: exit %d, %q, %q", args, code, stdout, stderr)
		}
	}
	for _, args := range [][]string{{"calls", "show", "x"}, {"calls", "hangup", "x"}} {
		if code, _, stderr := s.api(args...); code != 1 || stderr != "tandem: there is no call \"x\" in progress\n" {
			t.Errorf("%v: exit %d, %q", args, code, stderr)
		}
	}
	code, stdout, _ := s.api("status", "--format", "json")
	var st web.Status
	if err := json.Unmarshal([]byte(stdout), &st); code != 0 || err != nil || st.Scripts.Generation != 1 || st.Media.PortsFree == 0 {
		t.Errorf("status: exit %d, %v, %+v", code, err, st)
	}
}
