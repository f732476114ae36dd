package postgres

import (
	"context"

	"github.com/jackc/pgx/v5"

	"tandem/store"
)

// bindingColumns are those of store.Binding, in its order, after the node that has the phone's flow.
func bindingColumns() []string {
	return []string{"node", "id", `"user"`, "uri", "transport", "local", "source", "registered_ms", "refreshed_ms", "expires_ms",
		"user_agent", "call_id", "cseq", "q", "path", "instance", "reg_id", "nat"}
}

// Bindings returns those of this node that expire after a time and forgets its others.
func (s *Store) Bindings(ctx context.Context, nowMS int64) ([]store.Binding, error) {
	if _, err := s.db.Exec(ctx, "DELETE FROM bindings WHERE node = $1 AND expires_ms <= $2", s.node, nowMS); err != nil {
		return nil, err
	}
	res, err := s.db.Query(ctx, `SELECT id, "user", uri, transport, local, source, registered_ms, refreshed_ms, expires_ms,
		user_agent, call_id, cseq, q, path, instance, reg_id, nat FROM bindings WHERE node = $1`, s.node)
	if err != nil {
		return nil, err
	}
	bindings, err := pgx.CollectRows(res, pgx.RowToStructByPos[store.Binding])
	return nilled(bindings), err
}

// KeepBindings adds or replaces bindings and removes others.
func (s *Store) KeepBindings(ctx context.Context, put []store.Binding, gone []int64) error {
	return pgx.BeginFunc(ctx, s.db, func(tx pgx.Tx) error {
		b := &pgx.Batch{}
		for _, p := range put {
			b.Queue(upsert("bindings", bindingColumns(), "node", "id"), s.node, p.ID, text(p.User), text(p.URI), p.Transport, p.Local, p.Source,
				p.RegisteredMS, p.RefreshedMS, p.ExpiresMS, text(p.UserAgent), text(p.CallID), p.CSeq, p.Q, text(p.Path), text(p.Instance), text(p.RegID), p.NAT)
		}
		b.Queue("DELETE FROM bindings WHERE node = $1 AND id = ANY ($2)", s.node, gone)
		return tx.SendBatch(ctx, b).Close()
	})
}

// Bans returns those that last beyond a time and forgets the others.
func (s *Store) Bans(ctx context.Context, nowMS int64) ([]store.Ban, error) {
	if _, err := s.db.Exec(ctx, "DELETE FROM bans WHERE until_ms <= $1", nowMS); err != nil {
		return nil, err
	}
	res, err := s.db.Query(ctx, "SELECT source, since_ms, until_ms, failures FROM bans ORDER BY since_ms, source")
	if err != nil {
		return nil, err
	}
	bans, err := pgx.CollectRows(res, pgx.RowToStructByPos[store.Ban])
	return nilled(bans), err
}

// PutBan adds a ban or replaces the one of that source; it returns when that is on disk.
func (s *Store) PutBan(ctx context.Context, b store.Ban) error {
	_, err := s.db.Exec(ctx, upsert("bans", []string{"source", "since_ms", "until_ms", "failures"}, "source"),
		b.Source, b.SinceMS, b.UntilMS, b.Failures)
	return err
}

// DeleteBan ends a ban.
func (s *Store) DeleteBan(ctx context.Context, source string) error {
	_, err := s.db.Exec(ctx, "DELETE FROM bans WHERE source = $1", source)
	return err
}
