package main

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"time"

	"tandem/b2bua"
	"tandem/web"
)

// Originate begins a call of our own on behalf of an operator.
func (v *view) Originate(_ context.Context, o web.Origination) (string, error) {
	order := b2bua.Origination{Targets: o.To, Dial: b2bua.DialOptions{From: o.From, Display: o.Display}, By: "api", Screen: v.scripts.Screen}
	if o.Timeout != nil {
		order.Dial.Timeout = time.Duration(*o.Timeout * float64(time.Second))
	}
	if o.Number != "" {
		order.Seen, order.Handler = o.Number, b2bua.Enter(o.Number)
	} else {
		order.Seen = v.sip.PartyOf(o.Bridge[0]).User
		order.Handler = b2bua.Connect(o.Bridge, b2bua.DialOptions{From: o.From, Display: o.Display}, v.scripts.Screen)
	}
	err := v.sip.CheckTargets(o.Bridge)
	var c *b2bua.Call
	if err == nil {
		c, err = v.sip.Originate(order)
	}
	switch {
	case err == nil:
		v.log.Info("an operator begins a call", "call", c.ID(), "to", strings.Join(o.To, " "), "number", o.Number, "bridge", strings.Join(o.Bridge, " "))
		return c.ID(), nil
	case errors.Is(err, b2bua.ErrTarget):
		return "", &web.Error{Code: http.StatusBadRequest, Message: err.Error()}
	case errors.Is(err, b2bua.ErrBusy):
		return "", &web.Error{Code: http.StatusServiceUnavailable, Message: err.Error()}
	}
	return "", err
}
