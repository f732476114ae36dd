package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"os"
	"regexp"
	"runtime"
	"strings"
	"time"

	"tandem/b2bua"
	"tandem/b2bua/auth"
	"tandem/b2bua/registrar"
	"tandem/b2bua/transport"
	"tandem/media"
	"tandem/scripting"
	"tandem/store"
)

// serve is a server until its input ends. It prints its address, and answers each line of its
// input: held, with what it keeps alive, or reload, with how long that took.
func serve(which string) error {
	listen := []transport.Endpoint{{Proto: transport.UDP, Addr: netip.MustParseAddrPort("127.0.0.1:0")}}
	log := slog.New(slog.DiscardHandler)
	layer, err := transport.New(transport.Options{Listen: listen, Log: log})
	if err != nil {
		return err
	}
	defer layer.Close()
	engine, err := media.New(media.Options{Backend: media.NewMemory(), Workers: 1})
	if err != nil {
		return err
	}
	var scripts *scripting.Engine
	var handler b2bua.Handler = plain{}
	if which == "lua" {
		dir, err := writePlugins()
		if err != nil {
			return err
		}
		defer os.RemoveAll(dir)
		if scripts, err = scripting.New(scripting.Options{Dir: dir, Log: log}); err != nil {
			return err
		}
		defer scripts.Close()
		handler = scripts
	}
	r := registrar.New(registrar.Options{})
	server, err := b2bua.New(b2bua.Options{Transport: layer, Media: engine, Handler: handler, Directory: nothing{}, Registrar: r, Journal: nothing{}, Log: log})
	if err != nil {
		return err
	}
	if scripts != nil {
		scripts.Attach(server)
	}
	fmt.Println(layer.Endpoints()[0].Addr)
	for in := bufio.NewScanner(os.Stdin); in.Scan(); {
		switch in.Text() {
		case "held":
			fmt.Println(held(server))
		case "reload":
			began := time.Now()
			if errs := scripts.Reload(); len(errs) > 0 {
				return scripting.FileErrors(errs)
			}
			fmt.Println(time.Since(began).Nanoseconds())
		}
	}
	return nil
}

// held is what is alive: bytes of the heap and of stacks, goroutines, threads and calls.
func held(s *b2bua.Server) (bytes uint64, goroutines, threads, calls int) {
	runtime.GC()
	runtime.GC() // what the first has queued for the end
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	tasks, err := os.ReadDir("/proc/self/task")
	if err != nil { // not Linux
		tasks = nil
	}
	return m.HeapAlloc + m.StackInuse, runtime.NumGoroutine(), len(tasks), s.Counts().Calls
}

// plain is the reference: it decides in Go what the script decides in Lua.
type plain struct{}

var routes = []struct {
	pattern *regexp.Regexp
	to      string
}{
	{regexp.MustCompile(`^1\d\d\d$`), "user:$0"},
	{regexp.MustCompile(`^0(\d+)$`), "trunk:carrier/$1"},
	{regexp.MustCompile(`^\+(\d+)$`), "trunk:carrier/+$1"},
}

func (plain) ServeCall(ctx context.Context, c *b2bua.Call) error {
	if c.Number() == waitingNumber {
		if err := c.Answer(ctx, nil); err != nil {
			return err
		}
		_, err := c.Leg().Gather(ctx, b2bua.GatherOptions{Min: 4, Max: 4, Finish: "#", Timeout: time.Hour})
		if errors.Is(err, b2bua.ErrHangup) {
			return nil
		}
		return err
	}
	for _, r := range routes {
		if r.pattern.MatchString(c.Number()) {
			target := r.pattern.ReplaceAllString(c.Number(), r.to)
			if kind := strings.Split(target, ":"); len(kind) == 2 {
				return c.Reject(ctx, 486, "", nil)
			}
		}
	}
	return nil
}

// nothing is kept, and nobody is a user.
type nothing struct{}

func (nothing) Credential(string) (auth.Credential, bool) { return auth.Credential{}, false }

func (nothing) Open(*store.Call)                               {}
func (nothing) Update(*store.Call)                             {}
func (nothing) Finish(*store.Call, []store.Leg, []store.Event) {}
