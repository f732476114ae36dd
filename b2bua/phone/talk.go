package phone

import (
	"context"
	"errors"

	"tandem/media"
)

// heard takes the session's events; it runs on a media worker and must not wait
// for the session, so it has a lock of its own.
func (c *Call) heard(e media.Event) {
	if e.Kind != media.EventDigit {
		return
	}
	c.keysMu.Lock()
	defer c.keysMu.Unlock()
	if len(c.keys) < 1000 {
		c.keys = append(c.keys, e.Digit)
	}
	close(c.pressed)
	c.pressed = make(chan struct{})
}

// Digits are the keys that the peer has pressed so far.
func (c *Call) Digits() string {
	c.keysMu.Lock()
	defer c.keysMu.Unlock()
	return string(c.keys)
}

// WaitDigits waits until the peer has pressed n keys in all and gives them.
func (c *Call) WaitDigits(ctx context.Context, n int) (string, error) {
	for {
		c.keysMu.Lock()
		keys, pressed := string(c.keys), c.pressed
		c.keysMu.Unlock()
		if len(keys) >= n {
			return keys, nil
		}
		select {
		case <-pressed:
		case <-c.done:
			return c.Digits(), media.ErrClosed
		case <-ctx.Done():
			return keys, ctx.Err()
		}
	}
}

// Press presses keys by RFC 4733, 0-9 * # A-D; a comma waits 1 s. It returns when the last is up.
func (c *Call) Press(ctx context.Context, digits string) error {
	s := c.Session()
	if s == nil {
		return errNotUp
	}
	return c.playback(ctx, s.SendDTMF(digits))
}

// Play plays sources one after the other and returns when the last has ended.
func (c *Call) Play(ctx context.Context, sources ...media.Source) error {
	s := c.Session()
	if s == nil {
		return errNotUp
	}
	return c.playback(ctx, s.Play(sources, media.PlayOptions{}))
}

func (c *Call) playback(ctx context.Context, b *media.Playback) error {
	select {
	case <-b.Done():
		return b.Err()
	case <-ctx.Done():
		b.Stop()
		return ctx.Err()
	}
}

// Record writes what the peer says to a WAV file until it is stopped or the call ends.
func (c *Call) Record(path string) (*media.Recording, error) {
	s := c.Session()
	if s == nil {
		return nil, errors.New("phone: nothing to record yet")
	}
	return s.Record(media.RecordOptions{Path: path})
}

// Stats is what the call's media has measured; after Done the final figures.
func (c *Call) Stats() media.Stats {
	s := c.Session()
	if s == nil {
		return media.Stats{}
	}
	return s.Stats()
}
