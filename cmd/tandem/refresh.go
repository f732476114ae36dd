package main

import (
	"context"
	"errors"

	"tandem/config"
	"tandem/web"
)

// reload reads configuration and scripts again. Only when both are right does anything
// change; else the error is a *web.Broken.
func (s *server) reload(ctx context.Context) (web.Reloaded, error) {
	s.reloading.Lock()
	defer s.reloading.Unlock()
	before := s.settings()
	after, err := s.read()
	if err != nil {
		return web.Reloaded{}, broken(err)
	}
	security, err := s.loadSecurity(after.SIP)
	if err != nil {
		return web.Reloaded{}, broken(err)
	}
	users, err := s.directory.read(ctx, after.Users, s.store)
	if err != nil {
		return web.Reloaded{}, err
	}
	trunks, err := trunkConfigs(after.Trunks)
	if err != nil {
		return web.Reloaded{}, broken(err)
	}
	post, err := mailServer(after.Mail)
	if err != nil {
		return web.Reloaded{}, broken(err)
	}
	if err := s.scripts.SetDatabases(databases(after.DB)); err != nil {
		return web.Reloaded{}, broken(err)
	}
	s.scripts.SetSettings(after.Scripts.Settings)
	if errs := s.scripts.Reload(); len(errs) > 0 {
		s.scripts.SetSettings(before.Scripts.Settings)
		if err := s.scripts.SetDatabases(databases(before.DB)); err != nil {
			return web.Reloaded{}, err
		}
		return web.Reloaded{}, &web.Broken{Errors: fileErrors(errs)}
	}
	s.scripts.SetMail(post)
	s.scripts.SetVoice(speaker(after.Config), after.Say.Language)
	s.scripts.SetAllow(prefixes(after.Scripts.HTTP.Allow))
	s.setUsers(users)
	s.setPreferences(after.Users)
	s.trunks.Configure(trunks)
	s.sip.SetACL(accessList(after.ACL))
	s.sip.SetMaxCalls(after.Limits.Calls)
	s.sip.SetGuard(guard(after.Config))
	s.sip.SetEmergency(after.Limits.Emergency)
	s.scripts.SetEmergency(after.Limits.Emergency)
	renewed := !security.Equal(s.transport.Security())
	s.transport.SetSecurity(security)
	s.transport.SetOrigins(after.SIP.WSOrigins)
	s.api.SetAccess(access(after.Config))
	s.current.Store(&after)

	st := s.scripts.Status()
	done := web.Reloaded{Generation: st.Generation, Files: st.Files, Warnings: fileErrors(st.Warnings), Changed: []string{}, Restart: []string{}}
	done.Changed = append(done.Changed, changes(before, after, false)...)
	if renewed && before.SIP.TLSCert == after.SIP.TLSCert {
		done.Changed = append(done.Changed, "sip.tls_cert renewed") // the key names the same file as before
	}
	done.Restart = append(done.Restart, changes(s.booted, after, true)...)
	return done, nil
}

// back puts the generation of scripts in force that was so before the present one.
func (s *server) back() (web.Reloaded, error) {
	s.reloading.Lock()
	defer s.reloading.Unlock()
	if errs := s.scripts.Back(); len(errs) > 0 {
		return web.Reloaded{}, &web.Broken{Errors: fileErrors(errs)}
	}
	st := s.scripts.Status()
	return web.Reloaded{Generation: st.Generation, Again: st.Again, Files: st.Files, Warnings: fileErrors(st.Warnings), Changed: []string{}, Restart: []string{}}, nil
}

// changes names the keys that differ and need a restart, or do not.
func changes(a, b settings, restart bool) []string {
	var names []string
	for _, c := range config.Diff(a.Config, b.Config) {
		name := c.Key
		if c.What != "changed" {
			name += " " + c.What
		}
		if c.Restart == restart {
			names = append(names, name)
		}
	}
	return names
}

// reloadByHand is the reload that SIGHUP asks for: the log has the answer.
func (s *server) reloadByHand() {
	done, err := s.reload(context.Background())
	if b, ok := errors.AsType[*web.Broken](err); ok {
		for _, e := range b.Errors {
			s.log.Error("not reloaded", "file", e.File, "line", e.Line, "error", e.Message)
		}
		return
	}
	if err != nil {
		s.log.Error("not reloaded", "error", err)
		return
	}
	s.log.Info("reloaded", "generation", done.Generation, "changed", done.Changed, "restart", done.Restart)
}

// broken turns the mistakes of a configuration into an answer of the API.
func broken(err error) *web.Broken {
	mistakes, ok := errors.AsType[config.Errors](err)
	if !ok {
		return &web.Broken{Errors: []web.FileError{{Message: err.Error()}}}
	}
	b := &web.Broken{}
	for _, m := range mistakes {
		msg := m.Msg
		if m.Key != "" {
			msg = m.Key + ": " + msg
		}
		b.Errors = append(b.Errors, web.FileError{File: m.File, Line: m.Line, Message: msg})
	}
	return b
}
