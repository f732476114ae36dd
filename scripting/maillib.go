package scripting

import (
	"cmp"
	"context"
	"fmt"
	"io/fs"
	"path"

	lua "github.com/yuin/gopher-lua"

	"tandem/scripting/mail"
)

// Bounds of one mail.
const (
	maxMail        = 25 << 20 // bytes of text and attachments
	maxRecipients  = 50
	maxAttachments = 20
)

// Mailer takes mails for delivery; mail.Server does.
type Mailer interface {
	Send(ctx context.Context, m mail.Message) error
	// Sender is who sends what names no sender; "" is nobody.
	Sender() string
}

// SetMail replaces who takes mails, for calls in progress too; nil is nobody.
func (e *Engine) SetMail(m Mailer) {
	if m == nil {
		m = mail.Server{}
	}
	e.mailer.Store(&m)
}

func mailModule() module {
	return module{
		name: "mail",
		doc:  "Mail, by the server that `[mail]` names.",
		functions: []function{{
			name: "send", params: []field{{"mail", "MailOptions", ""}}, returns: okOrReason(),
			doc:     "Hands a mail to the server and waits until that has taken it. After a hangup there are the 5 s that all tidying has; for more, send it from spawn.",
			example: "mail.send{ to = \"alice@example.com\", subject = \"Voice message from \" .. call.from.user,\n  text = \"It is attached.\", attachments = { \"messages/\" .. call.id .. \".wav\" } }",
			run:     mailSend}},
	}
}

func mailOptions() class {
	return class{name: "MailOptions", doc: "A mail. Addresses are `alice@example.com` or `Alice <alice@example.com>`.", fields: []field{
		{"to", "string|string[]", ""}, {"cc?", "string|string[]", ""}, {"bcc?", "string|string[]", ""},
		{"from?", "string", "`[mail] from` by default"}, {"reply_to?", "string", ""}, {"subject?", "string", ""},
		{"text?", "string", "the body; with html, what is shown where that cannot be"}, {"html?", "string", ""},
		{"attachments?", "(string|Attachment)[]", "paths as file.read takes them, or tables; 25 MB in all"},
	}}
}

func attachmentClass() class {
	return class{name: "Attachment", doc: "A file that goes with a mail: one that is there, or content.", fields: []field{
		{"path?", "string", "as file.read takes it"}, {"content?", "string", ""}, {"name?", "string", "the path's last part by default"},
		{"type?", "string", "such as audio/wav; by the name's ending if left out"},
	}}
}

// attached is an attachment before its file is read.
type attached struct {
	mail.Attachment
	from *place
}

func mailSend(s *state, L *lua.LState) int {
	a := args(L, "mail.send")
	o := a.options(1, mailOptions())
	if o.t == nil {
		a.fail("mail must be a table, got nil")
	}
	mailer := *s.engine.mailer.Load()
	m := mail.Message{From: o.str("from", mailer.Sender()), To: o.texts("to"), CC: o.texts("cc"), BCC: o.texts("bcc"), ReplyTo: o.str("reply_to", ""),
		Subject: o.str("subject", ""), Text: o.str("text", ""), HTML: o.str("html", ""), Date: s.now()}
	switch n := len(m.To) + len(m.CC) + len(m.BCC); {
	case n == 0:
		a.fail("option to is missing")
	case n > maxRecipients:
		a.fail("over %d recipients", maxRecipients)
	case m.From == "":
		a.fail("option from is missing, and [mail] from is not set")
	}
	files := a.attachments(o)
	for _, f := range files {
		m.Attachments = append(m.Attachments, f.Attachment)
	}
	if err := mail.Build(m); err != nil {
		a.fail("%s", err)
	}
	began := s.engine.o.Clock.Now()
	var err error
	s.block(L, a.name, func(ctx context.Context) {
		if err = s.readAttachments(&m, files); err == nil {
			err = mailer.Send(ctx, m)
		}
	})
	if r := runningIn(a.L); r.call != nil {
		how := "sent"
		if err != nil {
			how = err.Error()
		}
		r.note(fmt.Sprintf("mail to %s: %s after %v", m.To, how, s.engine.o.Clock.Now().Sub(began).Round(1e6)))
	}
	if err != nil {
		return failed(L, err.Error())
	}
	return push(L, lua.LTrue)
}

// texts reads a string or a list of them.
func (o options) texts(key string) []string {
	if !o.has(key) {
		return nil
	}
	t, ok := o.get(key).(*lua.LTable)
	if !ok {
		return []string{o.str(key, "")}
	}
	var out []string
	for i := 1; i <= t.Len(); i++ {
		text, ok := t.RawGetInt(i).(lua.LString)
		if !ok {
			o.a.wrong("each entry of option "+key, "a string", t.RawGetInt(i))
		}
		out = append(out, string(text))
	}
	return out
}

func (a arguments) attachments(o options) []attached {
	t := o.table("attachments")
	if t == nil {
		return nil
	}
	if t.Len() > maxAttachments {
		a.fail("over %d attachments", maxAttachments)
	}
	var out []attached
	for i := 1; i <= t.Len(); i++ {
		entry, ok := t.RawGetInt(i).(*lua.LTable)
		if !ok {
			entry = newTable(0, 1)
			entry.RawSetString("path", t.RawGetInt(i))
		}
		out = append(out, a.attachment(a.optionsOf(entry, attachmentClass())))
	}
	return out
}

func (a arguments) attachment(o options) attached {
	f := attached{Attachment: mail.Attachment{Name: o.str("name", ""), Type: o.str("type", ""), Content: []byte(o.str("content", ""))}}
	if o.has("path") == o.has("content") {
		a.fail("an attachment has either a path or content")
	}
	if o.has("path") {
		where := a.place(o.str("path", ""))
		f.from = &where
		f.Name = cmp.Or(f.Name, path.Base(where.name))
	}
	if f.Name == "" {
		a.fail("an attachment with content needs a name")
	}
	return f
}

func (s *state) readAttachments(m *mail.Message, files []attached) error {
	left := int64(maxMail - len(m.Text) - len(m.HTML))
	for i, f := range files {
		if f.from != nil {
			fsys, done, err := s.openFolder(*f.from)
			if err == nil {
				m.Attachments[i].Content, err = readBounded(fsys, f.from.name, max(left, 0))
				done()
			}
			if pe, ok := err.(*fs.PathError); ok {
				err = pe.Err
			}
			if err != nil {
				return fmt.Errorf("attachment %s: %w", f.Name, err)
			}
		}
		if left -= int64(len(m.Attachments[i].Content)); left < 0 {
			return fmt.Errorf("the mail has over %d MB", maxMail>>20)
		}
	}
	return nil
}
