package database

import (
	"fmt"
	"slices"
	"strings"
)

// statements are the words that a script's statement may begin with. What is missing would
// reach other files (ATTACH), outlive the statement on a connection that others use (SET,
// BEGIN, PREPARE, LISTEN) or not fit a statement with parameters (COPY).
var statements = []string{
	"select", "insert", "update", "delete", "with", "values", "table", "replace", "merge", "explain",
	"create", "drop", "alter", "truncate", "reindex", "analyze", "call", "pragma",
}

// Refused says why a statement was not even tried: scripts may not use it.
type Refused struct{ Why string }

func (r *Refused) Error() string { return r.Why }

// one checks that text is one statement of those that scripts may use, and returns it without
// the semicolon at its end and with the places of what stands there by number: "$2".
func one(text string) (string, []place, error) {
	if len(text) > maxSQL {
		return "", nil, &Refused{fmt.Sprintf("the statement has over %d KB", maxSQL>>10)}
	}
	if strings.ContainsRune(text, 0) {
		return "", nil, &Refused{"the statement holds a NUL byte"}
	}
	s := scanner{text: text}
	s.scan()
	switch {
	case s.unclosed != "":
		return "", nil, &Refused{s.unclosed + " is not closed"}
	case len(s.words) == 0:
		return "", nil, &Refused{"there is no statement"}
	case s.after && !s.isTrigger():
		return "", nil, &Refused{"only one statement at a time"}
	case !slices.Contains(statements, s.words[0]):
		return "", nil, &Refused{fmt.Sprintf("a statement cannot begin with %q here", s.words[0])}
	}
	if s.end >= 0 && !s.isTrigger() {
		text = text[:s.end]
	}
	return text, s.places, nil
}

// place is where a parameter stands: text[from:to].
type place struct{ from, to int }

// scanner finds what matters in a statement outside of quotes and comments.
type scanner struct {
	text     string
	at       int
	words    []string // the first few, in lower case
	end      int      // of the first statement, or -1
	after    bool     // something follows it
	places   []place
	unclosed string
}

func (s *scanner) scan() {
	s.end = -1
	for s.at < len(s.text) && s.unclosed == "" {
		c := s.text[s.at]
		rest := s.text[s.at:]
		switch {
		case c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == '\f' || c == '\v':
			s.at++
		case strings.HasPrefix(rest, "--"):
			if i := strings.IndexByte(rest, '\n'); i >= 0 {
				s.at += i
			} else {
				s.at = len(s.text)
			}
		case strings.HasPrefix(rest, "/*"):
			s.skip("*/", 2, "a comment")
		case c == ';':
			if s.end < 0 {
				s.end = s.at
			}
			s.at++
		default:
			s.after = s.after || s.end >= 0
			s.token(c, rest)
		}
	}
}

func (s *scanner) token(c byte, rest string) {
	switch {
	case c == '\'' || c == '"' || c == '`':
		s.skip(string(c), 1, "a quote") // a doubled one is two that stand side by side
	case c == '[':
		s.bracket()
	case c == '$' || c == '?':
		s.parameter()
	case isWord(c):
		s.word()
	default:
		s.at++
	}
}

// skip goes behind what closes; width is that of what opens.
func (s *scanner) skip(closing string, width int, what string) {
	i := strings.Index(s.text[s.at+width:], closing)
	if i < 0 {
		s.unclosed = what
		return
	}
	s.at += width + i + len(closing)
}

// bracket skips SQLite's [name]; PostgreSQL's array[1] has no name in it that could matter.
func (s *scanner) bracket() {
	if i := strings.IndexAny(s.text[s.at:], "]'\";"); i > 0 && s.text[s.at+i] == ']' {
		s.at += i + 1
		return
	}
	s.at++
}

// parameter notes "$12"; "$tag$ … $tag$" is a quote of PostgreSQL.
func (s *scanner) parameter() {
	i := s.at + 1
	for i < len(s.text) && s.text[i] >= '0' && s.text[i] <= '9' {
		i++
	}
	if s.text[s.at] == '$' && i > s.at+1 {
		s.places = append(s.places, place{s.at, i})
		s.at = i
		return
	}
	for i < len(s.text) && isWord(s.text[i]) {
		i++
	}
	if s.text[s.at] == '$' && i < len(s.text) && s.text[i] == '$' {
		tag := s.text[s.at : i+1]
		s.skip(tag, len(tag), "a quote")
		return
	}
	s.at = i
}

func (s *scanner) word() {
	i := s.at
	for i < len(s.text) && (isWord(s.text[i]) || s.text[i] == '$') {
		i++
	}
	if len(s.words) < 4 {
		s.words = append(s.words, strings.ToLower(s.text[s.at:i]))
	}
	s.at = i
}

// isTrigger tells CREATE [TEMP] TRIGGER, whose body has semicolons of its own. What follows
// its END is never run: one statement is prepared, and no more.
func (s *scanner) isTrigger() bool {
	return len(s.words) > 1 && s.words[0] == "create" && slices.Contains(s.words[1:min(len(s.words), 3)], "trigger")
}

func isWord(c byte) bool {
	return c == '_' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c >= 0x80
}

// numbered writes "$2" as "?2", which SQLite counts instead of naming.
func numbered(text string, places []place) string {
	if len(places) == 0 {
		return text
	}
	b := []byte(text)
	for _, p := range places {
		if p.to <= len(b) {
			b[p.from] = '?'
		}
	}
	return string(b)
}
