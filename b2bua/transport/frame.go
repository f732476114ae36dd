package transport

import (
	"bytes"
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// Framing errors: after one of them the stream's next message cannot be found.
var (
	ErrTooLarge = errors.New("message too large")
	errGarbage  = errors.New("not SIP")
	errNoLength = errors.New("no Content-Length")
)

var crlf, headEnd = []byte("\r\n"), []byte("\r\n\r\n")

// framer cuts a stream into whole messages by Content-Length (RFC 3261 §18.3). sipgo's stream
// parser is not used: it takes a header folded across two reads for a broken one, and it loses
// its place at the first malformed header, which here is still answered.
type framer struct {
	max   int // bytes a message may have
	buf   []byte
	taken int // bytes of buf that earlier messages used up
	ends  int // line ends in a row between messages
	head  int // length of the head with its empty line, 0 when not yet complete
	total int // head and body
	seen  int // bytes of the head already searched for its end

	asked  bool // we have sent a ping: the next line end between messages is its pong
	ponged bool // it came
}

func (f *framer) write(b []byte) {
	if f.taken > 0 {
		n := copy(f.buf, f.buf[f.taken:])
		f.buf, f.taken = f.buf[:n], 0
	}
	f.buf = append(f.buf, b...)
}

// partial tells whether a message has begun and not ended.
func (f *framer) partial() bool { return len(f.buf) > f.taken }

// next takes one message off the stream, nil when there is none yet. pings counts the double
// line ends before it, each of which wants a pong (RFC 5626 §4.4.1). The message is valid until
// the next call. With an error, it is the head at fault, if there is one.
func (f *framer) next() (msg []byte, pings int, err error) {
	pings = f.skipLineEnds()
	rest := f.buf[f.taken:]
	if f.head == 0 {
		if err := f.findHead(rest); err != nil {
			return rest[:f.head], pings, err
		}
	}
	if f.head == 0 || len(rest) < f.total {
		return nil, pings, nil
	}
	msg = rest[:f.total:f.total]
	f.taken += f.total
	f.head, f.total, f.seen, f.ends = 0, 0, 0, 0
	if f.taken == len(f.buf) && cap(f.buf) > 16<<10 {
		f.buf, f.taken = nil, 0 // one large message must not cost memory for the connection's life
	}
	return msg, pings, nil
}

// skipLineEnds drops line ends between messages (RFC 3261 §7.5).
func (f *framer) skipLineEnds() (pings int) {
	for f.head == 0 && bytes.HasPrefix(f.buf[f.taken:], crlf) {
		f.taken += len(crlf)
		if f.asked {
			f.asked, f.ponged = false, true
			continue
		}
		if f.ends++; f.ends == 2 {
			pings, f.ends = pings+1, 0
		}
	}
	return pings
}

func (f *framer) findHead(rest []byte) error {
	if len(rest) == 0 {
		return nil
	}
	i := bytes.Index(rest[f.seen:], headEnd)
	if i < 0 {
		if line, _, ok := bytes.Cut(rest, crlf); ok && !sipLine(line) {
			return errGarbage
		}
		if len(rest) > f.max {
			return ErrTooLarge
		}
		f.seen = max(0, len(rest)-len(headEnd)+1)
		return nil
	}
	head := rest[:f.seen+i+len(headEnd)]
	if line, _, _ := bytes.Cut(head, crlf); !sipLine(line) {
		return errGarbage
	}
	f.head = len(head)
	body, err := contentLength(head)
	if err != nil {
		return err
	}
	if f.total = f.head + body; f.total > f.max {
		return ErrTooLarge
	}
	return nil
}

// sipLine tells whether a line can be a SIP start line at all, right or not.
func sipLine(line []byte) bool {
	line = bytes.TrimRight(line, " ") // RFC 4475 §3.1.2.10: answered 400
	if bytes.HasPrefix(line, []byte("SIP/")) {
		return true
	}
	i := bytes.LastIndexByte(line, ' ')
	return i > 0 && len(line) > i+4 && bytes.EqualFold(line[i+1:i+5], []byte("SIP/"))
}

// contentLength finds the body's length in a head.
func contentLength(head []byte) (int, error) {
	found := -1
	for line := range headerLines(head) {
		name, value, ok := strings.Cut(line, ":")
		if !ok {
			continue
		}
		name = strings.TrimSpace(name)
		if !strings.EqualFold(name, "Content-Length") && !strings.EqualFold(name, "l") {
			continue
		}
		n, err := strconv.ParseUint(strings.TrimSpace(value), 10, 31)
		if err != nil || (found >= 0 && found != int(n)) {
			return 0, fmt.Errorf("bad Content-Length %.20q", strings.TrimSpace(value))
		}
		found = int(n)
	}
	if found < 0 {
		return 0, errNoLength
	}
	return found, nil
}

// headerLines yields the lines after the start line, unfolded (RFC 3261 §7.3.1), up to the
// empty one.
func headerLines(head []byte) func(yield func(string) bool) {
	return func(yield func(string) bool) {
		_, rest, _ := bytes.Cut(head, []byte("\n"))
		var line []byte
		started := false
		for len(rest) > 0 {
			var raw []byte
			raw, rest, _ = bytes.Cut(rest, []byte("\n"))
			raw = bytes.TrimRight(raw, "\r")
			if started && len(raw) > 0 && (raw[0] == ' ' || raw[0] == '\t') {
				line = append(append(line, ' '), bytes.TrimSpace(raw)...)
				continue
			}
			if started && !yield(string(line)) {
				return
			}
			if len(raw) == 0 {
				return
			}
			line, started = append(line[:0], raw...), true
		}
		if started {
			yield(string(line))
		}
	}
}
