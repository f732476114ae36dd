package web

import (
	"net/http"
	"net/url"
	"strings"
	"time"

	"tandem/store"
	"tandem/store/explain"
)

// filterOf reads the query, whose names are the flags of `tandem cdr list`.
func filterOf(q url.Values, more ...string) (f store.Filter, note string, err error) {
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
			return f, "", problem(http.StatusBadRequest, "there is no filter %q", printable(name))
		}
		if len(values) > 1 {
			return f, "", problem(http.StatusBadRequest, "the filter %q stands twice", printable(name))
		}
		*into = values[0]
	}
	now := time.Now()
	if f, err = t.Filter(now); err != nil {
		return f, "", err
	}
	f, narrowed := f.Narrowed(now)
	if narrowed {
		note = strings.ReplaceAll(f.Narrowing(), "--since", "since")
	}
	return f, note, nil
}

func (a *API) listRecords(r *http.Request) (any, error) {
	f, note, err := filterOf(r.URL.Query())
	if err != nil {
		return nil, err
	}
	rows, next, err := a.o.Records.Calls(r.Context(), f)
	if err != nil {
		return nil, err
	}
	l := listOf(rows, next)
	l.Note = note
	return l, nil
}

func (a *API) showRecord(r *http.Request) (any, error) {
	c, legs, events, err := a.o.Records.Call(r.Context(), r.PathValue("id"))
	if err != nil {
		return nil, err
	}
	return store.Record{Call: *c, Legs: legs, Events: events}, nil
}

// Explanation is a call in plain words.
type Explanation struct {
	ID string `json:"id"`
	explain.Report
	Text string `json:"text"` // all of it, and the ladder, as `tandem explain` prints it
}

func (a *API) explainRecord(r *http.Request) (any, error) {
	c, legs, events, err := a.o.Records.Call(r.Context(), r.PathValue("id"))
	if err != nil {
		return nil, err
	}
	record := store.Record{Call: *c, Legs: legs, Events: events}
	var text strings.Builder
	if err := explain.Write(&text, record, explain.Options{}); err != nil {
		return nil, err
	}
	return Explanation{c.ID, explain.Explain(record, time.UTC), text.String()}, nil
}

func (a *API) recordStats(r *http.Request) (any, error) {
	q := r.URL.Query()
	by, err := store.ParseBy(q.Get("by"))
	if err != nil {
		return nil, err
	}
	f, note, err := filterOf(q, "by")
	if err != nil {
		return nil, err
	}
	groups, err := a.o.Records.Stats(r.Context(), f, by)
	if err != nil {
		return nil, err
	}
	l := listOf(groups, "")
	l.Note = note
	return l, nil
}
