package storetest

import (
	"cmp"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"testing"

	"tandem/store"
)

func testBinding(n int) store.Binding {
	return store.Binding{
		ID: int64(n)<<40 + 1, User: fmt.Sprint("u", n), URI: "sip:u@192.168.1.5;x=ü", Transport: "udp", Local: "10.0.0.1:5060", Source: "192.0.2.1:1024",
		RegisteredMS: base, RefreshedMS: base + 1, ExpiresMS: base + int64(n), UserAgent: "phone", CallID: "c", CSeq: 1<<32 - 1, Q: 0.25,
		Path: "<sip:p;lr>", Instance: `"<urn:uuid:1>"`, RegID: "1", NAT: n%2 == 0,
	}
}

func bindingsAreKept(t *testing.T, open Opener) {
	s := open(t, Options{})
	ctx := t.Context()
	var want []store.Binding
	for n := range 2500 {
		want = append(want, testBinding(n))
	}
	if err := s.KeepBindings(ctx, want, nil); err != nil {
		t.Fatal(err)
	}
	want[2400].URI, want[2400].CSeq = "sip:moved@192.0.2.9", 7
	var gone []int64
	for n := range 1200 {
		gone = append(gone, testBinding(n).ID)
	}
	if err := s.KeepBindings(ctx, want[2400:2401], gone); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = open(t, Options{})
	got, err := s.Bindings(ctx, base+2000)
	if err != nil {
		t.Fatal(err)
	}
	slices.SortFunc(got, func(a, b store.Binding) int { return cmp.Compare(a.ID, b.ID) })
	if !reflect.DeepEqual(got, want[2001:]) {
		t.Errorf("%d bindings, want %d; the first is %+v", len(got), len(want)-2001, got[0])
	}
	if again, err := s.Bindings(ctx, 0); err != nil || len(again) != len(got) {
		t.Errorf("%d bindings, %v: expired ones stay", len(again), err)
	}
}

func bansAreKept(t *testing.T, open Opener) {
	s := open(t, Options{})
	ctx := t.Context()
	for _, b := range []store.Ban{{Source: "192.0.2.1/32", SinceMS: 5, UntilMS: 100, Failures: 5}, {Source: "2001:db8::/64", SinceMS: 6, UntilMS: 200, Failures: 9}, {Source: "192.0.2.1/32", SinceMS: 7, UntilMS: 300, Failures: 6}, {Source: "192.0.2.2/32", SinceMS: 8, UntilMS: 300, Failures: 6}} {
		if err := s.PutBan(ctx, b); err != nil {
			t.Fatal(err)
		}
	}
	for range 2 {
		if err := s.DeleteBan(ctx, "192.0.2.2/32"); err != nil {
			t.Fatal(err)
		}
	}
	s.Close()
	s = open(t, Options{})
	got, err := s.Bans(ctx, 200)
	if err != nil || !reflect.DeepEqual(got, []store.Ban{{Source: "192.0.2.1/32", SinceMS: 7, UntilMS: 300, Failures: 6}}) {
		t.Errorf("%+v, %v", got, err)
	}
}

// A server sees what another process does to its users.
func usersVersion(t *testing.T, open Opener) {
	server := open(t, Options{Serve: true})
	other := open(t, Options{Node: "other"})
	ctx := t.Context()
	version := func() int64 {
		t.Helper()
		v, err := server.UsersVersion(ctx)
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
	last := version()
	step := func(what string, err error) {
		t.Helper()
		if err != nil {
			t.Fatalf("%s: %v", what, err)
		}
		if v := version(); v <= last {
			t.Errorf("%s: version %d after %d", what, v, last)
		}
		last = version()
	}
	step("add", other.PutUser(ctx, store.User{Name: "1001"}))
	step("change", other.PutUser(ctx, store.User{Name: "1001", HA1: "x"}))
	step("our own", server.PutUser(ctx, store.User{Name: "1002"}))
	step("remove", other.DeleteUser(ctx, "1001"))
	if err := other.DeleteUser(ctx, "1001"); !errors.Is(err, store.ErrNotFound) || version() != last {
		t.Errorf("removing nobody: %v, version %d after %d", err, version(), last)
	}
}
