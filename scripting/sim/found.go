package sim

import (
	"context"
	"path"
	"slices"
	"strings"

	"tandem/store"
)

// Calls gives the finished records that a filter selects, as a store would.
func (r *records) Calls(_ context.Context, f store.Filter) ([]store.Call, string, error) {
	if err := f.Check(); err != nil {
		return nil, "", err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	var found []store.Call
	for _, rec := range r.finished {
		if fits(&rec.Call, f) {
			found = append(found, rec.Call)
		}
	}
	slices.SortFunc(found, func(a, b store.Call) int {
		if a.StartMS != b.StartMS {
			return int(b.StartMS - a.StartMS)
		}
		return strings.Compare(b.ID, a.ID)
	})
	if f.After != "" {
		i := slices.IndexFunc(found, func(c store.Call) bool { return store.Cursor(&c) == f.After })
		found = found[i+1:]
	}
	limit := f.Limit
	if limit == 0 {
		limit = store.DefaultLimit
	}
	if len(found) <= limit {
		return found, "", nil
	}
	return found[:limit], store.Cursor(&found[limit-1]), nil
}

func fits(c *store.Call, f store.Filter) bool {
	for pattern, value := range map[string]string{"f" + f.From: c.FromUser, "t" + f.To: c.ToUser, "u" + f.User: c.AuthUser, "r" + f.Trunk: c.Trunk} {
		if pattern = pattern[1:]; pattern == "" {
			continue
		}
		if ok, err := path.Match(pattern, value); !ok || err != nil {
			return false
		}
	}
	if f.State != "" && c.State != f.State || f.Flag != "" && !slices.Contains(strings.Split(c.Flags, ","), f.Flag) {
		return false
	}
	return (f.Since.IsZero() || c.StartMS >= f.Since.UnixMilli()) && (f.Until.IsZero() || c.StartMS < f.Until.UnixMilli()) &&
		c.DurationMS >= f.MinDuration.Milliseconds()
}
