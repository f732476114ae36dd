package main

import (
	"context"
	"fmt"
	"net/netip"
	"strings"
	"time"

	"github.com/emiago/sipgo/sip"

	"tandem/b2bua/registrar"
	"tandem/b2bua/transport"
	"tandem/store"
)

// bindingRow is a contact as it is kept.
func bindingRow(c registrar.Contact) store.Binding {
	b := store.Binding{
		ID: c.ID, User: c.User, URI: c.URI.String(), Source: c.Source.String(),
		RegisteredMS: c.Registered.UnixMilli(), RefreshedMS: c.Refreshed.UnixMilli(), ExpiresMS: c.Expires.UnixMilli(),
		UserAgent: c.UserAgent, CallID: c.CallID, CSeq: int64(c.CSeq), Q: c.Q, Path: writePath(c.Path),
		Instance: c.Instance, RegID: c.RegID, NAT: c.NAT,
	}
	if !c.Flow.IsZero() {
		b.Transport, b.Local = string(c.Flow.Proto()), c.Flow.Local().String()
	}
	return b
}

// contact makes a contact of what was kept; usable is false where the way to it has gone
// with its connection.
func (s *server) contact(b store.Binding) (c registrar.Contact, usable bool, err error) {
	c = registrar.Contact{
		ID: b.ID, User: b.User, Registered: time.UnixMilli(b.RegisteredMS), Refreshed: time.UnixMilli(b.RefreshedMS),
		Expires: time.UnixMilli(b.ExpiresMS), UserAgent: b.UserAgent, CallID: b.CallID, CSeq: uint32(b.CSeq), Q: b.Q,
		Instance: b.Instance, RegID: b.RegID, NAT: b.NAT,
	}
	if err := sip.ParseUri(b.URI, &c.URI); err != nil {
		return c, false, fmt.Errorf("contact %q: %w", b.URI, err)
	}
	if c.Source, err = netip.ParseAddrPort(b.Source); err != nil {
		return c, false, err
	}
	if c.Path, err = readPath(b.Path); err != nil {
		return c, false, err
	}
	if transport.Proto(b.Transport) == transport.UDP {
		local, err := netip.ParseAddrPort(b.Local)
		if err != nil {
			return c, false, err
		}
		c.Flow = s.transport.FlowOf(local, c.Source)
	}
	return c, !c.Flow.IsZero() || len(c.Path) > 0, nil
}

func writePath(path []sip.Uri) string {
	var list []string
	for _, u := range path {
		list = append(list, "<"+u.String()+">")
	}
	return strings.Join(list, ",")
}

func readPath(text string) ([]sip.Uri, error) {
	var path []sip.Uri
	for text != "" {
		inner, rest, ok := strings.Cut(strings.TrimPrefix(text, "<"), ">")
		var u sip.Uri
		if !ok {
			return nil, fmt.Errorf("path %q is cut off", text)
		}
		if err := sip.ParseUri(inner, &u); err != nil {
			return nil, fmt.Errorf("path %q: %w", inner, err)
		}
		path, text = append(path, u), strings.TrimPrefix(rest, ",")
	}
	return path, nil
}

// restoreBindings puts back the registrations of the time before. Those of users who are gone
// and those over connections, which died with the process, are forgotten.
func (s *server) restoreBindings(ctx context.Context) error {
	rows, err := s.store.Bindings(ctx, s.started.UnixMilli())
	if err != nil {
		return err
	}
	var contacts []registrar.Contact
	for _, row := range rows {
		c, usable, err := s.contact(row)
		if err != nil {
			s.log.Warn("a registration kept in the store cannot be read", "user", row.User, "error", err)
		}
		if err != nil || !usable || !s.mayBeUser(row.User) {
			s.keeper.put(row.ID, nil)
			continue
		}
		contacts = append(contacts, c)
	}
	if n := s.registrar.Restore(contacts); n > 0 {
		s.log.Info("registrations restored", "contacts", n, "forgotten", len(rows)-n)
	}
	return nil
}

// mayBeUser tells whether somebody may still be a user: whom we do not know, the scripts may.
func (s *server) mayBeUser(name string) bool {
	if _, known := s.directory.Credential(name); known {
		return true
	}
	return s.scripts.Asks("on_auth")
}
