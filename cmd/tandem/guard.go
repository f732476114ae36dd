package main

import (
	"context"
	"net/netip"
	"time"

	"tandem/b2bua"
	"tandem/b2bua/auth"
	"tandem/config"
	"tandem/store"
)

// guard is how strangers are kept out.
func guard(cfg *config.Config) b2bua.Guard {
	per := cfg.Limits.PerSource
	return b2bua.Guard{
		Limits: auth.Limits{CallsPerSecond: cfg.Limits.CallsPerSecond, PerSource: auth.PerSource{
			CallsPerSecond: per.CallsPerSecond, RegistersPerMinute: per.RegistersPerMinute,
			AuthFailures: per.AuthFailures, Ban: per.Ban.Std(),
		}},
		Scanners: cfg.Limits.Scanners, InCall: cfg.SIP.AuthInCall,
	}
}

// keptBans are those of the time before that last.
func (s *server) keptBans(ctx context.Context) ([]auth.Ban, error) {
	rows, err := s.store.Bans(ctx, s.started.UnixMilli())
	if err != nil {
		return nil, err
	}
	var bans []auth.Ban
	for _, r := range rows {
		source, err := netip.ParsePrefix(r.Source)
		if err != nil {
			s.log.Warn("a ban kept in the store cannot be read", "source", r.Source, "error", err)
			continue
		}
		bans = append(bans, auth.Ban{Source: source, Since: time.UnixMilli(r.SinceMS), Until: time.UnixMilli(r.UntilMS), Failures: int(r.Failures)})
	}
	return bans, nil
}

// banRow is a ban as it is kept.
func banRow(b auth.Ban) store.Ban {
	return store.Ban{Source: b.Source.String(), SinceMS: b.Since.UnixMilli(), UntilMS: b.Until.UnixMilli(), Failures: int64(b.Failures)}
}
