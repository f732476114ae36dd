package web

import "time"

// SetNow gives sessions another clock. No request may be under way.
func SetNow(a *API, now func() time.Time) { a.sessions.now = now }

// SetPatience lets clients be cut off sooner. No request may be under way.
func SetPatience(a *API, d time.Duration) { a.patience = d }
