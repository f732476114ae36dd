package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/emiago/sipgo/sip"

	"tandem/b2bua/auth"
	"tandem/b2bua/registrar"
	"tandem/b2bua/transport"
	"tandem/store"
)

var loopback = netip.MustParseAddrPort("127.0.0.1:0")

// binding is a contact with every field set.
func binding(t *testing.T, layer *transport.Layer) registrar.Contact {
	t.Helper()
	c := registrar.Contact{
		ID: 7, User: "1001", Source: netip.MustParseAddrPort("127.0.0.9:5062"),
		Registered: time.UnixMilli(1000), Refreshed: time.UnixMilli(2000), Expires: time.UnixMilli(3000),
		UserAgent: "phone", CallID: "c", CSeq: 9, Q: 0.5, Instance: "<urn:uuid:1>", RegID: "1", NAT: true, Path: make([]sip.Uri, 2),
	}
	c.Flow = layer.FlowOf(layer.Endpoints()[0].Addr, c.Source)
	for text, into := range map[string]*sip.Uri{"sip:1001@192.0.2.1;ob": &c.URI, "sip:a@p.example;lr": &c.Path[0], "sip:q.example;lr": &c.Path[1]} {
		if err := sip.ParseUri(text, into); err != nil {
			t.Fatal(err)
		}
	}
	return c
}

// shelf is a store whose disk can fail.
type shelf struct {
	store.Store
	mu     sync.Mutex
	fails  bool
	writes int
	rows   map[int64]store.Binding
	bans   map[string]store.Ban
}

func newShelf() *shelf {
	return &shelf{Store: store.None(), rows: map[int64]store.Binding{}, bans: map[string]store.Ban{}}
}

func (s *shelf) KeepBindings(_ context.Context, put []store.Binding, gone []int64) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.writes++; s.fails {
		return errors.New("disk full")
	}
	for _, b := range put {
		s.rows[b.ID] = b
	}
	for _, id := range gone {
		delete(s.rows, id)
	}
	return nil
}

func (s *shelf) PutBan(_ context.Context, b store.Ban) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.fails {
		return errors.New("disk full")
	}
	s.bans[b.Source] = b
	return nil
}

func (s *shelf) set(fails bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.fails = fails
}

func (s *shelf) has(t *testing.T, writes int, rows, bans string) {
	t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	var r, b []string
	for id := range int64(10) {
		if row, ok := s.rows[id]; ok {
			r = append(r, fmt.Sprintf("%d:%d", id, row.RefreshedMS))
		}
	}
	for source := range s.bans {
		b = append(b, source)
	}
	if s.writes != writes || fmt.Sprint(r) != rows || fmt.Sprint(b) != bans {
		t.Errorf("after %d writes %v, %v; want %d, %s, %s", s.writes, r, b, writes, rows, bans)
	}
}

// Changes gather, the last state of each is written once, and a disk that fails loses nothing.
func TestKeeper(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		disk := newShelf()
		k := newKeeper(disk, slog.New(slog.DiscardHandler))
		change := func(kind registrar.ChangeKind, id, ms int64) {
			k.changed(registrar.Change{Kind: kind, Contact: registrar.Contact{ID: id, Refreshed: time.UnixMilli(ms)}})
		}
		change(registrar.Added, 1, 10)
		change(registrar.Added, 2, 10)
		change(registrar.Refreshed, 1, 20)
		k.banned(auth.Ban{Source: netip.MustParsePrefix("192.0.2.1/32")})
		time.Sleep(1500 * time.Millisecond)
		synctest.Wait()
		disk.has(t, 1, "[1:20 2:10]", "[192.0.2.1/32]")

		disk.set(true)
		change(registrar.Expired, 2, 10)
		change(registrar.Refreshed, 1, 30)
		time.Sleep(1500 * time.Millisecond)
		synctest.Wait()
		disk.has(t, 2, "[1:20 2:10]", "[192.0.2.1/32]")
		change(registrar.Refreshed, 1, 40) // newer than what could not be written
		disk.set(false)
		time.Sleep(6 * time.Second)
		synctest.Wait()
		disk.has(t, 3, "[1:40]", "[192.0.2.1/32]")

		change(registrar.Added, 3, 50)
		if err := k.close(); err != nil {
			t.Error(err)
		}
		disk.has(t, 4, "[1:40 3:50]", "[192.0.2.1/32]")
	})
}
