package main

import "errors"

type initCmd struct{}
type checkCmd struct{}
type statusCmd struct{}
type callsCmd struct{}
type registrationsCmd struct{}
type reloadCmd struct{}

func (initCmd) Run(a *app) error          { return errors.New("not built yet") }
func (checkCmd) Run(a *app) error         { return errors.New("not built yet") }
func (statusCmd) Run(a *app) error        { return errors.New("not built yet") }
func (callsCmd) Run(a *app) error         { return errors.New("not built yet") }
func (registrationsCmd) Run(a *app) error { return errors.New("not built yet") }
func (reloadCmd) Run(a *app) error        { return errors.New("not built yet") }
