package sim

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
)

// fakes answer the requests that scripts make: there is no network in a simulation.
type fakes struct {
	mu  sync.Mutex
	all []*fake
}

// fake is one service: the answer to a method and the URLs that begin with a prefix.
type fake struct {
	method, prefix string
	status         int
	headers        http.Header
	body           string

	requests []fakeRequest // seen so far
}

type fakeRequest struct{ method, url, body string }

func (f *fakes) add(one *fake) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.all = append([]*fake{one}, f.all...) // the latest counts
}

func (f *fakes) seen(one *fake) []fakeRequest {
	f.mu.Lock()
	defer f.mu.Unlock()
	return append([]fakeRequest(nil), one.requests...)
}

// RoundTrip answers by the latest fake that fits.
func (f *fakes) RoundTrip(r *http.Request) (*http.Response, error) {
	var body []byte
	if r.Body != nil {
		var err error
		if body, err = io.ReadAll(r.Body); err != nil {
			return nil, err
		}
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, one := range f.all {
		if one.method != "" && one.method != r.Method || !strings.HasPrefix(r.URL.String(), one.prefix) {
			continue
		}
		one.requests = append(one.requests, fakeRequest{r.Method, r.URL.String(), string(body)})
		return &http.Response{StatusCode: one.status, Header: one.headers.Clone(), Body: io.NopCloser(strings.NewReader(one.body)), Request: r}, nil
	}
	return nil, fmt.Errorf("no sim.http answers %s %s", r.Method, r.URL)
}
