package main

import (
	"strings"
	"testing"
)

func TestUsage(t *testing.T) {
	t.Parallel()
	tests := []struct {
		args   string
		code   int
		stderr string
	}{
		{"frobnicate", 2, "tandem: unexpected argument frobnicate (see tandem --help)\n"},
		{"versoin", 2, "tandem: unexpected argument versoin, did you mean \"version\"? (see tandem --help)\n"},
		{"serve --foo", 2, "tandem: unknown flag --foo (see tandem --help)\n"},
		{"serve --sip udp:/x", 2, "tandem: --sip: \"udp:/x\" is not a listener: write it as \"udp://0.0.0.0:5060\" (see tandem --help)\n"},
		{"serve --http nonsense", 2, "tandem: --http: \"nonsense\" is not an address and a port: write it as \"127.0.0.1:8080\" (see tandem --help)\n"},
		{"serve extra", 2, "tandem: unexpected argument extra (see tandem --help)\n"},
		{"calls show", 2, "tandem: expected \"<id>\" (see tandem --help)\n"},
		{"status --format xml", 2, "tandem: --format must be one of \"table\",\"json\" but got \"xml\" (see tandem --help)\n"},
		{"--server nowhere status", 2, "tandem: \"nowhere\" is not the URL of a server: write it as http://127.0.0.1:8080\n"},
		{"serve -c /nonexistent/t.toml", 1, "tandem: open /nonexistent/t.toml: no such file or directory\n"},
		{"check -c /nonexistent/t.toml", 1, "tandem: open /nonexistent/t.toml: no such file or directory\n"},
		{"--server http://127.0.0.1:1 status", 1, "tandem: cannot reach http://127.0.0.1:1: is the server running? (dial tcp 127.0.0.1:1: connect: connection refused)\n"},
	}
	for _, tt := range tests {
		code, stdout, stderr := command(strings.Fields(tt.args)...)
		if code != tt.code || stderr != tt.stderr || stdout != "" {
			t.Errorf("%s: exit %d, %q, stdout %q\nwant %d, %q", tt.args, code, stderr, stdout, tt.code, tt.stderr)
		}
	}
}

func TestHelp(t *testing.T) {
	t.Parallel()
	code, stdout, stderr := command("--help")
	if code != 0 || stderr != "" {
		t.Errorf("--help: exit %d, %s", code, stderr)
	}
	mustContain(t, "help", stdout, "serve", "init", "check", "calls", "reload", "status", "registrations", "version", "TANDEM_TOKEN")
	code, stdout, stderr = command()
	if code != 2 || stdout != "" || !strings.Contains(stderr, "serve") {
		t.Errorf("no arguments: exit %d, stdout %q, stderr %q", code, stdout, stderr)
	}
	if code, stdout, _ := command("calls", "hangup", "--help"); code != 0 || !strings.Contains(stdout, "<id>") {
		t.Errorf("help of a subcommand: exit %d, %q", code, stdout)
	}
}

func TestVersion(t *testing.T) {
	t.Parallel()
	code, stdout, stderr := command("version")
	if code != 0 || stderr != "" || !strings.HasPrefix(stdout, "tandem ") || !strings.Contains(stdout, "commit ") || !strings.Contains(stdout, "go1.") {
		t.Errorf("exit %d, %q, %q", code, stdout, stderr)
	}
}
