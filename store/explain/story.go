package explain

import (
	"fmt"
	"strings"
	"time"

	"tandem/store"
)

// story tells the call from its beginning to its end.
func (f *facts) story(zone *time.Location) []string {
	out := []string{f.beginning(zone)}
	if f.Call.Script != "" {
		out = append(out, fmt.Sprintf("The script %s decided about it.", plain(f.Call.Script)))
	}
	for i := range f.Legs {
		if l := &f.Legs[i]; l.Role != store.RoleA {
			out = append(out, f.attempt(l))
		}
	}
	for _, t := range f.lines(0, store.EventTransfer, "") {
		out = append(out, "Transfer: "+plain(t)+".")
	}
	return append(out, f.outcome()...)
}

func (f *facts) beginning(zone *time.Location) string {
	c := &f.Call
	who := plain(c.FromUser)
	if who == "" {
		who = plain(c.FromHost)
	}
	if c.FromDisplay != "" && c.FromDisplay != c.FromUser {
		who += " (" + plain(c.FromDisplay) + ")"
	}
	how := ""
	switch {
	case c.Trunk != "" && c.Direction == store.Inbound:
		how = ", by the trunk " + plain(c.Trunk)
	case c.AuthUser != "":
		how = ", as the user " + plain(c.AuthUser)
	}
	whom := plain(c.ToUser)
	if whom == "" {
		whom = plain(c.ToHost)
	}
	at := time.UnixMilli(c.StartMS).In(zone).Format("2006-01-02 at 15:04:05")
	return fmt.Sprintf("%s called %s on %s from %s%s.", who, whom, at, plain(c.Source), how)
}

// attempt tells what became of one leg that we dialled.
func (f *facts) attempt(l *store.Leg) string {
	var b strings.Builder
	b.WriteString(f.name(l))
	if l.Remote != "" {
		b.WriteString(" (" + plain(l.Remote) + ")")
	}
	b.WriteString(" was called " + later(l.InviteMS-f.Call.StartMS))
	if l.First18xMS > 0 {
		b.WriteString(", rang " + later(l.First18xMS-l.InviteMS))
	}
	switch {
	case l.AnswerMS > 0:
		b.WriteString(", and answered " + later(l.AnswerMS-l.InviteMS))
	case l.EndMS == 0:
		b.WriteString(", and has not answered yet")
	case l.SIPCode == 487:
		b.WriteString(", and was given up " + later(l.EndMS-l.InviteMS))
	case l.Reason == "moved":
		b.WriteString(", and goes on in another call")
	default:
		b.WriteString(fmt.Sprintf(", and did not take the call: %d %s", l.SIPCode, plain(l.Reason)))
	}
	return b.String() + "."
}

// outcome is how it ended, and by whom.
func (f *facts) outcome() []string {
	c := &f.Call
	length := later(c.DurationMS)
	switch c.State {
	case store.StateOpen:
		return []string{"The call is in progress; what follows is written when it ends."}
	case store.StateLost:
		return []string{"The server died while the call was up: this is what was known before."}
	case store.StateAnswered:
		return []string{
			fmt.Sprintf("It was answered %s and lasted %s from then on.", later(c.AnswerMS-c.StartMS), seconds(c.BillableMS)),
			f.whoEnded(),
		}
	case store.StateBusy:
		return []string{fmt.Sprintf("It ended %s: busy (%d).", length, c.SIPCode)}
	case store.StateNoAnswer:
		return []string{fmt.Sprintf("Nobody answered; it ended %s with %d. %s", length, c.SIPCode, meaning(c.SIPCode))}
	case store.StateCancelled:
		if c.RingMS > 0 {
			return []string{fmt.Sprintf("The caller gave up %s, while it rang.", length)}
		}
		return []string{fmt.Sprintf("The caller gave up %s, before it rang.", length)}
	}
	return []string{fmt.Sprintf("It failed %s with %d. %s", length, c.SIPCode, meaning(c.SIPCode))}
}

func (f *facts) whoEnded() string {
	switch f.Call.ReleasedBy {
	case store.ByCaller:
		return "The caller hung up."
	case store.ByCallee:
		return "The callee hung up."
	case store.ByScript:
		return "The script ended it."
	}
	return "Tandem ended it: a time-out, a shutdown or an operator."
}

// meaning is what a final status usually means, for a person.
func meaning(code int64) string {
	switch code {
	case 400:
		return "The message was not understood."
	case 401, 407:
		return "Credentials were asked for and not given, or were wrong."
	case 403:
		return "It is forbidden: wrong credentials, or a number that this caller may not call."
	case 404, 604:
		return "There is no such number: no script took the call, or the far end does not know it."
	case 408:
		return "The far end said nothing at all."
	case 480:
		return "The far end is not there or did not pick up."
	case 481:
		return "The far end had forgotten the call."
	case 482:
		return "The call came back to where it had been: a loop."
	case 484:
		return "The number is incomplete."
	case 488, 606:
		return "The two sides have no codec in common, or one demands encryption that the other refuses."
	case 500:
		return "Something broke: in the script, or at the far end."
	case 502, 504:
		return "A server further on did not answer as it should."
	case 503:
		return "Somebody had no room, or could not be reached."
	case 603:
		return "The call was declined."
	}
	return ""
}
