package scripting

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"strconv"
	"time"
)

const (
	maxHTTPRetries = 5
	firstRetry     = 250 * time.Millisecond // doubled each time
	maxRetryAfter  = time.Minute
)

// addressError says that an address may not be reached.
type addressError struct{ error }

// worthRetrying tells what may go better the next time: a connection that failed, or a server
// that says so.
func worthRetrying(res httpResponse, err error) bool {
	if _, refused := errors.AsType[addressError](err); refused {
		return false
	}
	if err != nil {
		var failed net.Error
		return errors.As(err, &failed) || errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF)
	}
	switch res.status {
	case http.StatusTooManyRequests, http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		return true
	}
	return false
}

// retryAfter is how long to wait before the next try: what the server asks for, else longer
// from try to try.
func retryAfter(res httpResponse, try int) time.Duration {
	if n, err := strconv.ParseUint(res.headers.Get("Retry-After"), 10, 16); err == nil {
		return min(time.Duration(n)*time.Second, maxRetryAfter)
	}
	return firstRetry << try
}

// pause waits; false when the time for all tries is over first.
func (e *Engine) pause(ctx context.Context, d time.Duration) bool {
	over := make(chan struct{})
	defer e.o.Clock.AfterFunc(d, func() { close(over) }).Stop()
	select {
	case <-over:
		return true
	case <-ctx.Done():
		return false
	}
}
