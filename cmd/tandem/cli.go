package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/alecthomas/kong"

	"tandem/web"
)

// Exit codes of every command.
const (
	exitFine   = 0
	exitFailed = 1
	exitUsage  = 2
)

// cli is the command line: one field a subcommand, each in a file of its name.
type cli struct {
	Server string `help:"Where a running server's HTTP API is." default:"http://127.0.0.1:8080" env:"TANDEM_SERVER" placeholder:"URL"`
	Token  string `help:"Its token." env:"TANDEM_TOKEN" placeholder:"T"`

	Serve         serveCmd         `cmd:"" help:"Run the server."`
	Init          initCmd          `cmd:"" help:"Write the shipped scripts and a commented tandem.toml into a folder."`
	Check         checkCmd         `cmd:"" help:"Check the configuration and the scripts."`
	Test          testCmd          `cmd:"" help:"Run the specs of the scripts on simulated calls."`
	Status        statusCmd        `cmd:"" help:"Show how a running server is."`
	Call          callCmd          `cmd:"" help:"Call a SIP URI: a test phone in the terminal."`
	Calls         callsCmd         `cmd:"" help:"List, show and hang up the calls in progress."`
	Registrations registrationsCmd `cmd:"" help:"List the registered phones."`
	User          userCmd          `cmd:"" help:"Add, list and remove users kept in the store, and set passwords."`
	Bans          bansCmd          `cmd:"" help:"List the sources that are banned, and lift bans."`
	Trunks        trunksCmd        `cmd:"" help:"List the trunks and how they are."`
	Reload        reloadCmd        `cmd:"" help:"Put changed scripts and configuration in force."`
	CDR           cdrCmd           `cmd:"" name:"cdr" help:"Query the call records."`
	Backup        backupCmd        `cmd:"" help:"Copy the store into a file, while a server runs or not."`
	Explain       explainCmd       `cmd:"" help:"Tell in plain words how a call went, and draw its ladder."`
	Trace         traceCmd         `cmd:"" help:"Show SIP messages as they pass, or write them to a file for Wireshark."`
	Version       versionCmd       `cmd:"" help:"Show the version."`
}

// app is what a command's Run method gets.
type app struct {
	ctx            context.Context // ends with a signal, except for serve, which reads signals itself
	stdin          io.Reader
	stdout, stderr io.Writer
	signals        <-chan os.Signal
	server, token  string // of the HTTP API
}

// usageError is a mistake in how a command was called: exit 2.
type usageError struct{ error }

// errReported is a failure that the command has already explained.
var errReported = errors.New("already reported")

// run is the whole program but the process around it. signals may be nil.
func run(args []string, stdout, stderr io.Writer, signals <-chan os.Signal) int {
	return runWith(args, os.Stdin, stdout, stderr, signals)
}

// runWith is run with something else to read from.
func runWith(args []string, stdin io.Reader, stdout, stderr io.Writer, signals <-chan os.Signal) int {
	var c cli
	exited, code := false, exitFine
	parser, err := kong.New(&c,
		kong.Name("tandem"),
		kong.Description("A SIP back-to-back user agent, scripted in Lua. `tandem serve` starts it."),
		kong.Writers(stdout, stderr),
		kong.Exit(func(n int) { exited, code = true, n }), // --help; Parse goes on after it
		kong.ConfigureHelp(kong.HelpOptions{Compact: true, NoExpandSubcommands: true}),
	)
	if err != nil {
		fmt.Fprintln(stderr, "tandem:", err)
		return exitFailed
	}
	if len(args) == 0 { // say which commands there are; it is wrong usage all the same
		parser.Stdout = stderr
		parser.Parse([]string{"--help"})
		return exitUsage
	}
	k, err := parser.Parse(args)
	if exited {
		return code
	}
	if err != nil {
		fmt.Fprintf(stderr, "tandem: %v (see tandem --help)\n", err)
		return exitUsage
	}
	a := &app{ctx: context.Background(), stdin: stdin, stdout: stdout, stderr: stderr, signals: signals, server: c.Server, token: c.Token}
	if k.Selected().Name != "serve" {
		var stop func()
		a.ctx, stop = untilSignal(signals)
		defer stop()
	}
	return a.exitCode(k.Run(a))
}

func (a *app) exitCode(err error) int {
	if err == nil {
		return exitFine
	}
	if !errors.Is(err, errReported) {
		for line := range strings.SplitSeq(err.Error(), "\n") {
			fmt.Fprintln(a.stderr, "tandem:", line)
		}
	}
	if _, ok := errors.AsType[usageError](err); ok {
		return exitUsage
	}
	return exitFailed
}

// untilSignal is a context that the first signal ends.
func untilSignal(signals <-chan os.Signal) (context.Context, func()) {
	ctx, cancel := context.WithCancel(context.Background())
	go func() {
		select {
		case <-signals:
			cancel()
		case <-ctx.Done():
		}
	}()
	return ctx, cancel
}

// client talks to the running server that the flags name.
func (a *app) client() (*web.Client, error) {
	c, err := web.NewClient(a.server, a.token)
	if err != nil {
		return nil, usageError{err}
	}
	return c, nil
}
