package main

import (
	"time"

	"tandem/b2bua"
	"tandem/b2bua/registrar"
	"tandem/metrics"
	"tandem/scripting"
	"tandem/store"
	"tandem/web"
)

// announced tells the feed of each record that is opened, updated and finished, and counts it.
type announced struct {
	b2bua.Journal
	feed    *web.Feed
	metrics *metrics.Metrics
	history *web.History
}

// callNews is an event "call": what a record says now.
type callNews struct {
	Change string     `json:"change"` // started, updated, ended
	Call   store.Call `json:"call"`
}

func (a announced) Open(c *store.Call) {
	a.Journal.Open(c)
	a.history.Started()
	a.feed.Publish("call", callNews{"started", *c})
}

func (a announced) Update(c *store.Call) {
	a.Journal.Update(c)
	a.feed.Publish("call", callNews{"updated", *c})
}

func (a announced) Finish(c *store.Call, legs []store.Leg, events []store.Event) {
	a.Journal.Finish(c, legs, events)
	a.metrics.Finished(c, legs)
	a.history.Finished(c)
	a.feed.Publish("call", callNews{"ended", *c})
}

// registrationNews is an event "registration".
type registrationNews struct {
	Change string `json:"change"` // a registrar.ChangeKind
	web.Registration
}

// registrationChanged has a change kept and tells the feed of phones that come and go. Refreshes
// are not told: there are as many as there are phones, every few minutes, and nothing has changed.
func (s *server) registrationChanged(c registrar.Change) {
	s.keeper.changed(c)
	if c.Kind != registrar.Refreshed {
		s.feed.Publish("registration", registrationNews{string(c.Kind), registrationView(c.Contact, time.Now())})
	}
}

// reloadNews is an event "reload".
type reloadNews struct {
	Generation int64           `json:"generation"` // in force after it
	Errors     []web.FileError `json:"errors"`     // why nothing has changed; empty when it went well
}

func (s *server) reloadTried(st scripting.Status) {
	s.feed.Publish("reload", reloadNews{st.Generation, fileErrors(st.Errors)})
}

// keepHistory notes how things are every few seconds, until the server closes.
func (s *server) keepHistory() {
	done := make(chan struct{})
	go func() {
		tick := time.NewTicker(5 * time.Second)
		defer tick.Stop()
		for {
			select {
			case <-tick.C:
				s.history.Tick()
			case <-done:
				return
			}
		}
	}()
	s.onClose(func() error { close(done); return nil })
}
