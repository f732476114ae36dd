// Package trace copies the SIP messages of a server, secrets masked, to those who look: people
// at a terminal, and files that Wireshark opens.
package trace

import (
	"bytes"
	"net/netip"
	"sync"
	"time"

	"tandem/media/sdp"
)

// Message is one that was received or sent.
type Message struct {
	At            time.Time
	Sent          bool   // by us; else received
	Proto         string // udp, tcp, tls, ws, wss
	Local, Remote netip.AddrPort
	Text          []byte // as on the wire, secrets masked
}

// room is how many messages a watcher may be behind.
const room = 4096

// Hub hands messages to watchers. It costs nothing while nobody looks.
type Hub struct {
	tap func(on bool) // turns the source of messages on and off

	mu       sync.Mutex
	watchers map[*Watcher]struct{}
}

// New makes a hub. tap is called with true when the first watcher comes and with false when the
// last has gone.
func New(tap func(on bool)) *Hub { return &Hub{tap: tap, watchers: map[*Watcher]struct{}{}} }

// Watcher gets all messages from Watch until Stop.
type Watcher struct {
	C   <-chan Message
	in  chan Message
	hub *Hub

	lost int // guarded by the hub's lock
}

// Watch begins to hand out messages.
func (h *Hub) Watch() *Watcher {
	in := make(chan Message, room)
	w := &Watcher{C: in, in: in, hub: h}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.watchers[w] = struct{}{}
	if len(h.watchers) == 1 {
		h.tap(true)
	}
	return w
}

// Stop ends it; a second Stop does nothing.
func (w *Watcher) Stop() {
	w.hub.mu.Lock()
	defer w.hub.mu.Unlock()
	if _, ok := w.hub.watchers[w]; !ok {
		return
	}
	delete(w.hub.watchers, w)
	if len(w.hub.watchers) == 0 {
		w.hub.tap(false)
	}
}

// Lost is how many messages came too fast for this watcher.
func (w *Watcher) Lost() int {
	w.hub.mu.Lock()
	defer w.hub.mu.Unlock()
	return w.lost
}

// Put hands a message to all watchers. It copies the text and never blocks.
func (h *Hub) Put(m Message) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if len(h.watchers) == 0 || len(bytes.TrimSpace(m.Text)) == 0 { // a keep-alive
		return
	}
	m.Text = Mask(m.Text)
	for w := range h.watchers {
		select {
		case w.in <- m:
		default:
			w.lost++
		}
	}
}

// secretHeaders are those whose value lets somebody else log in, or tells a password's hash.
var secretHeaders = [][]byte{[]byte("authorization:"), []byte("proxy-authorization:"), []byte("authentication-info:")}

// Mask copies a message with asterisks in place of credentials, of the keys of SRTP and of the
// password of ICE. It stays as long as it was.
func Mask(message []byte) []byte {
	out := bytes.Clone(message)
	head := len(out)
	if i := bytes.Index(out, []byte("\r\n\r\n")); i >= 0 {
		head = i
	}
	secret := false
	for from := 0; from < head; {
		to := head
		if i := bytes.Index(out[from:head], []byte("\r\n")); i >= 0 {
			to = from + i
		}
		line := out[from:to]
		if len(line) > 0 && line[0] != ' ' && line[0] != '\t' { // else the header before goes on
			secret = false
			name := bytes.ToLower(bytes.ReplaceAll(line[:min(len(line), 40)], []byte(" "), nil))
			for _, h := range secretHeaders {
				if bytes.HasPrefix(name, h) {
					secret = true
					line = line[bytes.IndexByte(line, ':')+1:]
				}
			}
		}
		if secret {
			for i := range line {
				if line[i] != ' ' {
					line[i] = '*'
				}
			}
		}
		from = to + 2
	}
	return sdp.Redact(out)
}

// CallID is the Call-ID of a message; "" if it has none.
func CallID(message []byte) string {
	for line := range bytes.SplitSeq(message, []byte("\r\n")) {
		if len(line) == 0 {
			break
		}
		name, value, ok := bytes.Cut(line, []byte(":"))
		if n := bytes.ToLower(bytes.TrimSpace(name)); ok && (string(n) == "call-id" || string(n) == "i") {
			return string(bytes.TrimSpace(value))
		}
	}
	return ""
}
