package main

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"tandem/b2bua/auth"
	"tandem/b2bua/registrar"
	"tandem/scripting"
	"tandem/store"
)

const (
	keepEvery   = time.Second      // changes gather for so long before they are written
	keepAgain   = 5 * time.Second  // after a failure
	keepAtClose = 10 * time.Second // for what is left at the end
)

// keeper writes bindings, bans and what scripts share for longer to the store behind the back
// of the registrar, the limiter and the scripts, which wait for no disk. Of each it holds the last state that is not written yet, so its
// memory is bounded by theirs.
type keeper struct {
	store interface {
		store.Bindings
		store.Bans
		store.Meta
	}
	log   *slog.Logger
	every time.Duration
	again time.Duration

	mu       sync.Mutex
	bindings map[int64]*store.Binding         // by id; nil: gone
	bans     map[string]*store.Ban            // by source; nil: lifted
	shared   map[string]scripting.SharedValue // by key; a nil value: gone
	due      chan struct{}
	stop     chan struct{}
	done     chan struct{}
}

func newKeeper(st store.Store, log *slog.Logger) *keeper {
	k := &keeper{store: st, log: log, every: keepEvery, again: keepAgain, bindings: map[int64]*store.Binding{}, bans: map[string]*store.Ban{}, shared: map[string]scripting.SharedValue{},
		due: make(chan struct{}, 1), stop: make(chan struct{}), done: make(chan struct{})}
	go k.run()
	return k
}

// changed notes what the registrar tells; it does not block.
func (k *keeper) changed(c registrar.Change) {
	switch c.Kind {
	case registrar.Added, registrar.Refreshed:
		row := bindingRow(c.Contact)
		k.put(c.Contact.ID, &row)
	default:
		k.put(c.Contact.ID, nil)
	}
}

func (k *keeper) put(id int64, row *store.Binding) {
	k.mu.Lock()
	k.bindings[id] = row
	k.mu.Unlock()
	k.wake()
}

// banned notes a ban; it does not block.
func (k *keeper) banned(b auth.Ban) {
	row := banRow(b)
	k.putBan(row.Source, &row)
}

// lifted notes that a ban is over before its time; it does not block.
func (k *keeper) lifted(b auth.Ban) { k.putBan(b.Source.String(), nil) }

func (k *keeper) putBan(source string, row *store.Ban) {
	k.mu.Lock()
	k.bans[source] = row
	k.mu.Unlock()
	k.wake()
}

// share notes a value that scripts want kept; it does not block.
func (k *keeper) share(v scripting.SharedValue) {
	k.mu.Lock()
	k.shared[v.Key] = v
	k.mu.Unlock()
	k.wake()
}

func (k *keeper) wake() {
	select {
	case k.due <- struct{}{}:
	default:
	}
}

func (k *keeper) run() {
	defer close(k.done)
	for wait := k.every; ; {
		select {
		case <-k.stop:
			return
		case <-k.due:
		}
		select {
		case <-k.stop:
			return
		case <-time.After(wait):
		}
		wait = k.every
		if err := k.write(context.Background()); err != nil {
			k.log.Error("registrations, bans and shared values cannot be kept; it is tried again", "error", err)
			wait = k.again
			k.wake()
		}
	}
}

// write hands over what has changed; what cannot be written stays, unless it has changed
// again meanwhile.
func (k *keeper) write(ctx context.Context) error {
	k.mu.Lock()
	bindings, bans, shared := k.bindings, k.bans, k.shared
	k.bindings, k.bans, k.shared = map[int64]*store.Binding{}, map[string]*store.Ban{}, map[string]scripting.SharedValue{}
	k.mu.Unlock()
	err := k.keepBindings(ctx, bindings)
	for source, row := range bans {
		if e := k.keepBan(ctx, source, row); e != nil {
			err = e
			continue
		}
		delete(bans, source)
	}
	if e := k.keepShared(ctx, shared); e != nil {
		err = e
	}
	k.putBack(bindings, bans, shared)
	return err
}

// keepBindings empties the map when all is written.
func (k *keeper) keepBindings(ctx context.Context, bindings map[int64]*store.Binding) error {
	if len(bindings) == 0 {
		return nil
	}
	var put []store.Binding
	var gone []int64
	for id, row := range bindings {
		if row == nil {
			gone = append(gone, id)
		} else {
			put = append(put, *row)
		}
	}
	err := k.store.KeepBindings(ctx, put, gone)
	if err == nil {
		clear(bindings)
	}
	return err
}

// putBack keeps what was not written, unless it has changed again meanwhile.
func (k *keeper) putBack(bindings map[int64]*store.Binding, bans map[string]*store.Ban, shared map[string]scripting.SharedValue) {
	k.mu.Lock()
	defer k.mu.Unlock()
	for id, row := range bindings {
		if _, newer := k.bindings[id]; !newer {
			k.bindings[id] = row
		}
	}
	for source, row := range bans {
		if _, newer := k.bans[source]; !newer {
			k.bans[source] = row
		}
	}
	for key, v := range shared {
		if _, newer := k.shared[key]; !newer {
			k.shared[key] = v
		}
	}
}

func (k *keeper) keepBan(ctx context.Context, source string, row *store.Ban) error {
	if row == nil {
		return k.store.DeleteBan(ctx, source)
	}
	return k.store.PutBan(ctx, *row)
}

// close writes what is left.
func (k *keeper) close() error {
	close(k.stop)
	<-k.done
	ctx, cancel := context.WithTimeout(context.Background(), keepAtClose)
	defer cancel()
	return k.write(ctx)
}
