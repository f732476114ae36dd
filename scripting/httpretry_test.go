package scripting

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
)

// What may go better is tried again, as often as asked and no more; what cannot is not.
func TestHTTPRetries(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	asked := map[string]int{}
	url, e := webServer(t, func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		mu.Lock()
		asked[r.URL.Path]++
		n := asked[r.URL.Path]
		mu.Unlock()
		switch {
		case r.URL.Path == "/cut" && n < 2:
			conn, _, err := http.NewResponseController(w).Hijack()
			if err == nil {
				conn.Close()
			}
		case r.URL.Path == "/busy" && n < 3:
			w.Header().Set("Retry-After", "0")
			w.WriteHeader(http.StatusServiceUnavailable)
		case r.URL.Path == "/always":
			w.WriteHeader(http.StatusBadGateway)
		case r.URL.Path == "/gone":
			w.WriteHeader(http.StatusGone)
		case r.URL.Path == "/late":
			w.Header().Set("Retry-After", "60")
			w.WriteHeader(http.StatusTooManyRequests)
		default:
			fmt.Fprintf(w, "%d %s", n, body)
		}
	})
	for _, tt := range []struct{ text, want string }{
		{`return http.post("URL/busy", { body = "x", retries = 2 }).body`, "3 x"},
		{`return http.post("URL/cut", { body = "y", retries = 1 }).body`, "2 y"},
		{`return http.get("URL/always", { retries = 2 }).status`, "502"},
		{`return http.get("URL/gone", { retries = 2 }).status`, "410"},
		{`return http.get("URL/once").status`, "200"},
		{`return http.get("URL/late", { retries = 1, timeout = 0.3 }).status`, "429"},
		{`return select(2, http.get("http://10.0.0.1/", { retries = 5, timeout = 5 }))`, "10.0.0.1 is not a public address"},
		{`return http.get("URL/x", { retries = 9 })`, "test.lua:1: http.get: option retries must be at most 5"},
	} {
		if got := runHTTP(t, e, url, tt.text); !strings.Contains(got, tt.want) {
			t.Errorf("%s = %q; want %q", tt.text, got, tt.want)
		}
	}
	for path, want := range map[string]int{"/busy": 3, "/cut": 2, "/always": 3, "/gone": 1, "/late": 1} {
		if asked[path] != want {
			t.Errorf("%s was asked %d times, want %d", path, asked[path], want)
		}
	}
}
