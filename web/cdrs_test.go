package web_test

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"tandem/store"
	"tandem/store/sqlite"
	"tandem/web"
)

// TestRecordsOverHTTP asks a real store: pages, a record, its explanation, and what is said of a
// question that was bounded.
func TestRecordsOverHTTP(t *testing.T) {
	t.Parallel()
	s, err := sqlite.Open(t.Context(), filepath.Join(t.TempDir(), "tandem.db"), sqlite.Options{Node: "test"})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	for _, id := range []string{"first", "second", "third"} {
		now := time.Now().UnixMilli()
		s.Finish(&store.Call{ID: id, FromUser: "1001", ToUser: "700", StartMS: now, EndMS: now, State: store.StateBusy, SIPCode: 486, Trunk: "carrier"},
			[]store.Leg{{Seq: 1, Role: store.RoleA}}, []store.Event{{AtMS: now, Leg: 1, Kind: store.EventSIP, Text: "received INVITE sip:700@x, CSeq 1 INVITE"}})
	}
	if err := s.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	o := optionsOf(&exchange{}, web.Access{})
	o.Records = s
	api := serveAPI(t, web.New(o))

	var page struct {
		Items      []store.Call
		Next, Note string
	}
	ask(t, api, "/cdrs?limit=2&state=busy", &page)
	if len(page.Items) != 2 || page.Next == "" || page.Note != "" {
		t.Errorf("the first page: %+v", page)
	}
	next := page.Next
	page.Items, page.Next = nil, ""
	ask(t, api, "/cdrs?limit=2&state=busy&after="+next, &page)
	if len(page.Items) != 1 || page.Next != "" {
		t.Errorf("the last page: %+v", page)
	}
	ask(t, api, "/cdrs?to=*0", &page)
	if len(page.Items) != 3 || !strings.Contains(page.Note, "only calls since") || strings.Contains(page.Note, "--") {
		t.Errorf("a question that no index serves: %+v", page)
	}
	var stats struct{ Items []store.Stat }
	ask(t, api, "/cdrs/stats?by=trunk", &stats)
	if len(stats.Items) != 1 || stats.Items[0].Key != "carrier" || stats.Items[0].Calls != 3 {
		t.Errorf("stats %+v", stats)
	}
	var record store.Record
	ask(t, api, "/cdrs/first", &record)
	if record.Call.ID != "first" || len(record.Legs) != 1 || len(record.Events) != 1 {
		t.Errorf("a record: %+v", record)
	}
	var told web.Explanation
	ask(t, api, "/cdrs/first/explain", &told)
	if told.ID != "first" || len(told.Story) < 2 || told.Findings == nil || !strings.Contains(told.Text, "-INVITE-") {
		t.Errorf("explained: %+v", told)
	}
}

func ask(t *testing.T, api *httptest.Server, path string, into any) {
	t.Helper()
	res, err := http.Get(api.URL + "/api/v1" + path)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err == nil {
		err = json.Unmarshal(body, into)
	}
	if err != nil || res.StatusCode != http.StatusOK {
		t.Fatalf("%s: %d %v %s", path, res.StatusCode, err, body)
	}
}
