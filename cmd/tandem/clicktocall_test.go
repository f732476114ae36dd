package main

import (
	"context"
	"os"
	"path/filepath"
	"regexp"
	"testing"
	"time"

	"tandem/b2bua/phone"
	"tandem/web"
)

// TestClickToCallOfTheDocs sends what the page says, and answers.
func TestClickToCallOfTheDocs(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile(filepath.Join("..", "..", "docs", "apps", "click-to-call.md"))
	if err != nil {
		t.Fatal(err)
	}
	body := regexp.MustCompile("(?s)```json\n(.*?)```").FindSubmatch(page)
	if body == nil {
		t.Fatal("the page has no JSON")
	}
	dir := t.TempDir()
	file := write(t, filepath.Join(dir, "tandem.toml"), "[[user]]\nname = '1001'\npassword = 'pw'\n")
	s := serve(t, "-c", file, "--data", filepath.Join(dir, "data"))
	alice := phoneAt(t, "127.0.0.1", phone.Options{User: "1001", Password: "pw", Server: "sip:" + s.sip})
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	if err := alice.Register(ctx); err != nil {
		t.Fatal(err)
	}
	got := answers(t, alice)
	if code, answer := s.post("/api/v1/calls", string(body[1])); code != 201 {
		t.Fatalf("%d %s", code, answer)
	}
	c := <-got
	if c == nil {
		t.Fatal("the phone does not ring")
	}
	if from := c.Invite().From(); from.Address.User != "5551234" || from.DisplayName != "Customer 7" {
		t.Errorf("it shows %s", from)
	}
	var calls struct{ Items []web.Call }
	if code := s.get("/api/v1/calls", &calls); code != 200 || len(calls.Items) == 0 {
		t.Errorf("%d: %+v", code, calls)
	}
	hangUp(t, c)
}
