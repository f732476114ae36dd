package trunk

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/emiago/sipgo/sip"
)

func TestServiceRoute(t *testing.T) {
	for name, tt := range map[string]struct {
		headers []string
		want    string
	}{
		"none":       {nil, ""},
		"one":        {[]string{"<sip:p1.example;lr>"}, "sip:p1.example;lr"},
		"two":        {[]string{"<sip:p1.example;lr>, \"a\" <sip:p2.example:5070;transport=tcp;lr>;x=y", "<sip:x@p3.example;lr=on>"}, "sip:p1.example;lr sip:p2.example:5070;transport=tcp;lr sip:x@p3.example;lr=on"},
		"strict":     {[]string{"<sip:p1.example;lr>", "<sip:p2.example>"}, ""},
		"no URI":     {[]string{"<nobody>"}, ""},
		"long":       {[]string{"<sip:" + strings.Repeat("x", 600) + ";lr>"}, ""},
		"many":       {[]string{strings.Repeat("<sip:a;lr>,", 9)}, ""},
		"cut off":    {[]string{"<sip:p1.example;lr"}, ""},
		"just eight": {[]string{strings.Repeat("<sip:a;lr>,", 8)}, strings.TrimSpace(strings.Repeat("sip:a;lr ", 8))},
	} {
		res := sip.NewResponse(200, "OK")
		for _, h := range tt.headers {
			res.AppendHeader(sip.NewHeader("Service-Route", h))
		}
		var got []string
		for _, u := range serviceRoute(res) {
			got = append(got, u.String())
		}
		if strings.Join(got, " ") != tt.want {
			t.Errorf("%s: %q, want %q", name, got, tt.want)
		}
	}
}

// RFC 3608 §6.1: each 200 to a REGISTER says it anew.
func TestRouteLastsAsLongAsTheRegistrarSays(t *testing.T) {
	inWorld(t, registering(t, hostA), func(w *world) {
		a := w.carrier(hostA)
		says := func(route ...string) {
			a.says(func(req *sip.Request) (int, []string) {
				if req.Method != sip.REGISTER {
					return 200, nil
				}
				return 200, append(route, fmt.Sprintf("Contact: %s;expires=60", req.Contact().Value()))
			})
		}
		says("Service-Route: <sip:edge.example;lr>")
		w.sleep(time.Second)
		tr, _ := w.set.Trunk("carrier")
		hop := tr.Hops()[0]
		if r := tr.Route(hop); len(r) != 1 || r[0].String() != "sip:edge.example;lr" {
			t.Errorf("route %v", r)
		}
		if r := tr.Route(Hop{}); r != nil {
			t.Errorf("elsewhere the route is %v", r)
		}
		says()
		w.sleep(time.Minute)
		if r := tr.Route(hop); r != nil {
			t.Errorf("the route stays %v", r)
		}
	})
}

func FuzzServiceRoute(f *testing.F) {
	for _, s := range []string{"<sip:p1.example;lr>", `"a>b" <sip:p@[::1]:5070;lr>;x=y, <sips:p2;lr>`, "<sip:a;lr", "<<>>", ">,<", strings.Repeat("<sip:a;lr>,", 9)} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, value string) {
		res := sip.NewResponse(200, "OK")
		res.AppendHeader(sip.NewHeader("Service-Route", value))
		route := serviceRoute(res)
		if len(route) > maxServiceRoutes {
			t.Errorf("%d proxies of %q", len(route), value)
		}
		for _, u := range route {
			if u.Host == "" {
				t.Errorf("a proxy without a host in %q", value)
			}
		}
	})
}
