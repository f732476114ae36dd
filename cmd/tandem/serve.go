package main

import (
	"errors"

	"tandem/config"
)

type serveCmd struct {
	configFlags
	SIP     []config.Endpoint `name:"sip" help:"Listen here instead (may be given again)." placeholder:"udp://ADDR:PORT"`
	HTTP    config.HostPort   `name:"http" help:"HTTP API." placeholder:"ADDR:PORT"`
	Scripts string            `help:"Scripts folder." placeholder:"DIR"`
}

// Run serves until a signal ends it.
func (s *serveCmd) Run(a *app) error { return errors.New("not built yet") }
