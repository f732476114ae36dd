package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"tandem/b2bua/phone"
	"tandem/media"
	"tandem/web"
)

// taken answers the next call to a phone.
func taken(t *testing.T, p *phone.Phone) *phone.Call {
	t.Helper()
	c := accepted(t, p)
	if err := c.Answer(); err != nil {
		t.Fatal(err)
	}
	return c
}

// originated asks for a call and gives its id.
func (s *served) originated(body string) string {
	s.t.Helper()
	code, answer := s.post("/api/v1/calls", body)
	var made struct{ ID string }
	if err := json.Unmarshal([]byte(answer), &made); code != http.StatusCreated || err != nil || made.ID == "" {
		s.t.Fatalf("%s: %d %s", body, code, answer)
	}
	return made.ID
}

// tells plays a tone on one phone and checks that the other hears it and nothing else.
func tells(ctx context.Context, t *testing.T, from, to *phone.Call, hz float64) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "heard.wav")
	recording, err := to.Record(path)
	if err != nil {
		t.Fatal(err)
	}
	source, err := media.ParseTone(fmt.Sprintf("tone:%.0f/1000", hz))
	if err != nil {
		t.Fatal(err)
	}
	if err := from.Play(ctx, source); err != nil {
		t.Fatal(err)
	}
	recording.Stop()
	<-recording.Done()
	if got := toneIn(t, path); got.Hz < hz-10 || got.Hz > hz+10 || got.Share < 0.5 {
		t.Errorf("heard %+v; want %v Hz", got, hz)
	}
}

// Click-to-call: one phone is rung, then the other, and the two hear each other. The call is
// listed and recorded as any other, is transferred, and ends by DELETE.
func TestClickToCall(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := serve(t, "--data", filepath.Join(dir, "data"))
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	alice, bob, carol := callee(t), callee(t), callee(t)
	id := s.originated(fmt.Sprintf(`{"to":%q,"bridge":%q,"from":"700","display":"Tandem","timeout":20}`, alice.URI(), bob.URI()))
	a := taken(t, alice)
	if from := a.Invite().From(); from.Address.User != "700" || from.DisplayName != "Tandem" {
		t.Errorf("the first phone sees %s", from.Value())
	}
	b := taken(t, bob)
	tells(ctx, t, a, b, 700)
	tells(ctx, t, b, a, 500)
	if code, out, errs := s.api("calls"); code != 0 || !strings.Contains(out, id) || !strings.Contains(out, "answered") {
		t.Errorf("tandem calls: %d\n%s%s", code, out, errs)
	}
	if code, out, errs := s.api("calls", "show", id); code != 0 || !strings.Contains(out, "source    api") {
		t.Errorf("tandem calls show: %d\n%s%s", code, out, errs)
	}
	done := make(chan *phone.Call, 1)
	go func() {
		c, err := carol.Accept(ctx)
		if err == nil {
			err = c.Answer()
		}
		if err != nil {
			t.Error(err)
		}
		done <- c
	}()
	if code, answer := s.post("/api/v1/calls/"+id+"/transfer", fmt.Sprintf(`{"to":%q,"leg":"a"}`, carol.URI())); code != 200 {
		t.Fatalf("transfer: %d %s", code, answer)
	}
	c := <-done
	<-b.Done()
	tells(ctx, t, a, c, 600)
	if code, out, errs := s.api("calls", "hangup", id); code != 0 {
		t.Errorf("hangup: %d %s%s", code, out, errs)
	}
	<-a.Done()
	<-c.Done()
	r := s.recordOf(id)
	if r.State != "answered" || r.FromUser != "700" || r.ReleasedBy != "system" {
		t.Errorf("record %+v", r)
	}
}

// recordOf waits until the record of a call is finished.
func (s *served) recordOf(id string) recordRow {
	s.t.Helper()
	for deadline := time.Now().Add(20 * time.Second); ; {
		var row recordRow
		if code := s.get("/api/v1/cdrs/"+id, &row); code == 200 && row.State != "open" {
			return row
		}
		if time.Now().After(deadline) {
			s.t.Fatal("no finished record of " + id)
		}
		time.Sleep(20 * time.Millisecond)
	}
}

type recordRow struct {
	State      string `json:"state"`
	SIPCode    int    `json:"sip_code"`
	FromUser   string `json:"from_user"`
	ReleasedBy string `json:"released_by"`
}

// Who answers enters the scripts at a number; who does not answer leaves a record that says so.
func TestOriginateIntoTheScripts(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	write(t, filepath.Join(dir, "scripts", "50-main.lua"), `return { on_call = function(call)
		if call.number == "801" then
			call:play("tone:440/1500")
			call:hangup()
		end
	end }`)
	s := serve(t, "--data", filepath.Join(dir, "data"), "--scripts", filepath.Join(dir, "scripts"))
	bob := callee(t)
	id := s.originated(fmt.Sprintf(`{"to":%q,"number":"801"}`, bob.URI()))
	c := taken(t, bob)
	if from := c.Invite().From().Address.User; from != "801" {
		t.Errorf("the phone sees %s", from)
	}
	path := filepath.Join(dir, "heard.wav")
	recording, err := c.Record(path)
	if err != nil {
		t.Fatal(err)
	}
	<-c.Done()
	<-recording.Done()
	if got := toneIn(t, path); got.Hz < 430 || got.Hz > 450 || got.Share < 0.5 {
		t.Errorf("heard %+v; want 440 Hz", got)
	}
	if r := s.recordOf(id); r.State != "answered" || r.ReleasedBy != "script" {
		t.Errorf("record %+v", r)
	}
	id = s.originated(fmt.Sprintf(`{"to":%q,"number":"801"}`, bob.URI()))
	if err := accepted(t, bob).Reject(486); err != nil {
		t.Fatal(err)
	}
	if r := s.recordOf(id); r.State != "busy" || r.SIPCode != 486 {
		t.Errorf("record %+v", r)
	}
	for body, want := range map[string]int{
		`{"to":"nonsense","number":"1"}`:                        400,
		`{"to":"user:1001","bridge":"nonsense"}`:                400,
		`{"to":"user:1001","number":"1","headers":{"Via":"x"}}`: 400,
	} {
		if code, answer := s.post("/api/v1/calls", body); code != want {
			t.Errorf("%s: %d %s; want %d", body, code, answer, want)
		}
	}
	var list struct{ Items []web.Call }
	if code := s.get("/api/v1/calls", &list); code != 200 || len(list.Items) != 0 {
		t.Errorf("%d calls left", len(list.Items))
	}
}
