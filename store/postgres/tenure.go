package postgres

import (
	"context"
	"hash/fnv"
	"log/slog"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"tandem/store"
)

const (
	tenureEvery = 5 * time.Second  // we make sure that the lock is still ours
	tenureWait  = 3 * time.Second  // for a server that has just died to be forgotten
	goneAfter   = 60 * time.Second // see Options.GoneAfter
)

// tenure is that this process is the one server of its node's name: an advisory lock that
// PostgreSQL holds for a connection and lets go when that ends, however the process dies.
type tenure struct {
	db   *pgxpool.Pool
	node string
	log  *slog.Logger
	gone time.Duration // Options.GoneAfter
	conn *pgx.Conn     // nil while it is lost
	stop context.CancelFunc
	done chan struct{}
}

// nodeLock is the number that a node's name is locked by.
func nodeLock(node string) int32 {
	h := fnv.New32a()
	h.Write([]byte(node))
	return int32(h.Sum32() | 1) // never schemaLock
}

// begin takes the node's name; store.ErrInUse if another server has it.
func begin(ctx context.Context, db *pgxpool.Pool, o Options) (*tenure, error) {
	t := &tenure{db: db, node: o.Node, log: o.Log, gone: o.GoneAfter, done: make(chan struct{})}
	for end := time.Now().Add(tenureWait); ; time.Sleep(50 * time.Millisecond) {
		ours, err := t.take(ctx)
		if err != nil {
			return nil, err
		}
		if ours {
			break
		}
		if time.Now().After(end) {
			return nil, store.ErrInUse
		}
	}
	var keep context.Context
	keep, t.stop = context.WithCancel(context.Background())
	go t.keep(keep)
	return t, nil
}

// take connects and locks.
func (t *tenure) take(ctx context.Context) (ours bool, err error) {
	conn, err := pgx.ConnectConfig(ctx, t.db.Config().ConnConfig.Copy())
	if err != nil {
		return false, err
	}
	if err := conn.QueryRow(ctx, "SELECT pg_try_advisory_lock($1, $2)", class, nodeLock(t.node)).Scan(&ours); err != nil || !ours {
		conn.Close(ctx)
		return false, err
	}
	t.conn = conn
	return true, nil
}

// keep holds on to the lock, and closes the calls of nodes that are gone for good.
func (t *tenure) keep(ctx context.Context) {
	defer close(t.done)
	tick := time.NewTicker(min(tenureEvery, t.gone))
	defer tick.Stop()
	taken := false
	for {
		select {
		case <-ctx.Done():
			if t.conn != nil {
				t.conn.Close(context.Background())
			}
			return
		case <-tick.C:
		}
		t.check(ctx, &taken)
	}
}

func (t *tenure) check(ctx context.Context, taken *bool) {
	ctx, cancel := context.WithTimeout(ctx, connectWait)
	defer cancel()
	if t.conn != nil && t.conn.Ping(ctx) != nil {
		t.conn.Close(ctx)
		t.conn = nil
	}
	if t.conn == nil {
		ours, err := t.take(ctx)
		if err == nil && !ours && !*taken {
			t.log.Error("another server has taken this node's name: their calls cannot be told apart", "node", t.node)
		}
		*taken = err == nil && !ours
		if err != nil || !ours {
			return
		}
	}
	if err := t.buryDead(ctx); err != nil && ctx.Err() == nil {
		t.log.Warn("calls of nodes that are gone cannot be closed", "error", err)
	}
}

// buryDead closes the calls of other nodes that have no server and showed no sign of life for long.
func (t *tenure) buryDead(ctx context.Context) error {
	rows, err := t.conn.Query(ctx, `SELECT DISTINCT c.node FROM calls c LEFT JOIN meta m ON m.key = 'alive/' || c.node
		WHERE c.state = $1 AND c.node <> $2 AND coalesce(m.value::bigint, 0) < `+nowMS+" - $3", store.StateOpen, t.node, t.gone.Milliseconds())
	if err != nil {
		return err
	}
	nodes, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		return err
	}
	for _, node := range nodes {
		var dead bool
		if err := t.conn.QueryRow(ctx, "SELECT pg_try_advisory_lock($1, $2)", class, nodeLock(node)).Scan(&dead); err != nil {
			return err
		}
		if !dead {
			continue
		}
		err := closeLost(ctx, t.db, node, t.log)
		if _, e := t.conn.Exec(ctx, "SELECT pg_advisory_unlock($1, $2)", class, nodeLock(node)); err == nil {
			err = e
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (t *tenure) end() {
	t.stop()
	<-t.done
}
