package web

import (
	"context"
	"net/http"
	"net/url"
)

// Conferences lists the rooms in use, by name.
func (c *Client) Conferences(ctx context.Context) ([]Conference, error) {
	l, err := ask[items[Conference]](ctx, c, http.MethodGet, "/conferences")
	return l.Items, err
}

// Kick makes a member leave a conference.
func (c *Client) Kick(ctx context.Context, room, id string) error {
	_, err := ask[any](ctx, c, http.MethodDelete, "/conferences/"+url.PathEscape(room)+"/"+url.PathEscape(id))
	return err
}

// Mute makes a member of a conference a listener, or ends that.
func (c *Client) Mute(ctx context.Context, room, id string, on bool) error {
	var done memberChange
	return c.send(ctx, http.MethodPost, "/conferences/"+url.PathEscape(room)+"/"+url.PathEscape(id)+"/mute", map[string]bool{"muted": on}, &done)
}

// Queues lists the queues, by name.
func (c *Client) Queues(ctx context.Context) ([]Queue, error) {
	l, err := ask[items[Queue]](ctx, c, http.MethodGet, "/queues")
	return l.Items, err
}

// Queue returns one queue.
func (c *Client) Queue(ctx context.Context, name string) (Queue, error) {
	return ask[Queue](ctx, c, http.MethodGet, "/queues/"+url.PathEscape(name))
}

// RemoveWaiting ends the wait of a caller in a queue.
func (c *Client) RemoveWaiting(ctx context.Context, queue, id string) error {
	_, err := ask[any](ctx, c, http.MethodDelete, "/queues/"+url.PathEscape(queue)+"/"+url.PathEscape(id))
	return err
}

// Parked lists the parking slots in use.
func (c *Client) Parked(ctx context.Context) ([]Parked, error) {
	l, err := ask[items[Parked]](ctx, c, http.MethodGet, "/parked")
	return l.Items, err
}
