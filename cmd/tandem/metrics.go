package main

import "tandem/metrics"

// gauges is how the server is, for a scrape of its metrics.
func (s *server) gauges() metrics.Gauges {
	cfg, counts, wire := s.settings(), s.sip.Counts(), s.transport.Counts()
	version, _ := buildVersion()
	scripts, health := s.scripts.Status(), s.store.Health()
	g := metrics.Gauges{
		Version: version, Calls: counts.Calls, CallsLimit: cfg.Limits.Calls, Dialogs: counts.Dialogs,
		ServerTransactions: counts.ServerTransactions, ClientTransactions: counts.ClientTransactions,
		Registrations: s.registrar.Len(), Subscriptions: counts.Subscriptions, Banned: len(s.sip.Bans()),
		Draining: s.sip.Draining(), Panics: s.sip.Panics(),
		Resent: s.sip.Sums().Resent, Bad: wire.Bad, Dropped: wire.Dropped, SendErrors: wire.SendErrors, Connections: wire.Conns,
		Generation: scripts.Generation, ReloadFailed: len(scripts.Errors) > 0, Generations: len(scripts.Generations),
		StoreQueued: health.Queued, StoreWritten: health.Written, StoreDropped: health.Dropped, StoreFailing: health.Err != nil,
		EventsStreams: s.api.Listeners(),
	}
	g.PortsFree, g.PortsUsed = s.media.Ports()
	for _, t := range s.trunks.All() {
		st := t.Status()
		g.Trunks = append(g.Trunks, metrics.Trunk{Name: st.Name, Up: st.State == "up", Calls: st.Calls, Limit: st.MaxCalls})
	}
	for _, m := range s.transport.Messages() {
		g.Messages = append(g.Messages, metrics.Messages(m))
	}
	return g
}
