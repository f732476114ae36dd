package web_test

import (
	"strings"
	"testing"

	"tandem/web"
)

// POST /calls reads one target or several, and says what is wrong with a body.
func TestOriginate(t *testing.T) {
	t.Parallel()
	s := newAPI(t, &exchange{}, web.Access{})
	for body, want := range map[string]struct {
		code int
		has  string
	}{
		`{"to":"user:1001","number":"700"}`: {201, `{"id":"c9"}`},
		`{"to":["user:1001","user:1002"],"from":"700","display":"Us","timeout":12.5,"bridge":"trunk:carrier/+4420"}`: {201, `{"id":"c9"}`},
		`{"to":"user:full","number":"700"}`: {503, "no room"},
		``:                                  {400, `\"to\" is missing`},
		`{"number":"700"}`:                  {400, `\"to\" is missing`},
		`{"to":"","number":"700"}`:          {400, `\"to\" is missing`},
		`{"to":[],"number":"700"}`:          {400, `\"to\" is missing`},
		`{"to":7,"number":"700"}`:           {400, `"code":400`},
		`{"to":[7],"number":"700"}`:         {400, `"code":400`},
		`{"to":"user:1001"}`:                {400, `what becomes of the one who answers`},
		`{"to":"user:1001","number":"700","bridge":"user:1002"}`:         {400, `want \"number\" or \"bridge\"`},
		`{"to":"user:1001","number":"700","timeout":0}`:                  {400, `\"timeout\" must be`},
		`{"to":"user:1001","number":"700","timeout":"5"}`:                {400, `"code":400`},
		`{"to":"user:1001","number":"700","from":"a\r\nX: y"}`:           {400, `control characters`},
		`{"to":"user:1001","number":"` + strings.Repeat("7", 600) + `"}`: {400, `too long`},
		`{"to":"user:1001","number":"700","hangup":true}`:                {400, `unknown field`},
	} {
		code, _, answer := send(t, s, request{method: "POST", path: "/api/v1/calls", body: body, header: map[string]string{"Content-Type": "application/json"}})
		if code != want.code || !strings.Contains(answer, want.has) {
			t.Errorf("%s: %d %s; want %d with %s", body, code, answer, want.code, want.has)
		}
	}
	if code, _, _ := send(t, s, request{method: "POST", path: "/api/v1/calls", body: "to=user:1001"}); code != 415 {
		t.Errorf("a form: %d", code)
	}
}
