package sim

import (
	"context"
	"errors"
	"sync"
	"time"

	lua "github.com/yuin/gopher-lua"

	"tandem/scripting/mail"
)

// tidying is how long scripts may go on after their calls.
const tidying = 5 * time.Second

// mailbox takes the mails of a simulation: nothing leaves it.
type mailbox struct {
	mu    sync.Mutex
	mails []mail.Message
	fails string // what the server says instead of taking one; "": it takes them
}

// Sender is who sends what names no sender.
func (*mailbox) Sender() string { return "switch@example.com" }

// Send takes a mail.
func (b *mailbox) Send(_ context.Context, m mail.Message) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.fails != "" {
		return errors.New(b.fails)
	}
	b.mails = append(b.mails, m)
	return nil
}

func (b *mailbox) sent() []mail.Message {
	b.mu.Lock()
	defer b.mu.Unlock()
	return append([]mail.Message(nil), b.mails...)
}

// simMail gives the mails that were sent so far: to, cc and bcc as lists, from, subject, text,
// html, and attachments with name, type and content. sim.mail{ fails = "552 full" } lets the
// server refuse those that follow.
func (f *file) simMail(L *lua.LState) int {
	r := f.spec(L)
	t := L.OptTable(1, nil)
	if t != nil {
		fields(L, t, "fails")
		r.options.mail.mu.Lock()
		r.options.mail.fails = text(L, t, "fails")
		r.options.mail.mu.Unlock()
	}
	if r.world != nil {
		check(L, r.world.pass(tidying))
	}
	list := L.NewTable()
	for _, m := range r.options.mail.sent() {
		list.Append(mailTable(L, m))
	}
	L.Push(list)
	return 1
}

func mailTable(L *lua.LState, m mail.Message) *lua.LTable {
	t := L.NewTable()
	for key, value := range map[string]string{"from": m.From, "subject": m.Subject, "text": m.Text, "html": m.HTML, "reply_to": m.ReplyTo} {
		t.RawSetString(key, lua.LString(value))
	}
	for key, list := range map[string][]string{"to": m.To, "cc": m.CC, "bcc": m.BCC} {
		of := L.NewTable()
		for _, address := range list {
			of.Append(lua.LString(address))
		}
		t.RawSetString(key, of)
	}
	attachments := L.NewTable()
	for _, a := range m.Attachments {
		one := L.NewTable()
		one.RawSetString("name", lua.LString(a.Name))
		one.RawSetString("type", lua.LString(a.Type))
		one.RawSetString("content", lua.LString(a.Content))
		attachments.Append(one)
	}
	t.RawSetString("attachments", attachments)
	return t
}
