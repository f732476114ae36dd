package scripting

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"

	"tandem/scripting/mail"
)

// letterbox takes mails as the server of a provider would.
type letterbox struct {
	mu    sync.Mutex
	mails []mail.Message
	full  bool
}

func (b *letterbox) Sender() string { return "switch@example.com" }

func (b *letterbox) Send(_ context.Context, m mail.Message) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.full {
		return errors.New("552 mailbox full")
	}
	b.mails = append(b.mails, m)
	return nil
}

// What arrives is tested in scripting/mail; here is what scripts may ask for.
func TestMail(t *testing.T) {
	t.Parallel()
	e, _, _ := fileEngine(t)
	box := &letterbox{}
	e.SetMail(box)
	checkAll(t, e, [][2]string{
		{`return tostring(mail.send{ to = "a@example.com", subject = "Hi", text = "x", attachments = { "messages/2.wav", "scripts/notice.txt", { content = "abc", name = "c.txt", type = "text/plain" }, { path = "messages/1.wav", name = "voice.wav" } } })`, "true"},
		{`return tostring(mail.send{ to = { "a@example.com", "B <b@example.com>" }, cc = "c@example.com", from = "me@example.com", html = "<p>", reply_to = "r@example.com" })`, "true"},
		{`return select(2, mail.send{ to = "a@example.com", attachments = { "nothing" } })`, "attachment nothing: no such file or directory"},
		{`return select(2, mail.send{ to = "a@example.com", attachments = { "large", "large", "large", "large" } })`, "attachment large: too large: over 1048573 bytes"},
		{`mail.send()`, "mail.send: mail must be a table, got nil"},
		{`mail.send{ subject = "x" }`, "mail.send: option to is missing"},
		{`mail.send{ to = 1, subjct = "x" }`, `mail.send: unknown option "subjct" (did you mean subject?)`},
		{`mail.send{ to = "x" }`, `mail.send: to "x" is not a mail address`},
		{`mail.send{ to = "a@example.com", subject = "x\r\nBcc: b@example.com" }`, "mail.send: subject holds a control character"},
		{`mail.send{ to = "a@example.com", attachments = { "../x" } }`, `mail.send: path "../x" leads out of its folder: it has neither .. nor a leading /`},
		{`mail.send{ to = "a@example.com", attachments = { { path = "a", content = "b" } } }`, "mail.send: an attachment has either a path or content"},
		{`mail.send{ to = "a@example.com", attachments = { { content = "b" } } }`, "mail.send: an attachment with content needs a name"},
		{`local to = {} for i = 1, 60 do to[i] = "a@example.com" end mail.send{ to = to }`, "mail.send: over 50 recipients"},
	})
	if len(box.mails) != 2 {
		t.Fatalf("%d mails", len(box.mails))
	}
	var parts []string
	for _, a := range box.mails[0].Attachments {
		parts = append(parts, a.Name+"="+string(a.Content))
	}
	if got := strings.Join(parts, " "); got != "2.wav=RIFF2 notice.txt=hello c.txt=abc voice.wav=RIFF" || box.mails[0].From != "switch@example.com" {
		t.Errorf("from %s with %s", box.mails[0].From, got)
	}
	box.full = true
	checkAll(t, e, [][2]string{{`return select(2, mail.send{ to = "a@example.com" })`, "552 mailbox full"}})
	e.SetMail(nil)
	checkAll(t, e, [][2]string{{`mail.send{ to = "a@example.com" }`, "mail.send: option from is missing, and [mail] from is not set"},
		{`return select(2, mail.send{ to = "a@example.com", from = "b@example.com" })`, mail.ErrNone.Error()}})
}
