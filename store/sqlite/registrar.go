package sqlite

import (
	"context"
	"database/sql"

	"tandem/store"
)

// bindingColumns are those of store.Binding, in its order.
const bindingColumns = "id, user, uri, transport, local, source, registered_ms, refreshed_ms, expires_ms, " +
	"user_agent, call_id, cseq, q, path, instance, reg_id, nat"

// Bindings returns those that expire after a time and forgets the others.
func (s *Store) Bindings(ctx context.Context, nowMS int64) ([]store.Binding, error) {
	if _, err := s.db.ExecContext(ctx, "DELETE FROM bindings WHERE expires_ms <= ?", nowMS); err != nil {
		return nil, err
	}
	rows, err := s.db.QueryContext(ctx, "SELECT "+bindingColumns+" FROM bindings")
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var out []store.Binding
	for rows.Next() {
		var b store.Binding
		if err := rows.Scan(&b.ID, &b.User, &b.URI, &b.Transport, &b.Local, &b.Source, &b.RegisteredMS, &b.RefreshedMS, &b.ExpiresMS,
			&b.UserAgent, &b.CallID, &b.CSeq, &b.Q, &b.Path, &b.Instance, &b.RegID, &b.NAT); err != nil {
			return nil, err
		}
		out = append(out, b)
	}
	return out, rows.Err()
}

// KeepBindings adds or replaces bindings and removes others, a thousand a transaction, so
// that call records need not wait long for their turn.
func (s *Store) KeepBindings(ctx context.Context, put []store.Binding, gone []int64) error {
	for len(put)+len(gone) > 0 {
		some, ids := put[:min(len(put), bindingRows)], gone[:min(len(gone), bindingRows)]
		put, gone = put[len(some):], gone[len(ids):]
		if err := s.keepBindings(ctx, some, ids); err != nil {
			return err
		}
	}
	return nil
}

func (s *Store) keepBindings(ctx context.Context, put []store.Binding, gone []int64) error {
	tx, err := s.db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer tx.Rollback()
	if err := putBindings(ctx, tx, put); err != nil {
		return err
	}
	for _, id := range gone {
		if _, err := tx.ExecContext(ctx, "DELETE FROM bindings WHERE id = ?", id); err != nil {
			return err
		}
	}
	return tx.Commit()
}

func putBindings(ctx context.Context, tx *sql.Tx, put []store.Binding) error {
	if len(put) == 0 {
		return nil
	}
	in, err := tx.PrepareContext(ctx, "INSERT OR REPLACE INTO bindings ("+bindingColumns+
		") VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)")
	if err != nil {
		return err
	}
	defer in.Close()
	for _, b := range put {
		if _, err := in.ExecContext(ctx, b.ID, b.User, b.URI, b.Transport, b.Local, b.Source, b.RegisteredMS, b.RefreshedMS, b.ExpiresMS,
			b.UserAgent, b.CallID, b.CSeq, b.Q, b.Path, b.Instance, b.RegID, b.NAT); err != nil {
			return err
		}
	}
	return nil
}

// Bans returns those that last beyond a time and forgets the others.
func (s *Store) Bans(ctx context.Context, nowMS int64) ([]store.Ban, error) {
	if _, err := s.db.ExecContext(ctx, "DELETE FROM bans WHERE until_ms <= ?", nowMS); err != nil {
		return nil, err
	}
	rows, err := s.db.QueryContext(ctx, "SELECT source, since_ms, until_ms, failures FROM bans ORDER BY since_ms, source")
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var out []store.Ban
	for rows.Next() {
		var b store.Ban
		if err := rows.Scan(&b.Source, &b.SinceMS, &b.UntilMS, &b.Failures); err != nil {
			return nil, err
		}
		out = append(out, b)
	}
	return out, rows.Err()
}

// PutBan adds a ban or replaces the one of that source; it returns when that is on disk.
func (s *Store) PutBan(ctx context.Context, b store.Ban) error {
	_, err := s.db.ExecContext(ctx, "INSERT OR REPLACE INTO bans (source, since_ms, until_ms, failures) VALUES (?, ?, ?, ?)",
		b.Source, b.SinceMS, b.UntilMS, b.Failures)
	return err
}

// DeleteBan ends a ban.
func (s *Store) DeleteBan(ctx context.Context, source string) error {
	_, err := s.db.ExecContext(ctx, "DELETE FROM bans WHERE source = ?", source)
	return err
}
