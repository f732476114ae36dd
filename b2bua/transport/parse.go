package transport

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/emiago/sipgo/sip"
)

// Bounds on one message, so that none costs more than its size deserves: sipgo's parameter
// lists take quadratic time.
const (
	maxHeaders = 300
	maxParts   = 100 // parameters or list elements in one header or URI
)

// newParser makes sipgo's parser never give up on a header: one that it cannot read stays in
// the message as plain text, so that the request can still be answered 400.
func newParser(maxMessage int) *sip.Parser {
	known := sip.DefaultHeadersParser()
	parsers := map[string]sip.HeaderParser{
		"via": viaLine,
		"v":   viaLine,
	}
	for name := range structured {
		if parse := known[name]; parse != nil && parsers[name] == nil {
			parsers[name] = lenient(structured[name], parse)
		}
	}
	// RFC 3261 §7.3.3 and the IANA registry: compact names become the long ones.
	for short, long := range compact {
		if parse := known[strings.ToLower(long)]; parse != nil && parsers[short] == nil {
			parsers[short] = lenient(long, parse)
		} else if parse == nil {
			parsers[short] = func(_ []byte, text string) (sip.Header, error) {
				return sip.NewHeader(long, text), nil
			}
		}
	}
	limit := func(p *sip.Parser) { p.MaxMessageLength = max(maxMessage, maxDatagram) }
	return sip.NewParser(sip.WithHeadersParsers(parsers), limit)
}

// structured are the headers that sipgo has types for; a plain header by one of these names is
// one that could not be read.
var structured = map[string]string{
	"via": "Via", "from": "From", "to": "To", "contact": "Contact", "call-id": "Call-ID",
	"cseq": "CSeq", "max-forwards": "Max-Forwards", "content-length": "Content-Length",
	"content-type": "Content-Type", "route": "Route", "record-route": "Record-Route",
	"refer-to": "Refer-To", "referred-by": "Referred-By",
}

var compact = map[string]string{
	"a": "Accept-Contact", "b": "Referred-By", "c": "Content-Type", "d": "Request-Disposition",
	"e": "Content-Encoding", "f": "From", "i": "Call-ID", "j": "Reject-Contact",
	"k": "Supported", "l": "Content-Length", "m": "Contact", "n": "Identity-Info",
	"o": "Event", "r": "Refer-To", "s": "Subject", "t": "To", "u": "Allow-Events",
	"x": "Session-Expires", "y": "Identity",
}

func viaLine(_ []byte, text string) (sip.Header, error) {
	if short := clipParts(text); short != text {
		return sip.NewHeader("Via", short), nil
	}
	if strings.IndexByte(text, ',') < 0 {
		if vias, err := parseVia(text); err == nil {
			return vias[0], nil
		}
	}
	return sip.NewHeader("Via", text), nil // expand takes it from here
}

func lenient(name string, parse sip.HeaderParser) sip.HeaderParser {
	return func(field []byte, text string) (sip.Header, error) {
		if short := clipParts(text); short != text {
			return sip.NewHeader(name, short), nil // sipgo parses it again when it is asked for
		}
		h, err := parse(field, text)
		if err != nil && err.Error() != "comma detected" || bareHeaders(name, text) {
			return sip.NewHeader(name, text), nil
		}
		tidy(h)
		return h, err
	}
}

// bareHeaders tells whether a URI stands without brackets and has headers, which leaves open
// what its parameters belong to (RFC 3261 §20, RFC 4475 §3.1.2.13).
func bareHeaders(name, text string) bool {
	switch name {
	case "From", "To", "Contact":
		return !strings.Contains(text, "<") && strings.Contains(text, "?")
	}
	return false
}

// clipParts cuts a header's value that has too many parts; what is left still has one too many,
// which is how expand knows it.
func clipParts(text string) string {
	n := 0
	for i := 0; i < len(text); i++ {
		if text[i] != ';' && text[i] != ',' {
			continue
		}
		if n++; n > maxParts {
			return text[:i+1]
		}
	}
	return text
}

// tidy takes off the white space that the grammar allows around a parameter's name and value
// (RFC 3261 §25.1) and sipgo leaves on, and lowers the names' case (§7.3.1).
func tidy(h sip.Header) {
	switch h := h.(type) {
	case *sip.FromHeader:
		h.Params = tidyParams(h.Params)
	case *sip.ToHeader:
		h.Params = tidyParams(h.Params)
	case *sip.ContactHeader:
		h.Params = tidyParams(h.Params)
	case *sip.CSeqHeader:
		h.MethodName = sip.RequestMethod(strings.TrimSpace(string(h.MethodName)))
	}
}

func tidyParams(params sip.HeaderParams) sip.HeaderParams {
	kept := params[:0]
	for _, kv := range params {
		key := strings.ToLower(strings.TrimSpace(kv.K))
		if key != "" {
			kept = append(kept, sip.HeaderKV{K: key, V: strings.TrimSpace(kv.V)})
		}
	}
	return kept
}

// parse reads a message. It returns nil for what cannot be answered either, and an error beside
// the message when it is not valid.
func (l *Layer) parse(b []byte) (sip.Message, error) {
	var msg sip.Message
	err := foul(b)
	if err == nil {
		msg, err = l.parser.ParseSIP(plainScheme(b))
		keepMethod(msg, b)
	}
	if errors.Is(err, sip.ErrParseReadBodyIncomplete) {
		// RFC 3261 §18.3: a datagram that ends before its body does gets 400.
		msg.SetBody(nil)
	} else if err != nil {
		if msg = l.salvage(b); msg == nil {
			return nil, err
		}
	}
	msg, bad := expand(msg)
	return msg, errors.Join(err, bad, check(msg))
}

// foul looks for floods before anything is built from them, and for the bytes by which one
// header could turn into two at the next hop.
func foul(b []byte) error {
	head, _, _ := bytes.Cut(b, headEnd)
	lines := bytes.Count(head, crlf)
	if lines > maxHeaders {
		return errors.New("too many headers")
	}
	if bytes.Count(head, []byte("\n")) != lines || bytes.IndexByte(head, 0) >= 0 {
		return errors.New("bare LF or NUL in a header")
	}
	line, _, _ := bytes.Cut(head, crlf)
	if bytes.Count(line, []byte(";"))+bytes.Count(line, []byte("&")) > maxParts {
		return errors.New("too many URI parameters")
	}
	return nil
}

// plainScheme makes the scheme of a Request-URI one that sipgo reads, which knows letters only,
// so that "soap.beep:" gets 416 and not 400 (RFC 4475 §3.3.3).
func plainScheme(b []byte) []byte {
	method, rest, _ := bytes.Cut(b, []byte(" "))
	scheme, _, ok := bytes.Cut(rest, []byte(":"))
	if !ok || len(scheme) > 64 || !isScheme(scheme) || bytes.IndexFunc(scheme, notLetter) < 0 {
		return b
	}
	return slices.Concat(method, []byte(" unknown"), rest[len(scheme):])
}

// isScheme: RFC 3261 §25.1 scheme.
func isScheme(s []byte) bool {
	for _, c := range s {
		if notLetter(rune(c)) && (c < '0' || c > '9') && c != '+' && c != '-' && c != '.' {
			return false
		}
	}
	return len(s) > 0 && !notLetter(rune(s[0]))
}

func notLetter(c rune) bool { return c|0x20 < 'a' || c|0x20 > 'z' }

// keepMethod gives a request its method as it was written, for methods are case-sensitive
// (RFC 3261 §7.1) and sipgo makes them upper case.
func keepMethod(msg sip.Message, b []byte) {
	if req, ok := msg.(*sip.Request); ok {
		method, _, _ := bytes.Cut(b, []byte(" "))
		if string(method) != string(req.Method) {
			req.Method = sip.RequestMethod(method)
		}
	}
}

// salvage reads what it can of a request that does not parse: enough for an answer.
func (l *Layer) salvage(b []byte) sip.Message {
	line, _, _ := bytes.Cut(b, crlf)
	method, _, ok := strings.Cut(string(line), " ")
	if !ok || !sipLine(line) || !isToken(method) {
		return nil
	}
	var out strings.Builder
	out.WriteString(method + " sip:invalid.invalid SIP/2.0\r\n")
	n := 0
	for h := range headerLines(b) {
		name, _, ok := strings.Cut(h, ":")
		if n++; n > maxHeaders {
			break
		}
		if !ok || !isToken(strings.TrimSpace(name)) || strings.ContainsAny(h, "\r\x00") {
			continue
		}
		if long := compact[strings.ToLower(strings.TrimSpace(name))]; long == "Content-Length" ||
			strings.EqualFold(strings.TrimSpace(name), "Content-Length") {
			continue // the body is not kept
		}
		out.WriteString(h + "\r\n")
	}
	out.WriteString("\r\n")
	msg, err := l.parser.ParseSIP([]byte(out.String()))
	if err != nil {
		return nil
	}
	keepMethod(msg, line)
	return msg
}

// isToken tells whether s is a token of RFC 3261 §25.1, as methods and header names are.
func isToken(s string) bool {
	for i := 0; i < len(s); i++ {
		c := s[i]
		if c <= ' ' || c >= 0x7f || strings.IndexByte("()<>@,;:\\\"/[]?={}", c) >= 0 {
			return false
		}
	}
	return s != ""
}

// expand makes a Via line with several hops into as many headers, and reports the headers that
// could not be read.
func expand(msg sip.Message) (sip.Message, error) {
	var bad error
	several := false
	for _, h := range headersOf(msg) {
		if !unread(h) {
			continue
		}
		if h.Name() == "Via" && strings.Count(h.Value(), ";")+strings.Count(h.Value(), ",") <= maxParts {
			vias, err := parseVia(h.Value())
			several = several || len(vias) > 0 // the hops that can be read are enough for an answer
			if err == nil {
				continue
			}
		}
		bad = errors.Join(bad, fmt.Errorf("malformed %s", h.Name()))
	}
	if !several {
		return msg, bad
	}
	return rebuild(msg), bad
}

func unread(h sip.Header) bool {
	switch h.(type) {
	case *sip.ViaHeader, *sip.FromHeader, *sip.ToHeader, *sip.ContactHeader, *sip.CallIDHeader,
		*sip.CSeqHeader, *sip.MaxForwardsHeader, *sip.ContentLengthHeader, *sip.ContentTypeHeader,
		*sip.RouteHeader, *sip.RecordRouteHeader, *sip.ReferToHeader, *sip.ReferredByHeader:
		return false
	}
	_, ok := structured[strings.ToLower(h.Name())]
	return ok
}

func headersOf(msg sip.Message) []sip.Header {
	switch m := msg.(type) {
	case *sip.Request:
		return m.Headers()
	case *sip.Response:
		return m.Headers()
	}
	return nil
}

func rebuild(msg sip.Message) sip.Message {
	var out sip.Message
	switch m := msg.(type) {
	case *sip.Request:
		req := sip.NewRequest(m.Method, m.Recipient)
		req.SipVersion = m.SipVersion
		out = req
	case *sip.Response:
		res := sip.NewResponse(m.StatusCode, m.Reason)
		res.SipVersion = m.SipVersion
		out = res
	}
	for _, h := range headersOf(msg) {
		var vias []*sip.ViaHeader
		if h.Name() == "Via" && unread(h) {
			vias, _ = parseVia(h.Value()) // expand has reported the error
		}
		if vias == nil {
			out.AppendHeader(h)
			continue
		}
		for _, via := range vias {
			out.AppendHeader(via)
		}
	}
	if body := msg.Body(); body != nil {
		out.SetBody(body)
	}
	return out
}
