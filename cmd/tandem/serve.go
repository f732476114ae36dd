package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"tandem/config"
)

type serveCmd struct {
	configFlags
	SIP     []config.Endpoint `name:"sip" help:"Listen here instead (may be given again)." placeholder:"udp://ADDR:PORT"`
	HTTP    *config.HostPort  `name:"http" help:"HTTP API." placeholder:"ADDR:PORT"`
	Scripts string            `help:"Scripts folder." placeholder:"DIR"`
}

// settings are a configuration with the flags of serve over it.
type settings struct {
	*config.Config
	scriptsDir string // "" for the shipped scripts
}

// settings reads the configuration as it is now: at the start and at each reload.
func (s *serveCmd) settings() (settings, error) {
	c, err := s.load()
	if err != nil {
		return settings{}, err
	}
	if len(s.SIP) > 0 {
		c.SIP.Listen = s.SIP
	}
	if s.HTTP != nil {
		c.HTTP.Listen = *s.HTTP
	}
	if s.Scripts != "" {
		dir, err := filepath.Abs(s.Scripts)
		if err != nil {
			return settings{}, err
		}
		c.Scripts.Dir = config.Path(dir)
	}
	if err := c.Validate(); err != nil {
		return settings{}, err
	}
	if err := c.CheckFiles(); err != nil {
		return settings{}, err
	}
	return settings{Config: c, scriptsDir: scriptsDir(c, s.Scripts)}, nil
}

// Run serves until a signal ends it.
func (s *serveCmd) Run(a *app) error {
	cfg, err := s.settings()
	if err != nil {
		return err
	}
	log := slog.New(slog.NewTextHandler(a.stderr, nil))
	srv, err := open(context.Background(), cfg, s.settings, log)
	if err != nil {
		return err
	}
	ended := false
	defer func() {
		if !ended { // a panic of this goroutine goes on to end the process; the records do not go with it
			srv.store.Close()
		}
	}()
	fmt.Fprintln(a.stdout, srv.ready())
	srv.greet(a.stdout, programName(os.Args[0]))
	err = srv.serve(a.signals)
	ended = true
	return err
}

// serve waits for signals: SIGHUP reloads, the first SIGTERM drains, the second ends.
func (s *server) serve(signals <-chan os.Signal) error {
	drain, endNow := context.WithCancel(context.Background())
	defer endNow()
	drained := make(chan struct{})
	draining := false
	for {
		select {
		case sig := <-signals:
			switch {
			case sig == syscall.SIGHUP:
				s.reloadByHand()
			case draining:
				s.log.Info("ending at once", "signal", sig)
				endNow()
			default:
				draining = true
				limit := s.settings().Server.Drain.Std()
				s.log.Info("draining: no new calls are taken; once more ends at once", "signal", sig, "limit", limit)
				go func() {
					s.drain(drain, limit)
					close(drained)
				}()
			}
		case <-drained:
			return s.close()
		case err := <-s.httpFailed:
			return errors.Join(fmt.Errorf("http: %w", err), s.close())
		}
	}
}

// drain lets the calls in progress finish, and hangs up those that do not.
func (s *server) drain(ctx context.Context, limit time.Duration) {
	wait, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	if err := s.sip.Drain(wait); err != nil {
		s.log.Warn("calls are hung up", "calls", s.sip.Counts().Calls)
	}
}
