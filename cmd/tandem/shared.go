package main

import (
	"context"
	"encoding/json"
	"strings"
	"time"

	"tandem/scripting"
)

// sharedBelow is where the store keeps what scripts share for longer.
const sharedBelow = "shared:"

// sharedRow is a shared value as it is kept.
type sharedRow struct {
	Value     any   `json:"value"`
	ExpiresMS int64 `json:"expires_ms,omitempty"` // 0: never
}

// keepShared empties the map when all is written. A value that cannot be written as JSON, as
// infinity, is left out.
func (k *keeper) keepShared(ctx context.Context, shared map[string]scripting.SharedValue) error {
	if len(shared) == 0 {
		return nil
	}
	put, gone := map[string]string{}, []string{}
	for key, v := range shared {
		if v.Value == nil {
			gone = append(gone, sharedBelow+key)
			continue
		}
		row := sharedRow{Value: v.Value}
		if !v.Expires.IsZero() {
			row.ExpiresMS = v.Expires.UnixMilli()
		}
		text, err := json.Marshal(row)
		if err != nil {
			k.log.Warn("a shared value cannot be kept", "key", key, "error", err)
			continue
		}
		put[sharedBelow+key] = string(text)
	}
	err := k.store.KeepMeta(ctx, put, gone)
	if err == nil {
		clear(shared)
	}
	return err
}

// keptShared are the values of the time before; those that have expired are forgotten.
func (s *server) keptShared(ctx context.Context) ([]scripting.SharedValue, error) {
	rows, err := s.store.MetaBelow(ctx, sharedBelow)
	if err != nil {
		return nil, err
	}
	var values []scripting.SharedValue
	for name, text := range rows {
		var row sharedRow
		v := scripting.SharedValue{Key: strings.TrimPrefix(name, sharedBelow)}
		if err := json.Unmarshal([]byte(text), &row); err != nil {
			s.log.Warn("a shared value kept in the store cannot be read", "key", v.Key, "error", err)
		}
		if row.ExpiresMS != 0 {
			v.Expires = time.UnixMilli(row.ExpiresMS)
		}
		if v.Value = row.Value; row.ExpiresMS != 0 && !v.Expires.After(s.started) {
			v.Value = nil
		}
		if v.Value == nil {
			s.keeper.share(v)
			continue
		}
		values = append(values, v)
	}
	return values, nil
}
