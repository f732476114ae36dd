package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"slices"
	"strings"

	"tandem/b2bua/auth"
	"tandem/config"
	"tandem/store"
)

// userCmd keeps users in the store. A running server takes changes by itself.
type userCmd struct {
	Add    userAddCmd    `cmd:"" help:"Add a user; asks for the password."`
	List   userListCmd   `cmd:"" help:"List the users of the file and of the store."`
	Remove userRemoveCmd `cmd:"" help:"Remove a user; its phones are reached no more."`
	Passwd userPasswdCmd `cmd:"" help:"Change a user's password."`
}

// passwordFlags say where a new password comes from: what is typed, or the first line of what
// is piped in, or chance.
type passwordFlags struct {
	Generate bool `short:"g" help:"Make a password and print it, once."`
}

type userAddCmd struct {
	configFlags
	passwordFlags
	Name    string `arg:"" help:"The user part of the address: 1001."`
	Display string `help:"The name to show." placeholder:"NAME"`
}

// Run adds a user.
func (u *userAddCmd) Run(a *app) error {
	return u.withStore(a, u.Name, func(st store.Store, cfg *config.Config, kept []store.User) error {
		if find(kept, u.Name) != nil {
			return fmt.Errorf("there is a user %s already: `tandem user passwd %s` changes the password", u.Name, u.Name)
		}
		if strings.ContainsFunc(u.Display, isControl) {
			return usageError{errors.New("--display: holds a control character")}
		}
		return u.put(a, st, store.User{Name: u.Name, Display: u.Display}, cfg.SIP.Realm(), "added")
	})
}

type userPasswdCmd struct {
	configFlags
	passwordFlags
	Name string `arg:"" help:"Whose password."`
}

// Run changes a password.
func (u *userPasswdCmd) Run(a *app) error {
	return u.withStore(a, u.Name, func(st store.Store, cfg *config.Config, kept []store.User) error {
		user := find(kept, u.Name)
		if user == nil {
			return noUser(u.Name)
		}
		return u.put(a, st, *user, cfg.SIP.Realm(), "changed")
	})
}

type userRemoveCmd struct {
	configFlags
	Name string `arg:"" help:"Whom to remove."`
}

// Run removes a user.
func (u *userRemoveCmd) Run(a *app) error {
	return u.withStore(a, u.Name, func(st store.Store, _ *config.Config, _ []store.User) error {
		err := st.DeleteUser(a.ctx, u.Name)
		if errors.Is(err, store.ErrNotFound) {
			return noUser(u.Name)
		}
		if err == nil {
			fmt.Fprintf(a.stdout, "user %s removed\n", u.Name)
		}
		return err
	})
}

type userListCmd struct {
	configFlags
	formatFlag
}

// userRow is a user as `user list` shows it.
type userRow struct {
	Name    string `json:"name"`
	Display string `json:"display"`
	From    string `json:"from"`   // file or store
	Usable  bool   `json:"usable"` // false: the password was made for another realm
}

// Run lists the users, those of the file first.
func (u *userListCmd) Run(a *app) error {
	cfg, err := u.load()
	if err != nil {
		return err
	}
	list := []userRow{}
	for _, f := range cfg.Users {
		list = append(list, userRow{f.Name, f.Display, "file", true})
	}
	kept, err := u.kept(a.ctx)
	if err != nil {
		return err
	}
	for _, k := range kept {
		if !inFile(cfg, k.Name) {
			list = append(list, userRow{k.Name, k.Display, "store", k.Realm == cfg.SIP.Realm()})
		}
	}
	if len(list) == 0 && u.Format == "table" {
		fmt.Fprintln(a.stdout, "no users")
		return nil
	}
	return u.show(a.stdout, list, func(row func(...any)) {
		row("NAME", "DISPLAY", "FROM", "")
		for _, r := range list {
			note := ""
			if !r.Usable {
				note = "made for another domain: set the password anew"
			}
			row(r.Name, orDash(r.Display), r.From, note)
		}
	})
}

// kept are the users in the store; none while there is no store yet.
func (u *userListCmd) kept(ctx context.Context) ([]store.User, error) {
	r, err := u.records(ctx)
	if errors.Is(err, store.ErrNoStore) || errors.Is(err, store.ErrNoRecords) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer r.Close()
	return r.Users(ctx)
}

// withStore opens the store that serve uses, for a change to the user name.
func (f configFlags) withStore(a *app, name string, do func(store.Store, *config.Config, []store.User) error) error {
	cfg, err := f.load()
	if err != nil {
		return err
	}
	if err := config.CheckUser(name); err != nil {
		return usageError{err}
	}
	if inFile(cfg, name) {
		return fmt.Errorf("user %s stands in %s, which wins over the store: change it there", name, cfg.File())
	}
	if cfg.Store.URL == "none" {
		return fmt.Errorf("store %s keeps no users: write them into the configuration", cfg.Store.URL)
	}
	st, err := openStore(a.ctx, cfg, false, slog.Default())
	if err != nil {
		return err
	}
	kept, err := st.Users(a.ctx)
	if err == nil {
		err = do(st, cfg, kept)
	}
	return errors.Join(err, st.Close())
}

// put asks for the password and keeps the user with its hashes (RFC 7616 §3.4.2).
func (p passwordFlags) put(a *app, st store.Store, u store.User, realm, done string) error {
	password := newPassword()
	if !p.Generate {
		var err error
		if password, err = a.readPassword(u.Name); err != nil {
			return err
		}
	}
	c := auth.NewCredential(u.Name, realm, password)
	u.Realm, u.HA1, u.HA1SHA256 = realm, c.HA1[auth.MD5], c.HA1[auth.SHA256]
	if err := st.PutUser(a.ctx, u); err != nil {
		return err
	}
	fmt.Fprintf(a.stdout, "user %s %s\n", u.Name, done)
	if p.Generate {
		fmt.Fprintf(a.stdout, "password %s\n", password)
	}
	return nil
}

// readPassword asks for a password twice on a terminal, and else reads a line.
func (a *app) readPassword(user string) (string, error) {
	if f, ok := a.stdin.(*os.File); ok && isTerminal(f) {
		first, err := a.prompt(f, "Password for "+user+": ")
		if err != nil {
			return "", err
		}
		second, err := a.prompt(f, "Once more: ")
		if err != nil {
			return "", err
		}
		if first != second {
			return "", errors.New("the two passwords differ: nothing is changed")
		}
		return first, checkPassword(user, first)
	}
	line, err := bufio.NewReader(io.LimitReader(a.stdin, maxPassword+2)).ReadString('\n')
	if err != nil && !errors.Is(err, io.EOF) {
		return "", err
	}
	line = strings.TrimRight(line, "\r\n")
	return line, checkPassword(user, line)
}

// maxPassword bounds a password in bytes.
const maxPassword = 256

func checkPassword(user, password string) error {
	switch {
	case password == "":
		return errors.New("the password is empty: nothing is changed")
	case len(password) > maxPassword:
		return fmt.Errorf("the password is longer than %d bytes: nothing is changed", maxPassword)
	case strings.ContainsFunc(password, isControl):
		return errors.New("the password holds a control character: nothing is changed")
	case password == user:
		return errors.New("the password is the user's name, which is what scanners try first: nothing is changed")
	}
	return nil
}

func isControl(r rune) bool { return r < ' ' || r == 0x7f }

func find(list []store.User, name string) *store.User {
	i := slices.IndexFunc(list, func(u store.User) bool { return u.Name == name })
	if i < 0 {
		return nil
	}
	return &list[i]
}

func inFile(cfg *config.Config, name string) bool {
	return slices.ContainsFunc(cfg.Users, func(u config.User) bool { return u.Name == name })
}

func noUser(name string) error { return fmt.Errorf("there is no user %s in the store", name) }
