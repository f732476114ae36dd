//go:build interop

package interop

import (
	"net/http"
	"net/netip"
	"strings"
	"testing"
)

func TestSIPpRegisters(t *testing.T) {
	t.Parallel()
	srv := serve(t, setup{config: md5Only + twoUsers})
	for _, c := range []struct {
		transport, user, password string
		remote                    netip.AddrPort
	}{{"u1", "1001", "first-secret", srv.udp}, {"t1", "1002", "second-secret", srv.tcp}} {
		as := func(scenario, password string) {
			t.Helper()
			sipp(t, scenario, c.remote, "-s", c.user, "-au", c.user, "-ap", password, "-t", c.transport).succeeds(t)
		}
		as("register.xml", c.password)
		as("register_refresh.xml", c.password)
		as("register_stale.xml", c.password)
		as("register_wrong.xml", "guessed")
	}
	var answer struct{ Items []map[string]any }
	// Those over TCP die with their connections; over UDP each SIPp was a phone of its own, and two
	// have not said that they go.
	eventually(t, "two registrations over UDP are left", func() bool {
		srv.get(t, "/registrations", &answer)
		left := len(answer.Items) == 2
		for _, r := range answer.Items {
			left = left && r["user"] == "1001"
		}
		return left
	})
}

func TestSIPpWatchesItsMailbox(t *testing.T) {
	t.Parallel()
	srv := serve(t, setup{config: md5Only + twoUsers + trustNobody, scripts: map[string]string{"50-main.lua": `
		return { on_call = function(call) registrar.notify("1001", { messages = 3 }); call:reject(486) end }`}})
	watcher := sipp(t, "subscribe.xml", srv.udp, "-s", "1001", "-au", "1001", "-ap", "first-secret", "-key", "lamp", "1001", "-key", "event", "message-summary")
	eventually(t, "the first NOTIFY has come", func() bool { return strings.Contains(watcher.file("messages"), "Messages-Waiting: no") })
	caller := sipp(t, "uac_refused.xml", srv.udp, "-s", "leave", "-au", "1002", "-ap", "second-secret")
	caller.succeeds(t)
	watcher.succeeds(t)
	if told := watcher.file("messages"); !strings.Contains(told, "Messages-Waiting: yes") || !strings.Contains(told, "Voice-Message: 3/0 (0/0)") {
		t.Errorf("the phone was told\n%s", told)
	}
}

func TestSIPpWatchesALamp(t *testing.T) {
	t.Parallel()
	srv := serve(t, setup{config: md5Only + twoUsers + trustNobody})
	alice := newSoftphone(t, nil)
	alice.login(t, account{user: "1002", password: "second-secret", domain: srv.udp, register: true})
	alice.call(t, srv.uri("600"))
	watcher := sipp(t, "subscribe.xml", srv.udp, "-s", "1001", "-au", "1001", "-ap", "first-secret", "-key", "lamp", "1002", "-key", "event", "dialog")
	eventually(t, "the first NOTIFY has come", func() bool {
		told := watcher.file("messages")
		return strings.Contains(told, `state="full"`) && strings.Contains(told, `direction="initiator"><state>confirmed</state>`)
	})
	calls := srv.live(t)
	if len(calls) != 1 {
		t.Fatalf("%d calls are up", len(calls))
	}
	req, err := http.NewRequest(http.MethodDelete, srv.api+"/api/v1/calls/"+calls[0]["id"].(string), nil)
	if err != nil {
		t.Fatal(err)
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	res.Body.Close()
	watcher.succeeds(t)
	if told := watcher.file("messages"); !strings.Contains(told, `version="1" state="partial"`) || !strings.Contains(told, "<state>terminated</state>") {
		t.Errorf("the phone was told\n%s", told)
	}
}
