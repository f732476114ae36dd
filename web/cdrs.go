package web

import (
	"net/http"
	"net/url"
	"time"

	"tandem/store"
)

// filterOf reads the query, whose names are the flags of `tandem cdr list`.
func filterOf(q url.Values, more ...string) (store.Filter, error) {
	var t store.FilterText
	fields := map[string]*string{
		"since": &t.Since, "until": &t.Until, "from": &t.From, "to": &t.To, "user": &t.User, "trunk": &t.Trunk,
		"state": &t.State, "min-duration": &t.MinDuration, "min_duration": &t.MinDuration, "flag": &t.Flag,
		"limit": &t.Limit, "after": &t.After,
	}
	for _, name := range more {
		fields[name] = new(string)
	}
	for name, values := range q {
		into, ok := fields[name]
		if !ok {
			return store.Filter{}, problem(http.StatusBadRequest, "there is no filter %q", printable(name))
		}
		if len(values) > 1 {
			return store.Filter{}, problem(http.StatusBadRequest, "the filter %q stands twice", printable(name))
		}
		*into = values[0]
	}
	return t.Filter(time.Now())
}

func (a *API) listRecords(r *http.Request) (any, error) {
	f, err := filterOf(r.URL.Query())
	if err != nil {
		return nil, err
	}
	rows, next, err := a.o.Records.Calls(r.Context(), f)
	if err != nil {
		return nil, err
	}
	return listOf(rows, next), nil
}

func (a *API) showRecord(r *http.Request) (any, error) {
	c, legs, events, err := a.o.Records.Call(r.Context(), r.PathValue("id"))
	if err != nil {
		return nil, err
	}
	return store.Record{Call: *c, Legs: legs, Events: events}, nil
}

func (a *API) recordStats(r *http.Request) (any, error) {
	q := r.URL.Query()
	by, err := store.ParseBy(q.Get("by"))
	if err != nil {
		return nil, err
	}
	f, err := filterOf(q, "by")
	if err != nil {
		return nil, err
	}
	groups, err := a.o.Records.Stats(r.Context(), f, by)
	if err != nil {
		return nil, err
	}
	return listOf(groups, ""), nil
}
