package b2bua

import (
	"bytes"
	"net"
	"strings"
	"sync/atomic"

	"github.com/emiago/sipgo/sip"

	"tandem/b2bua/transaction"
	"tandem/b2bua/transport"
	"tandem/media/sdp"
	"tandem/store"
)

// track notes what a leg says on the wire in the timeline of the call that it belongs to. It
// watches transactions, which outlive the call, so it holds nothing of it but the timeline.
type track struct {
	*timeline
	leg    int64       // its number in the call, from 1
	full   bool        // whole messages are kept
	hushed atomic.Bool // its keys are not to be told

	// guarded by the timeline's lock
	repeated int    // messages that were sent again, by either side
	acked    uint32 // the CSeq number of the last ACK of a 2xx received
	acking   uint32 // of the last one sent
}

// tell makes the leg's messages lines of c's timeline.
func (l *Leg) tell(c *Call) {
	l.track.Store(&track{timeline: c.timeline, leg: int64(l.seq) + 1, full: c.server.o.Trace})
}

// repeats counts the leg's messages that either side has sent again in this call.
func (l *Leg) repeats() int {
	k := l.track.Load()
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.repeated
}

// hidden tells whether keys that are pressed stay out of the timeline.
func (k *track) hidden() bool { return k.asking.Load() > 0 }

// hush keeps the leg's keys to itself, or no longer.
func (k *track) hush(on bool) { k.ask(&k.hushed, on) }

// Seen is called by transactions.
func (k *track) Seen(s transaction.Seen) { k.saw(s, "") }

// saw notes a message; peer is where an INVITE goes or comes from.
func (k *track) saw(s transaction.Seen, peer string) {
	k.mu.Lock()
	if s.Again {
		k.repeated++
	}
	k.begins(s)
	closed := k.closed
	k.mu.Unlock()
	if closed {
		return
	}
	m := store.SIPMessage{Sent: s.Sent, Again: s.Again, Method: string(s.Method), CSeq: s.Seq, Code: s.Code, Peer: peer}
	longest := longestLine
	switch msg := s.Msg.(type) {
	case *sip.Request:
		u := msg.Recipient
		u.Password = ""
		m.URI = u.String()
		m.SDP, m.Why = wantedAudio(msg.Body()), strings.Join(headersOf(msg, "Reason"), "; ")
	case *sip.Response:
		m.Phrase = msg.Reason
		m.SDP, m.Why = wantedAudio(msg.Body()), strings.Join(headersOf(msg, "Reason"), "; ")
	default:
		m.Phrase = Phrase(s.Code)
	}
	if k.full && s.Msg != nil {
		m.Full, longest = k.shown(s.Msg), longestTraced
	}
	k.add(k.leg, store.EventSIP, m.String(), longest)
	k.ends(s)
}

// begins notes what has to follow a message; the timeline's lock is held.
func (k *track) begins(s transaction.Seen) {
	switch {
	case !s.Sent || s.Again:
	case s.Method == sip.BYE && s.Code == 0:
		k.owes(owed{k.leg, sip.BYE, s.Seq})
	case s.Method == sip.CANCEL && s.Code == 0:
		k.owes(owed{k.leg, sip.CANCEL, s.Seq})
		k.owes(owed{k.leg, sip.INVITE, s.Seq}) // 487, and our ACK
	case s.Method == sip.INVITE && s.Code >= 300:
		k.owes(owed{k.leg, sip.ACK, s.Seq})
	}
}

// ends notes that what was begun is complete.
func (k *track) ends(s transaction.Seen) {
	switch {
	case s.Sent && s.Method == sip.ACK:
		k.came(owed{k.leg, sip.INVITE, s.Seq})
	case s.Sent:
	case s.Method == sip.ACK:
		k.came(owed{k.leg, sip.ACK, s.Seq})
	case s.Code >= 200 && s.Method != sip.INVITE:
		k.came(owed{k.leg, s.Method, s.Seq})
	}
}

// first is a track that says where an INVITE goes or comes from.
type first struct {
	*track
	peer string
}

// inviting watches an INVITE over f that begins a dialog.
func (k *track) inviting(f transport.Flow) transaction.Watcher {
	return first{k, string(f.Proto()) + ":" + f.Remote().String()}
}

func (w first) Seen(s transaction.Seen) {
	peer := ""
	if s.Method == sip.INVITE && s.Code == 0 {
		peer = w.peer
	}
	w.saw(s, peer)
}

// received notes the ACK of a 2xx, which is no transaction's.
func (k *track) received(ack *sip.Request) {
	k.sawACK(ack, false, &k.acked)
}

// sent notes an ACK of ours.
func (k *track) sent(ack *sip.Request) {
	k.sawACK(ack, true, &k.acking)
}

func (k *track) sawACK(ack *sip.Request, sent bool, before *uint32) {
	n := ack.CSeq().SeqNo
	k.mu.Lock()
	again := *before == n
	*before = n
	k.mu.Unlock()
	k.saw(transaction.Seen{Sent: sent, Again: again, Method: sip.ACK, Seq: n, Msg: ack}, "")
}

// shown is a message as the record may keep it: without credentials, keys of media, and what
// a caller was asked for in confidence.
func (k *track) shown(m sip.Message) string {
	head, body, _ := bytes.Cut(transport.Encode(m), []byte("\r\n\r\n"))
	var out strings.Builder
	for line := range strings.SplitSeq(string(head), "\r\n") {
		name, _, _ := strings.Cut(line, ":")
		switch strings.ToLower(strings.TrimSpace(name)) {
		case "authorization", "proxy-authorization", "authentication-info":
			line = name + ": …"
		}
		out.WriteString(line + "\n")
	}
	if len(body) == 0 {
		return out.String()
	}
	out.WriteString("\n")
	if k.hidden() && !bytes.HasPrefix(body, []byte("v=")) {
		out.WriteString("…\n")
		return out.String()
	}
	out.Write(bytes.ReplaceAll(sdp.Redact(body), []byte("\r\n"), []byte("\n")))
	return out.String()
}

// wantedAudio is where a session description wants its first stream: address, port, and the
// direction if it is not sendrecv. "" is no session description.
func wantedAudio(body []byte) string {
	at := bytes.Index(body, []byte("v=0"))
	if at < 0 {
		return ""
	}
	var host, port, direction string
	lines := 0
	for line := range bytes.SplitSeq(body[at:], []byte("\n")) {
		line = bytes.TrimRight(line, "\r")
		value, isC := bytes.CutPrefix(line, []byte("c="))
		media, isM := bytes.CutPrefix(line, []byte("m="))
		switch {
		case isC:
			if f := bytes.Fields(value); len(f) == 3 {
				host = string(f[2])
			}
		case isM && port != "":
			return joinWanted(host, port, direction)
		case isM:
			if f := bytes.Fields(media); len(f) >= 2 {
				port = string(f[1])
			}
		case bytes.Equal(line, []byte("a=sendonly")), bytes.Equal(line, []byte("a=recvonly")), bytes.Equal(line, []byte("a=inactive")):
			direction = string(line[2:])
		}
		if lines++; lines > 200 {
			break
		}
	}
	return joinWanted(host, port, direction)
}

func joinWanted(host, port, direction string) string {
	if host == "" || port == "" || len(host) > 64 || len(port) > 11 {
		return ""
	}
	host = strings.Map(func(r rune) rune {
		if strings.ContainsRune("0123456789abcdefABCDEF.:-ghijklmnopqrstuvwxyzGHIJKLMNOPQRSTUVWXYZ", r) {
			return r
		}
		return '?'
	}, host)
	if strings.IndexFunc(port, func(r rune) bool { return r < '0' || r > '9' }) >= 0 {
		return ""
	}
	if direction != "" {
		direction = " " + direction
	}
	return net.JoinHostPort(host, port) + direction
}
