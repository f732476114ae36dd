package web

import (
	"net/http"

	"tandem/store"
)

// operation is one thing that the API can be asked for. Routes and the OpenAPI document are
// made from the list of them, and a test calls each, so that none can drift from the others.
type operation struct {
	method, path string
	summary      string
	open         bool    // needs no token
	query        []query // what may stand in the URL
	body         any     // a value of the type that is taken as JSON; nil: nothing is
	answer       any     // a value of the type that is given as JSON
	kind         string  // of an answer that is not JSON
	code         int     // of the answer; 0: 200
	errors       []int   // beside those that every operation of its sort may give
	run          handler
}

// query is one name of a URL's query.
type query struct {
	name, doc string
	values    []string // nil: any
}

const base = "/api/v1"

// operations are all there are, in the order of the document.
func (a *API) operations() []operation {
	list := []operation{
		{method: "GET", path: "/healthz", open: true, summary: "That the process lives.", answer: health{}, run: a.healthz},
		{method: "GET", path: "/readyz", open: true, summary: "That new calls are taken; 503 while draining.", answer: health{},
			errors: []int{503}, run: a.readyz},
		{method: "GET", path: base + "/openapi.json", summary: "This document.", answer: map[string]any{}, run: a.document},
		{method: "POST", path: base + "/session", open: true, summary: "Exchanges a token for a cookie that holds for twelve hours.",
			body: login{}, answer: Session{}, errors: []int{401}, run: a.openSession},
		{method: "GET", path: base + "/session", summary: "What the sender of this request may do.", answer: Session{}, run: a.showSession},
		{method: "DELETE", path: base + "/session", open: true, summary: "Makes the browser forget its cookie.", answer: Session{}, run: a.closeSession},
		{method: "GET", path: base + "/events", summary: "What happens, as it happens: events call, registration, reload, missed. Goes on after Last-Event-ID.",
			kind: "text/event-stream", errors: []int{503}, run: a.events},
		{method: "GET", path: base + "/status", summary: "How the server is.", answer: Status{}, run: a.status},
		{method: "GET", path: base + "/history", summary: "What happened in the last hour, in steps of ten seconds.", answer: HourPast{}, run: a.history},
	}
	if a.o.Metrics != nil {
		list = append(list, operation{method: "GET", path: "/metrics", summary: "Metrics for Prometheus.", kind: "text/plain", run: a.metrics})
	}
	if a.o.Tracer != nil {
		list = append(list, operation{method: "GET", path: base + "/trace", summary: "SIP messages as they pass, a JSON object a line, secrets masked. Not for readers.",
			query: []query{{name: "call", doc: "The id of a call in progress: its messages only."}}, kind: "application/x-ndjson", errors: []int{404, 503}, run: a.traceMessages})
	}
	list = append(list, a.callOperations()...)
	list = append(list, a.recordOperations()...)
	list = append(list, a.waitingOperations()...)
	return append(list,
		operation{method: "GET", path: base + "/scripts", summary: "How the scripts stand: generation, files, errors.", answer: ScriptsStatus{}, run: a.scripts},
		operation{method: "POST", path: base + "/scripts/reload", summary: "Puts changed scripts and configuration in force, or those before.",
			body: reloadOrder{}, answer: Reloaded{}, errors: []int{409}, run: a.reload},
		operation{method: "GET", path: base + "/registrations", summary: "Phones that have registered.", answer: items[Registration]{}, run: a.registrations},
		operation{method: "GET", path: base + "/trunks", summary: "Trunks and how they are.", answer: items[Trunk]{}, run: a.trunks},
		operation{method: "GET", path: base + "/bans", summary: "Sources that are not listened to.", answer: items[Ban]{}, run: a.listBans},
		operation{method: "DELETE", path: base + "/bans/{source}", summary: "Lifts the ban of an address or of a range, as the list shows it.",
			answer: map[string]string{}, errors: []int{404}, run: a.liftBan},
	)
}

func (a *API) callOperations() []operation {
	return []operation{
		{method: "GET", path: base + "/calls", summary: "Calls in progress, the newest first.", answer: items[Call]{}, run: a.listCalls},
		{method: "POST", path: base + "/calls", summary: "Begins a call of our own: rings to, and then has it enter the scripts at number or bridges it.",
			body: Origination{}, answer: created{}, code: http.StatusCreated, errors: []int{409, 503}, run: a.originate},
		{method: "GET", path: base + "/calls/{id}", summary: "One call in progress, and where its script waits.", answer: Call{}, errors: []int{404}, run: a.showCall},
		{method: "DELETE", path: base + "/calls/{id}", summary: "Hangs up.", answer: map[string]string{}, errors: []int{404}, run: a.hangupCall},
		{method: "POST", path: base + "/calls/{id}/transfer", summary: "Connects the party of a leg, a or b, with another target, and answers when that has answered.",
			body: Transfer{}, answer: map[string]string{}, errors: []int{404, 409}, run: a.transferCall},
	}
}

func (a *API) waitingOperations() []operation {
	return []operation{
		{method: "GET", path: base + "/conferences", summary: "Conferences and who is in them.", answer: items[Conference]{}, run: a.listConferences},
		{method: "GET", path: base + "/conferences/{room}", summary: "One conference.", answer: Conference{}, errors: []int{404}, run: a.showConference},
		{method: "DELETE", path: base + "/conferences/{room}/{id}", summary: "Makes a member leave.", answer: memberChange{}, errors: []int{404}, run: a.kickMember},
		{method: "POST", path: base + "/conferences/{room}/{id}/mute", summary: "Makes a member a listener, or ends that.", body: muting{}, answer: memberChange{}, errors: []int{404}, run: a.muteMember},
		{method: "GET", path: base + "/queues", summary: "Queues: who waits, the agents and what has become of the callers.", answer: items[Queue]{}, run: a.listQueues},
		{method: "GET", path: base + "/queues/{name}", summary: "One queue.", answer: Queue{}, errors: []int{404}, run: a.showQueue},
		{method: "DELETE", path: base + "/queues/{name}/{id}", summary: "Ends the wait of a caller, whose script goes on.", answer: waitEnded{}, errors: []int{404}, run: a.removeWaiting},
		{method: "GET", path: base + "/parked", summary: "Who is parked where.", answer: items[Parked]{}, run: a.listParked},
	}
}

func (a *API) recordOperations() []operation {
	var groupings []string
	for _, by := range store.Groupings() {
		groupings = append(groupings, string(by))
	}
	filters := []query{
		{name: "since", doc: "A span back from now (24h, 7d) or a date."}, {name: "until", doc: "As since."},
		{name: "from", doc: "Glob over from_user."}, {name: "to", doc: "Glob over to_user."},
		{name: "user", doc: "Glob over auth_user."}, {name: "trunk", doc: "Glob over trunk."},
		{name: "state", values: store.States()}, {name: "flag", values: store.Flags()},
		{name: "min_duration", doc: "A span, such as 30s."},
		{name: "limit", doc: "Rows of a page, 50 by default."}, {name: "after", doc: "The cursor next of the page before."},
	}
	by := append([]query{{name: "by", doc: "What the calls are grouped by; needed.", values: groupings}}, filters...)
	return []operation{
		{method: "GET", path: base + "/cdrs", summary: "Call records, the newest first.", query: filters, answer: items[store.Call]{}, errors: []int{404}, run: a.listRecords},
		{method: "GET", path: base + "/cdrs/stats", summary: "Figures of the finished calls, by group.", query: by, answer: items[store.Stat]{}, errors: []int{404}, run: a.recordStats},
		{method: "GET", path: base + "/recordings/{file...}", summary: "A recording, or a range of it, by its path in a record.", kind: "audio/wav", errors: []int{404}, run: a.recording},
		{method: "GET", path: base + "/cdrs/{id}", summary: "One record with its legs and its timeline.", answer: store.Record{}, errors: []int{404}, run: a.showRecord},
		{method: "GET", path: base + "/cdrs/{id}/explain", summary: "How a call went, in plain words, and its ladder.", answer: Explanation{}, errors: []int{404}, run: a.explainRecord},
	}
}

// routes leads each path to its operations.
func (a *API) routes() {
	paths := map[string]*route{}
	for _, op := range a.operations() {
		if paths[op.path] == nil {
			paths[op.path] = &route{open: methods{}, guarded: methods{}}
		}
		if op.open {
			paths[op.path].open[op.method] = op.run
		} else {
			paths[op.path].guarded[op.method] = op.run
		}
	}
	for path, r := range paths {
		a.mux.Handle(path, a.both(r))
	}
	a.mux.Handle(base+"/", a.authorized(a.dispatch(nil)))
	a.mux.Handle("/", a.dashboard())
}

// route are the operations of one path: those that need a token, and those that do not.
type route struct{ open, guarded methods }

// both leads a request on; what needs no token must not reveal that something else is there.
func (a *API) both(r *route) http.Handler {
	guarded := a.authorized(a.dispatch(r.merged()))
	if len(r.guarded) == 0 {
		return a.dispatch(r.open)
	}
	return http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		if _, ok := r.open[req.Method]; ok {
			a.dispatch(r.open).ServeHTTP(w, req)
			return
		}
		guarded.ServeHTTP(w, req)
	})
}

func (r *route) merged() methods {
	all := methods{}
	for _, m := range []methods{r.open, r.guarded} {
		for name, h := range m {
			all[name] = h
		}
	}
	return all
}
