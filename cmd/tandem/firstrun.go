package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"strings"
	"time"

	"tandem/b2bua/auth"
	"tandem/store"
)

// newcomer is a user made at the first start. Its password is shown once and kept as
// a hash only.
type newcomer struct{ name, password string }

// metaFirstStart is when the store was first served.
const metaFirstStart = "first-start"

// firstStart makes the users 1001 and 1002 when a store is served for the first time
// and there is no user yet.
func (s *server) firstStart(ctx context.Context, cfg settings) error {
	if cfg.Store.URL == "none" {
		return nil // they would be others at each start
	}
	if _, err := s.store.Meta(ctx, metaFirstStart); !errors.Is(err, store.ErrNotFound) {
		return err
	}
	kept, err := s.store.Users(ctx)
	if err != nil {
		return err
	}
	if len(kept)+len(cfg.Users) == 0 {
		if err := s.makeUsers(ctx, cfg.SIP.Realm()); err != nil {
			return err
		}
	}
	return s.store.SetMeta(ctx, metaFirstStart, s.started.UTC().Format(time.RFC3339))
}

func (s *server) makeUsers(ctx context.Context, realm string) error {
	for _, name := range []string{"1001", "1002"} {
		n := newcomer{name: name, password: newPassword()}
		c := auth.NewCredential(name, realm, n.password)
		err := s.store.PutUser(ctx, store.User{Name: name, Realm: realm, HA1: c.HA1[auth.MD5], HA1SHA256: c.HA1[auth.SHA256]})
		if err != nil {
			return err
		}
		s.newcomers = append(s.newcomers, n)
	}
	users, err := s.directory.read(ctx, nil, s.store)
	if err == nil {
		s.setUsers(users)
	}
	return err
}

// newPassword is 80 bits that can be typed on a phone's keypad without a shift key.
func newPassword() string { return strings.ToLower(rand.Text()[:16]) }

// greet shows the new users, the only time their passwords are seen, and what to try.
func (s *server) greet(w io.Writer, program string) {
	if len(s.newcomers) == 0 {
		return
	}
	at := s.reachable()
	fmt.Fprint(w, "\nThe first start made two users. Their passwords are shown only now:\n\n")
	for _, n := range s.newcomers {
		fmt.Fprintf(w, "    user %s  password %s\n", n.name, n.password)
	}
	fmt.Fprintf(w, `
Three things to try:

    %[1]s call sip:700@%[2]s --dtmf '1'
        calls the menu and asks it for the time
    %[1]s cdr list
        shows the record of that call
    register two phones as 1001 and 1002 at this machine, port %[3]d, UDP or TCP,
        and dial 1002 from 1001; 600 is an echo

`, program, strings.TrimSuffix(at.String(), ":5060"), at.Port())
}

// reachable is where a phone on this machine finds the first listener.
func (s *server) reachable() netip.AddrPort {
	at := s.transport.Endpoints()[0].Addr
	if !at.Addr().IsUnspecified() {
		return at
	}
	if at.Addr().Is6() {
		return netip.AddrPortFrom(netip.IPv6Loopback(), at.Port())
	}
	return netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 0, 0, 1}), at.Port())
}

// programName is how this program was called, so that what we print can be typed.
func programName(arg0 string) string {
	if strings.Contains(arg0, "go-build") { // a temporary file of `go run`
		return "go run ./cmd/tandem"
	}
	return arg0
}
