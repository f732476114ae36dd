package web

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// maxAnswer bounds what a client reads of an answer, in bytes.
const maxAnswer = 64 << 20

// Client talks to the API of a running server. Its errors are for people.
type Client struct {
	base  *url.URL
	token string
	http  *http.Client
}

// NewClient makes a client for the API at server, such as "http://127.0.0.1:8080".
func NewClient(server, token string) (*Client, error) {
	base, err := url.Parse(strings.TrimSuffix(server, "/"))
	if err != nil || base.Scheme != "http" && base.Scheme != "https" || base.Host == "" {
		return nil, fmt.Errorf("%q is not the URL of a server: write it as http://127.0.0.1:8080", server)
	}
	return &Client{base: base, token: token, http: &http.Client{
		Timeout: 30 * time.Second,
		// Another place gets neither our token nor our changes.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}, nil
}

// Status asks how the server is.
func (c *Client) Status(ctx context.Context) (Status, error) {
	return ask[Status](ctx, c, http.MethodGet, "/status")
}

// Calls lists the calls in progress, the newest first.
func (c *Client) Calls(ctx context.Context) ([]Call, error) {
	l, err := ask[items[Call]](ctx, c, http.MethodGet, "/calls")
	return l.Items, err
}

// Call returns a call in progress.
func (c *Client) Call(ctx context.Context, id string) (Call, error) {
	return ask[Call](ctx, c, http.MethodGet, "/calls/"+url.PathEscape(id))
}

// Hangup ends a call in progress.
func (c *Client) Hangup(ctx context.Context, id string) error {
	_, err := ask[any](ctx, c, http.MethodDelete, "/calls/"+url.PathEscape(id))
	return err
}

// Registrations lists the registered contacts.
func (c *Client) Registrations(ctx context.Context) ([]Registration, error) {
	l, err := ask[items[Registration]](ctx, c, http.MethodGet, "/registrations")
	return l.Items, err
}

// Trunks lists the trunks, in the order of the configuration.
func (c *Client) Trunks(ctx context.Context) ([]Trunk, error) {
	l, err := ask[items[Trunk]](ctx, c, http.MethodGet, "/trunks")
	return l.Items, err
}

// Bans lists the sources that are not listened to, the latest first.
func (c *Client) Bans(ctx context.Context) ([]Ban, error) {
	l, err := ask[items[Ban]](ctx, c, http.MethodGet, "/bans")
	return l.Items, err
}

// LiftBan has a source listened to again.
func (c *Client) LiftBan(ctx context.Context, source string) error {
	_, err := ask[any](ctx, c, http.MethodDelete, "/bans/"+url.PathEscape(source))
	return err
}

// Scripts asks how the scripts stand.
func (c *Client) Scripts(ctx context.Context) (ScriptsStatus, error) {
	return ask[ScriptsStatus](ctx, c, http.MethodGet, "/scripts")
}

// Reload puts changed scripts and configuration in force. An *Error with Code 409
// says what is wrong with them.
func (c *Client) Reload(ctx context.Context) (Reloaded, error) {
	return ask[Reloaded](ctx, c, http.MethodPost, "/scripts/reload")
}

// Back puts the scripts in force again that were so before the present ones. An *Error with
// Code 409 says why it cannot be.
func (c *Client) Back(ctx context.Context) (Reloaded, error) {
	var done Reloaded
	err := c.send(ctx, http.MethodPost, "/scripts/reload", reloadOrder{Back: true}, &done)
	return done, err
}

func ask[T any](ctx context.Context, c *Client, method, path string) (T, error) {
	var answer T
	err := c.do(ctx, method, path, &answer)
	return answer, err
}

func (c *Client) do(ctx context.Context, method, path string, into any) error {
	return c.send(ctx, method, path, nil, into)
}

// send makes a request with a body, unless that is nil.
func (c *Client) send(ctx context.Context, method, path string, body, into any) error {
	var payload io.Reader
	if body != nil {
		data, err := json.Marshal(body)
		if err != nil {
			return err
		}
		payload = bytes.NewReader(data)
	}
	req, err := http.NewRequestWithContext(ctx, method, c.base.String()+"/api/v1"+path, payload)
	if err != nil {
		return err
	}
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	if c.token != "" {
		req.Header.Set("Authorization", "Bearer "+c.token)
	}
	res, err := c.http.Do(req)
	if err != nil {
		return c.unreachable(ctx, err)
	}
	defer res.Body.Close()
	answer, err := io.ReadAll(io.LimitReader(res.Body, maxAnswer))
	if err != nil {
		return fmt.Errorf("%s broke off its answer: %w", c.base, err)
	}
	if res.StatusCode != http.StatusOK {
		return c.refused(res.StatusCode, answer)
	}
	if err := json.Unmarshal(answer, into); err != nil {
		return fmt.Errorf("%s does not answer like a Tandem server", c.base)
	}
	return nil
}

// open asks for an answer that goes on for as long as it likes.
func (c *Client) open(ctx context.Context, path string) (io.ReadCloser, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, c.base.String()+"/api/v1"+path, nil)
	if err != nil {
		return nil, err
	}
	if c.token != "" {
		req.Header.Set("Authorization", "Bearer "+c.token)
	}
	patient := *c.http
	patient.Timeout = 0
	res, err := patient.Do(req)
	if err != nil {
		return nil, c.unreachable(ctx, err)
	}
	if res.StatusCode != http.StatusOK {
		defer res.Body.Close()
		answer, err := io.ReadAll(io.LimitReader(res.Body, maxAnswer))
		if err != nil {
			return nil, fmt.Errorf("%s broke off its answer: %w", c.base, err)
		}
		return nil, c.refused(res.StatusCode, answer)
	}
	return res.Body, nil
}

func (c *Client) unreachable(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	var cause *url.Error
	if errors.As(err, &cause) {
		if cause.Timeout() {
			return fmt.Errorf("%s does not answer: is the server running?", c.base)
		}
		err = cause.Err
	}
	return fmt.Errorf("cannot reach %s: is the server running? (%w)", c.base, err)
}

func (c *Client) refused(code int, body []byte) error {
	var e errorBody
	if json.Unmarshal(body, &e) != nil || e.Error == nil {
		return fmt.Errorf("%s does not answer like a Tandem server (HTTP %d)", c.base, code)
	}
	if code == http.StatusUnauthorized && c.token == "" {
		return fmt.Errorf("%s needs a token: --token or TANDEM_TOKEN", c.base)
	}
	if code == http.StatusUnauthorized {
		return fmt.Errorf("%s does not take this token", c.base)
	}
	return e.Error
}
