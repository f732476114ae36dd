package web_test

import (
	"net/http"
	"strings"
	"testing"

	"tandem/web"
)

func (e *exchange) Conferences() []web.Conference {
	return []web.Conference{{Room: "sales", Members: []web.Member{{ID: "c1", FromUser: "1001", Speaking: true}}}}
}

func (e *exchange) Conference(room string) (web.Conference, bool) {
	return e.Conferences()[0], room == "sales"
}
func (e *exchange) Kick(room, id string) bool         { return room == "sales" && id == "c1" }
func (e *exchange) Mute(room, id string, _ bool) bool { return e.Kick(room, id) }
func (e *exchange) Queues() []web.Queue {
	return []web.Queue{{Name: "support/EU", Callers: []web.QueueCaller{{Position: 1, ID: "c1", WaitMS: 500}}, Agents: []web.QueueAgent{{Target: "user:1001", State: "free"}}}}
}

func (e *exchange) Queue(name string) (web.Queue, bool) { return e.Queues()[0], name == "support/EU" }
func (e *exchange) RemoveWaiting(queue, id string) bool { return queue == "support/EU" && id == "c1" }
func (e *exchange) Parked() []web.Parked                { return nil }

func TestWaiting(t *testing.T) {
	t.Parallel()
	s := newAPI(t, &exchange{}, web.Access{})
	json := map[string]string{"Content-Type": "application/json"}
	const mute = "/api/v1/conferences/sales/c1/mute"
	for _, test := range []struct {
		request
		code int
		has  string
	}{
		{request{method: "GET", path: "/api/v1/conferences"}, 200, `{"items":[{"room":"sales","members":[{"id":"c1","from_user":"1001"`},
		{request{method: "GET", path: "/api/v1/conferences/sales"}, 200, `"speaking":true`},
		{request{method: "GET", path: "/api/v1/conferences/x"}, 404, `nobody is in conference`},
		{request{method: "DELETE", path: "/api/v1/conferences/sales/c1"}, 200, `{"room":"sales","id":"c1"}`},
		{request{method: "DELETE", path: "/api/v1/conferences/sales/c2"}, 404, `is not in conference`},
		{request{method: "POST", path: mute, body: `{"muted":false}`, header: json}, 200, `"muted":false`},
		{request{method: "POST", path: mute, body: `{}`, header: json}, 400, `true or false`},
		{request{method: "POST", path: "/api/v1/conferences/x/c1/mute", body: `{"muted":true}`, header: json}, 404, `is not in`},
		{request{method: "GET", path: "/api/v1/queues"}, 200, `{"items":[{"name":"support/EU","callers":[{"position":1,"id":"c1"`},
		{request{method: "GET", path: "/api/v1/queues/support%2FEU"}, 200, `"handle_ms":null`},
		{request{method: "GET", path: "/api/v1/queues/sales"}, 404, `has not been used`},
		{request{method: "DELETE", path: "/api/v1/queues/support%2FEU/c1"}, 200, `"id":"c1"`},
		{request{method: "DELETE", path: "/api/v1/queues/sales/c1"}, 404, `does not wait`},
		{request{method: "GET", path: "/api/v1/parked"}, 200, `{"items":[]}`},
	} {
		if code, _, body := send(t, s, test.request); code != test.code || !strings.Contains(body, test.has) {
			t.Errorf("%s %s: %d %s", test.method, test.path, code, body)
		}
	}
}

func TestWaitingClient(t *testing.T) {
	t.Parallel()
	s := newAPI(t, &exchange{}, web.Access{})
	c, err := web.NewClient(s.URL, "")
	if err != nil {
		t.Fatal(err)
	}
	ctx := t.Context()
	rooms, err := c.Conferences(ctx)
	if err != nil || len(rooms) != 1 || len(rooms[0].Members) != 1 {
		t.Errorf("conferences: %+v, %v", rooms, err)
	}
	queues, err := c.Queues(ctx)
	if err != nil || len(queues) != 1 {
		t.Errorf("queues: %+v, %v", queues, err)
	}
	if q, err := c.Queue(ctx, "support/EU"); err != nil || q.Callers[0].WaitMS != 500 {
		t.Errorf("queue: %+v, %v", q, err)
	}
	if parked, err := c.Parked(ctx); err != nil || len(parked) != 0 {
		t.Errorf("parked: %+v, %v", parked, err)
	}
	for name, do := range map[string]func(string) error{
		"kick":   func(id string) error { return c.Kick(ctx, "sales", id) },
		"mute":   func(id string) error { return c.Mute(ctx, "sales", id, true) },
		"remove": func(id string) error { return c.RemoveWaiting(ctx, "support/EU", id) },
	} {
		if err := do("c1"); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		e, ok := do("nobody").(*web.Error)
		if !ok || e.Code != http.StatusNotFound {
			t.Errorf("%s: %v", name, e)
		}
	}
}
