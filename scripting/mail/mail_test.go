package mail

import (
	"bufio"
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"io"
	"math/big"
	"mime"
	"mime/multipart"
	"mime/quotedprintable"
	"net"
	"net/mail"
	"net/textproto"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// post is a small SMTP server (RFC 5321) that keeps what it is given.
type post struct {
	t        *testing.T
	listener net.Listener
	cert     tls.Certificate
	roots    *x509.CertPool
	implicit bool // TLS from the first byte
	plain    bool // no TLS at all
	silent   bool // says nothing, ever

	mu    sync.Mutex
	mails []delivered
}

type delivered struct {
	from, user string
	to         []string
	data       []byte
	secure     bool
}

func newPost(t *testing.T, change func(*post)) *post {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	c := &x509.Certificate{SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		DNSNames: []string{"localhost"}, IsCA: true, BasicConstraintsValid: true}
	der, err := x509.CreateCertificate(rand.Reader, c, c, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	p := &post{t: t, cert: tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, roots: x509.NewCertPool()}
	parsed, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	p.roots.AddCert(parsed)
	change(p)
	if p.listener, err = net.Listen("tcp", "127.0.0.1:0"); err != nil {
		t.Fatal(err)
	}
	var running sync.WaitGroup
	t.Cleanup(func() { p.listener.Close(); running.Wait() })
	running.Go(func() {
		for {
			conn, err := p.listener.Accept()
			if err != nil {
				return
			}
			running.Go(func() { defer conn.Close(); p.serve(conn) })
		}
	})
	return p
}

func (p *post) server() Server {
	_, port, _ := net.SplitHostPort(p.listener.Addr().String())
	n, _ := strconv.Atoi(port)
	s := Server{Host: "localhost", Port: n, Roots: p.roots, Username: "switch", Password: "s3cret", From: "switch@example.com", Timeout: 20 * time.Second}
	switch {
	case p.implicit:
		s.TLS = "on"
	case p.plain:
		s.TLS, s.Username, s.Password = "off", "", ""
	}
	return s
}

func (p *post) serve(conn net.Conn) {
	if p.silent {
		_, _ = io.Copy(io.Discard, conn)
		return
	}
	secure := p.implicit
	if secure {
		conn = tls.Server(conn, &tls.Config{Certificates: []tls.Certificate{p.cert}})
	}
	r := textproto.NewReader(bufio.NewReader(conn))
	say := func(lines ...string) { _, _ = io.WriteString(conn, strings.Join(lines, "\r\n")+"\r\n") }
	say("220 post")
	var m delivered
	for {
		line, err := r.ReadLine()
		if err != nil {
			return
		}
		verb, rest, _ := strings.Cut(line, " ")
		switch strings.ToUpper(verb) {
		case "EHLO":
			switch {
			case secure:
				say("250-post", "250-8BITMIME", "250 AUTH PLAIN")
			case p.plain:
				say("250-post", "250 8BITMIME")
			default:
				say("250-post", "250 STARTTLS")
			}
		case "STARTTLS":
			say("220 go on")
			conn, secure = tls.Server(conn, &tls.Config{Certificates: []tls.Certificate{p.cert}}), true
			r = textproto.NewReader(bufio.NewReader(conn))
		case "AUTH":
			_, token, _ := strings.Cut(rest, " ")
			raw, _ := base64.StdEncoding.DecodeString(token)
			if string(raw) != "\x00switch\x00s3cret" {
				say("535 no")
				continue
			}
			m.user = "switch"
			say("235 yes")
		case "MAIL":
			m.from = between(rest)
			say("250 ok")
		case "RCPT":
			if strings.Contains(rest, "nobody") {
				say("550 no such mailbox")
				continue
			}
			m.to = append(m.to, between(rest))
			say("250 ok")
		case "DATA":
			say("354 go on")
			if m.data, err = r.ReadDotBytes(); err != nil {
				return
			}
			m.secure = secure
			p.mu.Lock()
			p.mails = append(p.mails, m)
			p.mu.Unlock()
			m = delivered{user: m.user}
			say("250 taken")
		case "QUIT":
			say("221 bye")
			return
		default:
			say("250 ok")
		}
	}
}

func between(s string) string {
	_, s, _ = strings.Cut(s, "<")
	s, _, _ = strings.Cut(s, ">")
	return s
}

func (p *post) one() delivered {
	p.t.Helper()
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.mails) != 1 {
		p.t.Fatalf("%d mails arrived", len(p.mails))
	}
	return p.mails[0]
}

// leaves are the parts of a message that hold content, decoded.
func leaves(t *testing.T, header textproto.MIMEHeader, body io.Reader) map[string][]byte {
	t.Helper()
	out := map[string][]byte{}
	typ, params, err := mime.ParseMediaType(header.Get("Content-Type"))
	if err != nil {
		t.Fatal(err)
	}
	if strings.HasPrefix(typ, "multipart/") {
		r := multipart.NewReader(body, params["boundary"])
		for {
			part, err := r.NextRawPart()
			if errors.Is(err, io.EOF) {
				return out
			}
			if err != nil {
				t.Fatal(err)
			}
			for k, v := range leaves(t, part.Header, part) {
				out[k] = v
			}
		}
	}
	switch strings.ToLower(header.Get("Content-Transfer-Encoding")) {
	case "base64":
		body = base64.NewDecoder(base64.StdEncoding, body)
	case "quoted-printable":
		body = quotedprintable.NewReader(body)
	}
	content, err := io.ReadAll(body)
	if err != nil {
		t.Fatal(err)
	}
	if _, p, err := mime.ParseMediaType(header.Get("Content-Disposition")); err == nil {
		name, err := new(mime.WordDecoder).DecodeHeader(p["filename"])
		if err != nil {
			t.Fatal(err)
		}
		typ += " " + name
	}
	out[typ] = content
	return out
}

func TestSend(t *testing.T) {
	t.Parallel()
	sound := make([]byte, 100_000)
	if _, err := rand.Read(sound); err != nil {
		t.Fatal(err)
	}
	date := time.Date(2026, 11, 22, 10, 0, 0, 0, time.UTC)
	m := Message{From: "Switch <switch@example.com>", To: []string{"Alicé <alice@example.com>", "bob@example.com"}, CC: []string{"carol@example.com"},
		BCC: []string{"dave@example.com"}, ReplyTo: "answer@example.com", Subject: "Nachricht für Älice", Text: ".\n.. grüß\n", HTML: "<p>grüß</p>", Date: date,
		Attachments: []Attachment{{Name: "message ü.wav", Type: "audio/wav", Content: sound}, {Name: "note.txt", Content: []byte("note")}}}
	for name, change := range map[string]func(*post){
		"starttls": func(*post) {}, "on": func(p *post) { p.implicit = true }, "off": func(p *post) { p.plain = true },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := newPost(t, change)
			if err := p.server().Send(t.Context(), m); err != nil {
				t.Fatal(err)
			}
			got := p.one()
			if got.secure != (name != "off") || (got.user == "switch") != (name != "off") || got.from != "switch@example.com" ||
				!slices.Equal(got.to, []string{"alice@example.com", "bob@example.com", "carol@example.com", "dave@example.com"}) {
				t.Errorf("secure %v, user %q, from %s to %v", got.secure, got.user, got.from, got.to)
			}
			msg, err := mail.ReadMessage(bytes.NewReader(got.data))
			if err != nil {
				t.Fatal(err)
			}
			subject, err := new(mime.WordDecoder).DecodeHeader(msg.Header.Get("Subject"))
			if err != nil || subject != m.Subject {
				t.Errorf("subject %q, %v", subject, err)
			}
			if to, err := msg.Header.AddressList("To"); err != nil || to[0].Name != "Alicé" || len(to) != 2 {
				t.Errorf("to %v, %v", to, err)
			}
			if at, err := msg.Header.Date(); err != nil || !at.Equal(date) || msg.Header.Get("Bcc") != "" || msg.Header.Get("Message-Id") == "" {
				t.Errorf("date %v, %v; header %v", at, err, msg.Header)
			}
			parts := leaves(t, textproto.MIMEHeader(msg.Header), msg.Body)
			for part, want := range map[string]string{"text/plain": m.Text, "text/html": m.HTML, "audio/wav message ü.wav": string(sound), "text/plain note.txt": "note"} {
				if have := strings.ReplaceAll(string(parts[part]), "\r\n", "\n"); part != "audio/wav message ü.wav" && have != want || part == "audio/wav message ü.wav" && string(parts[part]) != want {
					t.Errorf("%s: %.60q (%d bytes); want %.60q", part, parts[part], len(parts[part]), want)
				}
			}
			if len(parts) != 4 {
				t.Errorf("%d parts", len(parts))
			}
		})
	}
}

func TestSendFails(t *testing.T) {
	t.Parallel()
	m := Message{From: "a@example.com", To: []string{"b@example.com"}, Text: "x"}
	fails := func(s Server, m Message, want string) {
		t.Helper()
		if err := s.Send(t.Context(), m); err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), s.Password) && s.Password != "" {
			t.Errorf("%v; want %q", err, want)
		}
	}
	fails(Server{}, m, "no mail server is configured")
	p := newPost(t, func(*post) {})
	s := p.server()
	s.Password = "wrong-one"
	fails(s, m, "535")
	s = p.server()
	s.Roots = nil
	fails(s, m, "certificate")
	m.To = []string{"nobody@example.com"}
	fails(p.server(), m, "550")
	m.To = []string{"b@example.com"}
	refused := newPost(t, func(p *post) { p.plain = true })
	s = refused.server()
	s.TLS = "starttls" // which that server does not know: nothing may go out in the clear
	fails(s, m, "STARTTLS")
	if len(p.mails)+len(refused.mails) > 0 {
		t.Error("a mail was sent")
	}
	silent := newPost(t, func(p *post) { p.silent = true })
	ctx, cancel := context.WithCancelCause(t.Context())
	why := errors.New("enough")
	time.AfterFunc(50*time.Millisecond, func() { cancel(why) })
	if err := silent.server().Send(ctx, m); err != why {
		t.Errorf("with a server that says nothing: %v", err)
	}
}

// What a caller may have made up cannot add headers or recipients.
func TestBuildRefuses(t *testing.T) {
	t.Parallel()
	good := Message{From: "a@example.com", To: []string{"b@example.com"}}
	for want, change := range map[string]func(*Message){
		"subject holds a control character":                                  func(m *Message) { m.Subject = "x\r\nBcc: c@example.com" },
		"to \"b@example.com\\r\\nBcc: c@example.com\" is not a mail address": func(m *Message) { m.To = []string{"b@example.com\r\nBcc: c@example.com"} },
		"to \"b@example.com, c@example.com\" is not a mail address":          func(m *Message) { m.To = []string{"b@example.com, c@example.com"} },
		"cc \"x\" is not a mail address":                                     func(m *Message) { m.CC = []string{"x"} },
		"from \"x\\ny\" is not a mail address":                               func(m *Message) { m.From = "x\ny" },
		"reply_to \"x\" is not a mail address":                               func(m *Message) { m.ReplyTo = "x" },
		"attachment name \"a\\r\\nb\" is not a file's name":                  func(m *Message) { m.Attachments = []Attachment{{Name: "a\r\nb"}} },
		"attachment name \"../a\" is not a file's name":                      func(m *Message) { m.Attachments = []Attachment{{Name: "../a"}} },
		"attachment type \"a\\nb\" holds a control character":                func(m *Message) { m.Attachments = []Attachment{{Name: "a", Type: "a\nb"}} },
	} {
		m := good
		change(&m)
		if err := Build(m); err == nil || err.Error() != want {
			t.Errorf("%v; want %s", err, want)
		}
	}
	if err := Build(good); err != nil {
		t.Error(err)
	}
}
