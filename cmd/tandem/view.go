package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"runtime"
	"slices"
	"strings"
	"time"

	"tandem/b2bua"
	"tandem/b2bua/registrar"
	"tandem/scripting"
	"tandem/web"
)

// view is the server as the HTTP API sees it.
type view struct{ *server }

// Calls are those in progress, the newest first.
func (v *view) Calls(ctx context.Context) []web.Call {
	now := time.Now()
	var list []web.Call
	for _, c := range v.sip.Calls(ctx) {
		list = append(list, callView(c, now))
	}
	return list
}

// Call is one call in progress.
func (v *view) Call(ctx context.Context, id string) (web.Call, bool) {
	c, ok := v.sip.Snapshot(ctx, id)
	if !ok {
		return web.Call{}, false
	}
	now := time.Now()
	call := callView(c, now)
	if does, ok := v.scripts.Activity(id); ok {
		call.ScriptState, call.Waiting = activityView(does, now)
	}
	return call, true
}

// Hangup ends a call.
func (v *view) Hangup(_ context.Context, id string) bool {
	ok := v.sip.HangupCall(id)
	if ok {
		v.log.Info("an operator hung up", "call", id)
	}
	return ok
}

// Transfer connects the party of a leg with somebody else.
func (v *view) Transfer(ctx context.Context, id, to, leg string) error {
	c, ok := v.sip.Call(id)
	if !ok {
		return &web.Error{Code: http.StatusNotFound, Message: fmt.Sprintf("there is no call %q in progress", id)}
	}
	v.log.Info("an operator transfers a call", "call", id, "leg", leg, "to", to)
	err := c.Transfer(ctx, to, leg)
	var failure *b2bua.Failure
	switch {
	case err == nil:
		return nil
	case errors.Is(err, b2bua.ErrTarget):
		return &web.Error{Code: http.StatusBadRequest, Message: err.Error()}
	case errors.Is(err, b2bua.ErrHangup):
		return &web.Error{Code: http.StatusConflict, Message: "the call has ended"}
	case errors.As(err, &failure), errors.Is(err, b2bua.ErrState):
		return &web.Error{Code: http.StatusConflict, Message: err.Error()}
	}
	return err
}

func callView(c b2bua.Snapshot, now time.Time) web.Call {
	out := web.Call{
		ID: c.ID, LinkedID: c.LinkedID, State: fmt.Sprint(c.State),
		FromUser: c.From.User, FromHost: c.From.Host, FromDisplay: c.From.Display, ToUser: c.To.User, ToHost: c.To.Host,
		Number: c.Number, AuthUser: c.User, Trunk: c.Trunk, Script: c.Script, Generation: c.Generation,
		Source:  c.Source.String(),
		StartMS: c.Started.UnixMilli(), AnswerMS: optionalMS(c.Answered), DurationMS: max(0, now.Sub(c.Started).Milliseconds()),
		Legs: []web.Leg{},
	}
	for _, l := range c.Legs {
		out.Legs = append(out.Legs, web.Leg{
			Seq: l.Seq, Role: l.Role, SIPCallID: l.CallID, Target: l.Target, Remote: l.Remote, State: l.State,
			Codec: l.Codec, UserAgent: l.UserAgent, InviteMS: l.Invited.UnixMilli(), AnswerMS: optionalMS(l.Answered),
			Quality: qualityView(l.Quality),
		})
	}
	return out
}

func optionalMS(t time.Time) *int64 {
	if t.IsZero() {
		return nil
	}
	ms := t.UnixMilli()
	return &ms
}

// Registrations are the contacts that registered, by user.
func (v *view) Registrations() []web.Registration {
	now := time.Now()
	var list []web.Registration
	for _, c := range v.registrar.All() {
		list = append(list, registrationView(c, now))
	}
	slices.SortFunc(list, func(a, b web.Registration) int {
		return cmp.Or(strings.Compare(a.User, b.User), strings.Compare(a.Contact, b.Contact))
	})
	return list
}

func registrationView(c registrar.Contact, now time.Time) web.Registration {
	source := c.Source.String()
	if p := c.Flow.Proto(); p != "" { // none: it is reached by its Path
		source = string(p) + ":" + source
	}
	return web.Registration{
		User: c.User, Contact: c.URI.String(), Source: source, Transport: string(c.Flow.Proto()),
		NAT: c.NAT, Path: writePath(c.Path), Since: c.Registered.UnixMilli(),
		Expires: max(0, int64(c.Expires.Sub(now).Seconds())), Q: c.Q, UserAgent: c.UserAgent,
	}
}

// Scripts is how the scripts stand.
func (v *view) Scripts() web.ScriptsStatus {
	st := v.scripts.Status()
	out := web.ScriptsStatus{
		Generation: st.Generation, Again: st.Again, Back: st.Back, Dir: st.Dir, Files: st.Files, LoadedMS: st.Loaded.UnixMilli(), ReloadMS: st.LastReload.UnixMilli(),
		Errors: fileErrors(st.Errors), Warnings: fileErrors(st.Warnings), Generations: []web.Generation{},
	}
	for _, g := range st.Generations {
		out.Generations = append(out.Generations, web.Generation{ID: g.ID, Calls: g.Calls})
	}
	return out
}

func fileErrors(list []scripting.FileError) []web.FileError {
	out := make([]web.FileError, len(list))
	for i, e := range list {
		out[i] = web.FileError{File: e.File, Line: e.Line, Message: e.Message}
	}
	return out
}

// Reload reads scripts and configuration again.
func (v *view) Reload(ctx context.Context) (web.Reloaded, error) { return v.reload(ctx) }

// Back puts the scripts before in force again.
func (v *view) Back(context.Context) (web.Reloaded, error) { return v.back() }

// Draining tells whether new calls are refused.
func (v *view) Draining() bool { return v.sip.Draining() }

// Status is how the server is.
func (v *view) Status(context.Context) web.Status {
	version, commit := buildVersion()
	cfg, now, counts, sums := v.settings(), time.Now(), v.sip.Counts(), v.sip.Sums()
	free, used := v.media.Ports()
	health := v.store.Health()
	st := web.Status{
		Version: version, Commit: commit, Go: runtime.Version(),
		StartedMS: v.started.UnixMilli(), UptimeMS: now.Sub(v.started).Milliseconds(), Draining: v.sip.Draining(),
		SIP: v.endpoints(), HTTP: v.listener.Addr().String(),
		Calls: counts.Calls, CallsLimit: cfg.Limits.Calls, Dialogs: counts.Dialogs, Merged: sums.Merged, Resent: sums.Resent,
		Registrations: v.registrar.Len(),
		Media:         web.MediaStatus{PortsFree: free, PortsUsed: used}, Scripts: v.Scripts(),
		Store:  web.StoreStatus{URL: v.booted.Store.URL.String(), Queued: health.Queued, Spooled: health.Spooled, Written: health.Written, Dropped: health.Dropped},
		Panics: v.sip.Panics(),
	}
	bans := v.sip.Bans()
	st.Banned, st.Bans = len(bans), banViews(bans[:min(len(bans), bansShown)])
	if health.Err != nil {
		st.Store.Error = health.Err.Error()
	}
	return st
}
