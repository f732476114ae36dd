package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"tandem/b2bua/phone"
	"tandem/web"
)

// post sends JSON to the API.
func (s *served) post(path, body string) (int, string) {
	s.t.Helper()
	res, err := http.Post(s.http+path, "application/json", strings.NewReader(body))
	if err != nil {
		s.t.Fatal(err)
	}
	defer res.Body.Close()
	answer, err := io.ReadAll(res.Body)
	if err != nil {
		s.t.Fatal(err)
	}
	return res.StatusCode, string(answer)
}

// An operator moves a caller out of a script to somebody else's phone.
func TestTransferByTheAPI(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	write(t, filepath.Join(dir, "scripts", "50-main.lua"), "return { on_call = function(call) call:answer() call:sleep(600) end }\n")
	s := serve(t, "--data", filepath.Join(dir, "data"), "--scripts", filepath.Join(dir, "scripts"))
	a, err := s.dial(caller(t), "700")
	if err != nil {
		t.Fatal(err)
	}
	var calls struct{ Items []web.Call }
	if code := s.get("/api/v1/calls", &calls); code != 200 || len(calls.Items) != 1 {
		t.Fatalf("%d calls", len(calls.Items))
	}
	path := "/api/v1/calls/" + calls.Items[0].ID + "/transfer"
	target := caller(t)
	for body, want := range map[string]int{
		`{"to":"nonsense","leg":"a"}`:                    400,
		fmt.Sprintf(`{"to":%q,"leg":"b"}`, target.URI()): 409, // there is no leg b
		`{"to":"user:1001","leg":"a"}`:                   409, // who has no phone
	} {
		if code, answer := s.post(path, body); code != want {
			t.Errorf("%s: %d %s, want %d", body, code, answer, want)
		}
	}
	answered := make(chan *phone.Call, 1)
	go func() {
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		c, err := target.Accept(ctx)
		if err == nil {
			err = c.Answer()
		}
		if err != nil {
			t.Error(err)
		}
		answered <- c
	}()
	if code, answer := s.post(path, fmt.Sprintf(`{"to":%q,"leg":"a"}`, target.URI())); code != 200 {
		t.Fatalf("transfer: %d %s", code, answer)
	}
	c := <-answered
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	if err := c.Hangup(ctx); err != nil {
		t.Error(err)
	}
	select {
	case <-a.Done():
	case <-ctx.Done():
		t.Error("the caller is not connected with the target")
	}
}
