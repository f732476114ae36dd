// Package mail hands messages to an SMTP server, which delivers them.
package mail

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"strings"
	"time"

	gomail "github.com/wneessen/go-mail"
)

// Server is who takes the messages.
type Server struct {
	Host     string // "" is none
	Port     int    // 0: 587, 465 with TLS "on", 25 with TLS "off"
	Username string // "" sends without credentials
	Password string
	From     string         // of messages that name no sender
	TLS      string         // "starttls" (or ""), "on" from the first byte, "off"
	Roots    *x509.CertPool // authorities to believe; nil: the system's
	Timeout  time.Duration  // of the whole exchange; 0: 30 s
}

// Sender is who sends what names no sender.
func (s Server) Sender() string { return s.From }

// DefaultTimeout is that of one message.
const DefaultTimeout = 30 * time.Second

// Message is one mail. Text, HTML or both are its body.
type Message struct {
	From        string // "Alice <alice@example.com>" or an address alone
	To, CC, BCC []string
	ReplyTo     string
	Subject     string
	Text, HTML  string
	Attachments []Attachment
	Date        time.Time
}

// Attachment is a file that goes with a message.
type Attachment struct {
	Name    string
	Type    string // "audio/wav"; "": by the name's ending
	Content []byte
}

// ErrNone says that no server is configured.
var ErrNone = errors.New("no mail server is configured ([mail] host)")

// Build makes what is sent, so that an address or header that cannot be is found before.
func Build(m Message) error {
	_, err := build(m)
	return err
}

func build(m Message) (*gomail.Msg, error) {
	msg := gomail.NewMsg(gomail.WithNoDefaultUserAgent())
	if strings.ContainsFunc(m.Subject, isControl) {
		return nil, errors.New("subject holds a control character")
	}
	if err := msg.From(m.From); err != nil {
		return nil, fmt.Errorf("from %q is not a mail address", m.From)
	}
	for _, list := range []struct {
		name string
		of   []string
		add  func(...string) error
	}{{"to", m.To, msg.To}, {"cc", m.CC, msg.Cc}, {"bcc", m.BCC, msg.Bcc}} {
		for _, address := range list.of {
			if err := check(address); err != nil {
				return nil, fmt.Errorf("%s %w", list.name, err)
			}
		}
		if len(list.of) == 0 {
			continue
		}
		if err := list.add(list.of...); err != nil {
			return nil, fmt.Errorf("%s: not a mail address: %w", list.name, err)
		}
	}
	if m.ReplyTo != "" {
		if err := msg.ReplyTo(m.ReplyTo); err != nil {
			return nil, fmt.Errorf("reply_to %q is not a mail address", m.ReplyTo)
		}
	}
	msg.Subject(m.Subject)
	msg.SetMessageID()
	msg.SetDateWithValue(m.Date)
	switch {
	case m.HTML == "":
		msg.SetBodyString(gomail.TypeTextPlain, m.Text)
	case m.Text == "":
		msg.SetBodyString(gomail.TypeTextHTML, m.HTML)
	default:
		msg.SetBodyString(gomail.TypeTextPlain, m.Text)
		msg.AddAlternativeString(gomail.TypeTextHTML, m.HTML)
	}
	for _, a := range m.Attachments {
		if a.Name == "" || strings.ContainsFunc(a.Name, isControl) || strings.ContainsAny(a.Name, `/\"`) {
			return nil, fmt.Errorf("attachment name %q is not a file's name", a.Name)
		}
		if strings.ContainsFunc(a.Type, isControl) {
			return nil, fmt.Errorf("attachment type %q holds a control character", a.Type)
		}
		var how []gomail.FileOption
		if a.Type != "" {
			how = append(how, gomail.WithFileContentType(gomail.ContentType(a.Type)))
		}
		msg.AttachReadSeeker(a.Name, bytes.NewReader(a.Content), how...)
	}
	return msg, nil
}

func check(address string) error {
	if err := gomail.NewMsg().To(address); err != nil {
		return fmt.Errorf("%q is not a mail address", address)
	}
	return nil
}

func isControl(r rune) bool { return r < ' ' || r == 0x7f }

// Send hands the message to the server and returns when that has taken it. Errors hold no
// password.
func (s Server) Send(ctx context.Context, m Message) error {
	if s.Host == "" {
		return ErrNone
	}
	msg, err := build(m)
	if err != nil {
		return err
	}
	client, err := gomail.NewClient(s.Host, s.options(ctx)...)
	if err != nil {
		return fmt.Errorf("mail server %s: %w", s.Host, err)
	}
	if err := client.DialAndSendWithContext(ctx, msg); err != nil {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		return fmt.Errorf("mail server %s: %s", s.Host, strings.Join(strings.Fields(err.Error()), " "))
	}
	return nil
}

func (s Server) options(ctx context.Context) []gomail.Option {
	timeout := s.Timeout
	if timeout <= 0 {
		timeout = DefaultTimeout
	}
	options := []gomail.Option{gomail.WithTimeout(timeout), gomail.WithoutNoop(),
		gomail.WithTLSConfig(&tls.Config{ServerName: s.Host, RootCAs: s.Roots, MinVersion: tls.VersionTLS12})}
	switch s.TLS {
	case "on":
		options = append(options, gomail.WithSSL(), gomail.WithPort(or(s.Port, 465)))
	case "off":
		options = append(options, gomail.WithTLSPolicy(gomail.NoTLS), gomail.WithPort(or(s.Port, 25)), gomail.WithDialContextFunc(dial(ctx)))
	default:
		options = append(options, gomail.WithTLSPolicy(gomail.TLSMandatory), gomail.WithPort(or(s.Port, 587)), gomail.WithDialContextFunc(dial(ctx)))
	}
	if s.Username != "" {
		options = append(options, gomail.WithSMTPAuth(gomail.SMTPAuthAutoDiscover), gomail.WithUsername(s.Username), gomail.WithPassword(s.Password))
	}
	return options
}

// dial connects so that the end of the context ends whatever the connection waits for. The
// library does not take a connection that is encrypted already, so those end by their timeout.
func dial(ctx context.Context) gomail.DialContextFunc {
	return func(inner context.Context, network, address string) (net.Conn, error) {
		var d net.Dialer
		conn, err := d.DialContext(inner, network, address)
		if err == nil {
			context.AfterFunc(ctx, func() { conn.Close() })
		}
		return conn, err
	}
}

func or(port, missing int) int {
	if port == 0 {
		return missing
	}
	return port
}
