package main

import (
	"net/http"
	"path/filepath"
	"testing"
	"time"

	"tandem/web"
)

// TestWaitingByTheAPI: who waits in a queue, a slot and a room, as a supervisor sees it.
func TestWaitingByTheAPI(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	write(t, filepath.Join(dir, "scripts", "50-main.lua"), `return { on_call = function(call)
		if call.number == "1" then call:queue("support", { agents = "user:1001", priority = 3 }) call:sleep(600)
		elseif call.number == "2" then call:park("701")
		else call:conference("sales") call:sleep(600) end
	end }`+"\n")
	s := serve(t, "--data", filepath.Join(dir, "data"), "--scripts", filepath.Join(dir, "scripts"))
	for _, number := range []string{"1", "2", "3"} {
		if _, err := s.dial(caller(t), number); err != nil {
			t.Fatal(err)
		}
	}
	var queues struct{ Items []web.Queue }
	var parked struct{ Items []web.Parked }
	var rooms struct{ Items []web.Conference }
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		s.get("/api/v1/queues", &queues)
		s.get("/api/v1/parked", &parked)
		s.get("/api/v1/conferences", &rooms)
		if len(queues.Items) == 1 && len(queues.Items[0].Callers) == 1 && len(parked.Items) == 1 && len(rooms.Items) == 1 {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("%+v %+v %+v", queues, parked, rooms)
		}
	}
	q, p, c := queues.Items[0], parked.Items[0], rooms.Items[0]
	if q.Name != "support" || q.Callers[0].Position != 1 || q.Callers[0].Priority != 3 || len(q.Agents) != 1 || q.Agents[0].State != "absent" {
		t.Errorf("the queue: %+v", q)
	}
	if p.Slot != "701" || p.Number != "2" || p.ID == "" || c.Room != "sales" || c.Members[0].Number != "3" || c.Members[0].Muted {
		t.Errorf("parked: %+v, in a room: %+v", p, c)
	}
	if code, answer := s.post("/api/v1/conferences/sales/"+c.Members[0].ID+"/mute", `{"muted":true}`); code != 200 {
		t.Errorf("mute: %d %s", code, answer)
	}
	if s.get("/api/v1/conferences/sales", &c); !c.Members[0].Muted {
		t.Errorf("not muted: %+v", c)
	}
	for _, path := range []string{"/api/v1/conferences/sales/" + c.Members[0].ID, "/api/v1/queues/support/" + q.Callers[0].ID} {
		req, _ := http.NewRequest(http.MethodDelete, s.http+path, nil)
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		res.Body.Close()
		if res.StatusCode != 200 {
			t.Errorf("DELETE %s: %s", path, res.Status)
		}
	}
	for deadline := time.Now().Add(20 * time.Second); len(rooms.Items) > 0 || len(q.Callers) > 0; time.Sleep(20 * time.Millisecond) {
		s.get("/api/v1/conferences", &rooms)
		s.get("/api/v1/queues/support", &q)
		if time.Now().After(deadline) {
			t.Fatalf("still there: %+v %+v", rooms, q)
		}
	}
}
