package config

import (
	"encoding"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"
)

func TestTypes(t *testing.T) {
	t.Parallel()
	var d Duration
	var s Size
	var e Endpoint
	var p Prefix
	var r PortRange
	var h HostPort
	tests := []struct {
		into     encoding.TextUnmarshaler
		in, want string // want "" is an error
	}{
		{&d, "90d", "90d"}, {&d, "0", "0"}, {&d, "1d12h", "36h"}, {&d, "1500ms", "1.5s"}, {&d, "45m", "45m"},
		{&d, "-1s", ""}, {&d, "60", ""}, {&d, "", ""}, {&d, "d", ""}, {&d, "99999d", ""}, {&d, "65535d2562047h", ""}, {&d, "1d2d", ""},
		{&s, "64MB", "64MB"}, {&s, "1 gb", "1GB"}, {&s, "1536KB", "1536KB"}, {&s, "10B", "10B"}, {&s, "0B", "0B"},
		{&s, "-1MB", ""}, {&s, "64", ""}, {&s, "64MiB", ""}, {&s, "4294967296GB", ""},
		{&e, "udp://0.0.0.0:5060", "udp://0.0.0.0:5060"}, {&e, "tls://[::1]:5061", "tls://[::1]:5061"},
		{&e, "udp://:5060", ""}, {&e, "udp://1.2.3.4", ""}, {&e, "UDP://1.2.3.4:1", ""}, {&e, "1.2.3.4:5060", ""},
		{&p, "10.0.0.0/8", "10.0.0.0/8"}, {&p, "10.0.0.1", "10.0.0.1/32"}, {&p, "::1", "::1/128"}, {&p, "fe80::/10", "fe80::/10"},
		{&p, "10.0.0.1/8", ""}, {&p, "10.0.0.0/33", ""}, {&p, "host", ""},
		{&r, "10000-32767", "10000-32767"}, {&r, "4000 - 4001", "4000-4001"},
		{&r, "0-10", ""}, {&r, "4000", ""}, {&r, "5-5", ""}, {&r, "1-99999", ""},
		{&h, "127.0.0.1:8080", "127.0.0.1:8080"}, {&h, ":8080", ":8080"}, {&h, "[::1]:0", "[::1]:0"}, {&h, "localhost:80", "localhost:80"},
		{&h, "127.0.0.1", ""}, {&h, "h:99999", ""}, {&h, "a b:1", ""},
	}
	for _, tt := range tests {
		err := tt.into.UnmarshalText([]byte(tt.in))
		got := ""
		if err == nil {
			got = fmt.Sprint(tt.into)
		}
		if got != tt.want {
			t.Errorf("%T %q: got %q (%v), want %q", tt.into, tt.in, got, err, tt.want)
		}
	}
}

func TestLoopback(t *testing.T) {
	t.Parallel()
	for host, want := range map[string]bool{
		"127.0.0.1": true, "127.8.8.8": true, "::1": true, "localhost": true, "::ffff:127.0.0.1": true,
		"": false, "0.0.0.0": false, "::": false, "192.0.2.1": false, "pbx.example.com": false, "127.0.0.1.example.com": false,
	} {
		if got := (HostPort{Host: host}).Loopback(); got != want {
			t.Errorf("%q: %v", host, got)
		}
	}
}

func TestSecretsStayHidden(t *testing.T) {
	t.Parallel()
	c := Default()
	c.HTTP.Token = "hunter2"
	c.Users = []User{{Name: "1001", Password: "hunter2"}}
	c.Trunks = []Trunk{{Password: "hunter2"}}
	c.DB = map[string]DB{"x": {URL: "postgres://hunter2"}}
	c.Store.URL = "postgres://u:hunter2@h/d"
	var b strings.Builder
	fmt.Fprintf(&b, "%v %+v %#v %s %q", *c, *c, c.Users, c.HTTP.Token, c.HTTP.Token)
	slog.New(slog.NewTextHandler(&b, nil)).Info("x", "users", c.Users, "url", c.Store.URL, "token", c.HTTP.Token)
	out, err := json.Marshal(c.Users)
	if err != nil {
		t.Fatal(err)
	}
	b.Write(out)
	if strings.Contains(b.String(), "hunter2") {
		t.Error("a secret shows")
	}
}

func TestNearest(t *testing.T) {
	t.Parallel()
	names := []string{"listen", "domain", "digest", "url", "dir"}
	for in, want := range map[string]string{
		"lsiten": "listen", "listem": "listen", "Listen": "listen", "domian": "domain", "ulr": "url",
		"password": "", "port": "", "": "", "x": "", strings.Repeat("a", 1000): "",
	} {
		if got := nearest(in, names); got != want {
			t.Errorf("%q: got %q, want %q", in, got, want)
		}
	}
}
