package scripting

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"sync/atomic"
	"syscall"
	"time"
)

const (
	httpTimeout      = 10 * time.Second // for a whole request
	maxHTTPTimeout   = 5 * time.Minute
	httpBody         = 1 << 20 // bytes of an answer
	maxHTTPRedirects = 5
	httpConnections  = 128 // to one host at once; further requests wait for one
)

var (
	errHTTPTimeout   = errors.New("timeout")
	errHTTPTooLarge  = errors.New("too large")
	errHTTPRedirects = fmt.Errorf("more than %d redirects", maxHTTPRedirects)
)

// httpClient makes the requests of all scripts, over connections that are kept. Which
// addresses it may reach is decided when it connects, by the address that it connects to: a
// name may mean another one by then, and a redirect lead anywhere.
type httpClient struct {
	client *http.Client
	allow  atomic.Pointer[[]netip.Prefix]
}

// newHTTPClient makes a client; with through, that makes the requests instead of the network.
func newHTTPClient(allow []netip.Prefix, through http.RoundTripper) *httpClient {
	h := &httpClient{}
	h.allow.Store(&allow)
	if through == nil {
		d := &net.Dialer{Timeout: httpTimeout, Control: h.mayConnect}
		through = &http.Transport{ // without the proxies of the environment: they would hide the address
			DialContext: d.DialContext, ForceAttemptHTTP2: true, TLSHandshakeTimeout: httpTimeout,
			MaxIdleConns: 4 * httpConnections, MaxIdleConnsPerHost: 16, MaxConnsPerHost: httpConnections,
			IdleConnTimeout: time.Minute, MaxResponseHeaderBytes: 64 << 10,
		}
	}
	h.client = &http.Client{Transport: through, CheckRedirect: func(_ *http.Request, via []*http.Request) error {
		if len(via) > maxHTTPRedirects {
			return errHTTPRedirects
		}
		return nil
	}}
	return h
}

// setAllow replaces the addresses that may be reached though they are not public. What was
// connected to one that may not be any more is closed once it is idle.
func (h *httpClient) setAllow(allow []netip.Prefix) {
	h.allow.Store(&allow)
	h.client.CloseIdleConnections()
}

// mayConnect is asked about each address before it is connected to.
func (h *httpClient) mayConnect(_, address string, _ syscall.RawConn) error {
	at, err := netip.ParseAddrPort(address)
	if err != nil {
		return err
	}
	ip := at.Addr().Unmap().WithZone("")
	if isPublic(ip) {
		return nil
	}
	for _, p := range *h.allow.Load() {
		if p.Contains(ip) {
			return nil
		}
	}
	return addressError{fmt.Errorf("%s is not a public address, and [scripts.http] allow does not name it", ip)}
}

// isPublic tells whether an address is one of the Internet's: none of this machine, of a
// private network, or of those set aside in IANA's special-purpose registries (RFC 6890).
func isPublic(ip netip.Addr) bool {
	if !ip.IsValid() || ip.IsLoopback() || ip.IsPrivate() || ip.IsLinkLocalUnicast() || ip.IsMulticast() || ip.IsUnspecified() {
		return false
	}
	for _, p := range setAside {
		if p.Contains(ip) {
			return false
		}
	}
	if ip.Is6() {
		return !leadsInside(ip.As16())
	}
	return true
}

var setAside = []netip.Prefix{
	netip.MustParsePrefix("0.0.0.0/8"), netip.MustParsePrefix("100.64.0.0/10"), netip.MustParsePrefix("192.0.0.0/24"),
	netip.MustParsePrefix("198.18.0.0/15"), netip.MustParsePrefix("240.0.0.0/4"),
	netip.MustParsePrefix("64:ff9b:1::/48"), netip.MustParsePrefix("100::/64"), netip.MustParsePrefix("fec0::/10"),
}

// leadsInside tells whether an IPv6 address stands for an IPv4 one that is not public: by
// NAT64 (RFC 6052 §2.1), 6to4 (RFC 3056) or as an IPv4-compatible address.
func leadsInside(b [16]byte) bool {
	var inner []byte
	switch a := netip.AddrFrom16(b); {
	case netip.MustParsePrefix("64:ff9b::/96").Contains(a), netip.MustParsePrefix("::/96").Contains(a):
		inner = b[12:]
	case netip.MustParsePrefix("2002::/16").Contains(a):
		inner = b[2:6]
	default:
		return false
	}
	return !isPublic(netip.AddrFrom4([4]byte(inner)))
}

// httpRequest is what a script asks for.
type httpRequest struct {
	method, url, body string
	headers           http.Header
	timeout           time.Duration // for all tries together
	retries           int           // after the first try
	largest           int64         // bytes of the answer's body
}

// httpResponse is the answer.
type httpResponse struct {
	status  int
	headers http.Header
	body    string
}

// do makes a request and reads the whole answer.
func (e *Engine) doHTTP(ctx context.Context, r httpRequest) (httpResponse, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	defer e.o.Clock.AfterFunc(r.timeout, func() { cancel(errHTTPTimeout) }).Stop()
	res, err := e.http.once(ctx, r)
	for try := 0; try < r.retries && worthRetrying(res, err) && e.pause(ctx, retryAfter(res, try)); try++ {
		res, err = e.http.once(ctx, r)
	}
	if err != nil && ctx.Err() != nil {
		err = context.Cause(ctx)
	}
	return res, err
}

func (h *httpClient) once(ctx context.Context, r httpRequest) (httpResponse, error) {
	req, err := http.NewRequestWithContext(ctx, r.method, r.url, strings.NewReader(r.body))
	if err != nil {
		return httpResponse{}, plainHTTPError(err)
	}
	if req.URL.Scheme != "http" && req.URL.Scheme != "https" || req.URL.Host == "" {
		return httpResponse{}, fmt.Errorf("%q is not an http or https URL", r.url)
	}
	req.Header = r.headers
	if host := r.headers.Get("Host"); host != "" {
		req.Host = host
	}
	if req.Header.Get("User-Agent") == "" {
		req.Header.Set("User-Agent", "tandem")
	}
	res, err := h.client.Do(req)
	if err != nil {
		return httpResponse{}, plainHTTPError(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(io.LimitReader(res.Body, r.largest+1))
	if err != nil {
		return httpResponse{}, plainHTTPError(err)
	}
	if int64(len(body)) > r.largest {
		return httpResponse{}, errHTTPTooLarge
	}
	return httpResponse{status: res.StatusCode, headers: res.Header, body: string(body)}, nil
}

// plainHTTPError leaves the method and the URL out, which may hold a secret.
func plainHTTPError(err error) error {
	if u, ok := errors.AsType[*url.Error](err); ok {
		return u.Err
	}
	return err
}
