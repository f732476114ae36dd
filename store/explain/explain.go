// Package explain tells in plain words how a recorded call went and what was wrong with it,
// and draws its ladder: who sent what to whom, with what the script did meanwhile. It reads
// nothing but the record.
package explain

import (
	"fmt"
	"strings"
	"time"
	"unicode"

	"tandem/store"
)

// Report is what there is to say about a call.
type Report struct {
	// Story is what happened, in order, a sentence or two each.
	Story []string `json:"story"`
	// Findings are what was wrong or worth knowing, the worst first.
	Findings []Finding `json:"findings"`
}

// Finding is one thing that was wrong.
type Finding struct {
	Flag  string `json:"flag"`  // of the record, "" for what has none
	Text  string `json:"text"`  // what was wrong, and what shows it
	Check string `json:"check"` // where to look next, "" if there is nothing to do
}

// Explain reads a record; zone is that of the times it names.
func Explain(r store.Record, zone *time.Location) Report {
	f := read(r)
	return Report{Story: f.story(zone), Findings: f.findings()}
}

// message is an event that tells of a SIP message.
type message struct {
	store.SIPMessage
	at  int64
	leg int64
}

// facts are a record with its messages read.
type facts struct {
	store.Record
	messages []message
}

func read(r store.Record) *facts {
	f := &facts{Record: r}
	for _, e := range r.Events {
		if e.Kind != store.EventSIP {
			continue
		}
		if m, ok := store.ParseSIPMessage(e.Text); ok {
			f.messages = append(f.messages, message{m, e.AtMS, e.Leg})
		}
	}
	return f
}

// name is what a leg is called in a sentence.
func (f *facts) name(l *store.Leg) string {
	if l.Role == store.RoleA {
		return "the caller"
	}
	if l.Target == "" {
		return "leg " + fmt.Sprint(l.Seq)
	}
	return plain(l.Target)
}

func (f *facts) leg(seq int64) *store.Leg {
	for i := range f.Legs {
		if f.Legs[i].Seq == seq {
			return &f.Legs[i]
		}
	}
	return nil
}

// wanted is where a leg's far end asked for audio, as its last session description says.
func (f *facts) wanted(seq int64) string {
	at := ""
	for _, m := range f.messages {
		if m.leg == seq && !m.Sent && m.SDP != "" {
			at, _, _ = strings.Cut(m.SDP, " ")
		}
	}
	return at
}

// lines are the texts of events of a kind about a leg that begin so; leg 0 is all legs.
func (f *facts) lines(leg int64, kind, prefix string) []string {
	var out []string
	for _, e := range f.Events {
		if e.Kind == kind && (leg == 0 || e.Leg == leg) && strings.HasPrefix(e.Text, prefix) {
			out = append(out, e.Text)
		}
	}
	return out
}

// later is seconds for what happened that long after something else.
func later(ms int64) string {
	if ms < 10 {
		return "at once"
	}
	return "after " + seconds(ms)
}

// seconds writes a span in ms as people say it.
func seconds(ms int64) string {
	switch {
	case ms < 1000:
		return fmt.Sprintf("%d ms", ms)
	case ms < 60_000:
		return strings.TrimSuffix(fmt.Sprintf("%.1f", float64(ms)/1000), ".0") + " s"
	}
	return (time.Duration(ms/1000) * time.Second).String()
}

// plain keeps what strangers wrote from steering a terminal, and short.
func plain(s string) string {
	s = strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		return '?'
	}, s)
	const most = 200
	if r := []rune(s); len(r) > most {
		s = string(r[:most]) + "…"
	}
	return s
}
