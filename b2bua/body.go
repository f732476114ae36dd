package b2bua

import (
	"bytes"
	"errors"
	"io"
	"mime"
	"mime/multipart"
	"net/textproto"
	"strings"
)

const (
	sdpType = "application/sdp"
	// bodies are the types of body that a message about a session may have.
	bodies = sdpType + ", multipart/mixed, multipart/alternative, multipart/related"
)

// Bounds of a body of several parts.
const (
	maxNested = 4
	maxParts  = 32
)

// bodied is a message of either kind.
type bodied interface {
	headerSource
	Body() []byte
}

// description is the session description that a message carries, by itself or as one part of
// several (RFC 5621); nil where there is none. What else is in the message goes no further. The
// problem tells how to refuse a request with a body that must be understood and is not.
func description(m bodied) ([]byte, *problem) {
	body := m.Body()
	if len(body) == 0 {
		return nil, nil
	}
	p := part{body: body}
	p.kind, _ = headerOf(m, "Content-Type")
	p.disposition, _ = headerOf(m, "Content-Disposition")
	if enc, ok := headerOf(m, "Content-Encoding"); ok && !strings.EqualFold(enc, "identity") && !p.optional() {
		return nil, refuse(415, "", Header{"Accept", bodies}, Header{"Accept-Encoding", "identity"})
	} else if ok && !strings.EqualFold(enc, "identity") {
		return nil, nil
	}
	n := maxParts
	found, err := p.session(&n, maxNested)
	if err != nil {
		return nil, refuse(415, "", Header{"Accept", bodies}) // RFC 3261 §8.2.3
	}
	return found, nil
}

// session is description for messages that cannot be refused.
func session(m bodied) []byte {
	found, _ := description(m)
	return found
}

var (
	errNotUnderstood = errors.New("a body is not understood")
	errRequired      = errors.New("a body that must be understood is not")
)

// part is a body or one part of it.
type part struct {
	kind, disposition, encoding string
	body                        []byte
}

// session finds the session description in a part. n counts the parts that may still be looked
// at, depth how deep they may be nested.
func (p part) session(n *int, depth int) ([]byte, error) {
	if p.kind == sdpType && p.disposition == "" && p.encoding == "" {
		return p.body, nil
	}
	kind, params, err := mime.ParseMediaType(p.kind)
	if kind == "" {
		kind, _, _ = strings.Cut(p.kind, ";")
		kind = strings.ToLower(strings.TrimSpace(kind))
	}
	purpose, _, _ := strings.Cut(p.disposition, ";")
	purpose = strings.TrimSpace(purpose)
	switch {
	case kind == sdpType && unencoded(p.encoding) && (purpose == "" || strings.EqualFold(purpose, "session")):
		return p.body, nil
	case strings.HasPrefix(kind, "multipart/") && err == nil:
		found, err := p.among(params["boundary"], kind == "multipart/alternative", n, depth)
		if err != nil && p.optional() {
			return nil, nil
		}
		return found, err
	}
	return nil, p.unread()
}

// among looks at the parts of a multipart body: the first description counts or, of
// alternatives, the last, which is the best one (RFC 2046 §5.1.4).
func (p part) among(boundary string, alternatives bool, n *int, depth int) (found []byte, left error) {
	if depth == 0 || boundary == "" {
		return nil, errRequired
	}
	left = errRequired // there is no part at all
	r := multipart.NewReader(bytes.NewReader(p.body), boundary)
	for seen := false; ; seen = true {
		mp, err := r.NextRawPart()
		if errors.Is(err, io.EOF) && found != nil {
			return found, nil
		} else if errors.Is(err, io.EOF) {
			return nil, left
		}
		if *n--; err != nil || *n < 0 {
			return nil, errRequired
		}
		if !seen {
			left = nil
		}
		body, err := io.ReadAll(mp)
		if err != nil {
			return nil, errRequired
		}
		one, err := partOf(mp.Header, body).session(n, depth-1)
		switch {
		case errors.Is(err, errRequired) && !alternatives:
			return nil, err
		case err != nil:
			left = err
		case len(one) > 0 && (found == nil || alternatives):
			found = one
		}
	}
}

func partOf(h textproto.MIMEHeader, body []byte) part {
	kind := h.Get("Content-Type")
	if short := h.Get("c"); kind == "" {
		kind = short
	}
	return part{kind: kind, disposition: h.Get("Content-Disposition"), encoding: h.Get("Content-Transfer-Encoding"), body: body}
}

// unread is the error for a part that is not understood; nil where that does not matter.
//
// RFC 3261 §20.11 takes a part that does not say so for required. Beside a session description,
// where carriers and phones put what only some read (the ISUP message, the caller's place)
// without a word, a call is worth more: there only what is called required is.
func (p part) unread() error {
	switch handling := p.handling(); {
	case strings.EqualFold(handling, "optional"):
		return nil
	case strings.EqualFold(handling, "required"):
		return errRequired
	}
	return errNotUnderstood
}

func (p part) optional() bool { return strings.EqualFold(p.handling(), "optional") }

func (p part) handling() string {
	for param := range strings.SplitSeq(p.disposition, ";") {
		if k, v, _ := strings.Cut(strings.TrimSpace(param), "="); strings.EqualFold(strings.TrimSpace(k), "handling") {
			return strings.Trim(strings.TrimSpace(v), `"`)
		}
	}
	return ""
}

// unencoded reports whether bytes stand in a part as they are.
func unencoded(encoding string) bool {
	switch strings.ToLower(strings.TrimSpace(encoding)) {
	case "", "7bit", "8bit", "binary":
		return true
	}
	return false
}
