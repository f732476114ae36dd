package explain

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"tandem/store"
)

// findings are what was wrong, the worst first.
func (f *facts) findings() []Finding {
	out := []Finding{}
	for _, flag := range strings.Split(f.Call.Flags, ",") {
		if tell := f.teller(flag); tell != nil {
			x := tell()
			x.Flag = flag
			out = append(out, x)
		}
	}
	slices.SortStableFunc(out, func(a, b Finding) int { return cmp.Compare(gravity(a.Flag), gravity(b.Flag)) })
	for _, more := range []func() []Finding{f.failovers, f.badlyHeard, f.translated} {
		out = append(out, more()...)
	}
	return out
}

func (f *facts) teller(flag string) func() Finding {
	switch flag {
	case store.FlagScriptError:
		return f.scriptError
	case store.FlagSilent:
		return f.silent
	case store.FlagOneWay:
		return f.oneWay
	case store.FlagNoAck:
		return f.noACK
	case store.FlagMediaTimeout:
		return f.mediaTimeout
	case store.FlagSlowSetup:
		return f.slowSetup
	case store.FlagRetransmits:
		return f.repeated
	case store.FlagTranscoded:
		return f.transcoded
	}
	return nil
}

func gravity(flag string) int {
	return slices.Index([]string{store.FlagScriptError, store.FlagSilent, store.FlagOneWay, store.FlagNoAck,
		store.FlagMediaTimeout, store.FlagSlowSetup, store.FlagRetransmits, store.FlagTranscoded}, flag)
}

func (f *facts) scriptError() Finding {
	text := strings.Split(strings.TrimSpace(f.Call.ScriptError), "\n")
	for i := range text {
		text[i] = plain(strings.ReplaceAll(text[i], "\t", "  "))
	}
	return Finding{Text: "The script failed: " + strings.Join(text, "\n"), Check: "the script at the line that is named; `tandem check` finds many such errors before a call does"}
}

const checkMedia = "whether UDP gets through to [media] ports, by firewall and NAT; behind a NAT, [sip] advertise must be the address that phones see"

func (f *facts) silent() Finding {
	x := Finding{Text: "The call was silent: it was answered, and no audio packet came from either side.", Check: checkMedia}
	for i := range f.Legs {
		if l := &f.Legs[i]; l.AnswerMS > 0 && l.RxPackets == 0 {
			x.Text += " " + f.unheard(l)
		}
	}
	return x
}

func (f *facts) oneWay() Finding {
	x := Finding{Text: "One side could not be heard.", Check: checkMedia}
	for i := range f.Legs {
		l := &f.Legs[i]
		if l.AnswerMS == 0 || l.RxPackets > 0 {
			continue
		}
		x.Text = fmt.Sprintf("One-way audio: nothing was heard from %s.", f.name(l))
		if f.Legs[i].TxPackets > 0 {
			x.Text = fmt.Sprintf("One-way audio: %d packets went to %s and none came back.", l.TxPackets, f.name(l))
		}
		x.Text += " " + f.unheard(l)
	}
	for i := range f.Legs {
		if l := &f.Legs[i]; l.RxPackets > 0 {
			x.Text += fmt.Sprintf(" From %s %d packets came%s.", f.name(l), l.RxPackets, f.latched(l))
		}
	}
	return x
}

// unheard is the evidence about a leg from which no packet came: where its SDP said it was,
// beside where its signalling came from.
func (f *facts) unheard(l *store.Leg) string {
	at := f.wanted(l.Seq)
	if at == "" {
		return fmt.Sprintf("What %s promised in SDP is not in the timeline.", f.name(l))
	}
	text := fmt.Sprintf("In SDP %s promised to be at %s", f.name(l), at)
	if private(at) {
		text += ", a private address"
	}
	text += fmt.Sprintf("; its SIP went by %s.", plain(l.Remote))
	for _, t := range f.lines(l.Seq, store.EventMedia, "nothing was heard from it") {
		if _, strangers, ok := strings.Cut(t, ", and "); ok && strings.Contains(strangers, "packets from others") {
			text += " There were " + plain(strangers) + "."
		}
	}
	return text
}

// latched is where a leg's packets came from.
func (f *facts) latched(l *store.Leg) string {
	for _, t := range f.lines(l.Seq, store.EventMedia, "first RTP") {
		if _, from, ok := strings.Cut(t, " from "); ok {
			return ", from " + plain(from)
		}
	}
	return ""
}

func (f *facts) noACK() Finding {
	n := 0
	for _, m := range f.messages {
		if m.Sent && m.Code >= 200 && m.Code < 300 && m.Method == "INVITE" {
			n++
		}
	}
	return Finding{Text: fmt.Sprintf("The answer was never acknowledged: the 200 was sent %d times in 32 s and no ACK came, so the call was ended.", max(n, 1)),
		Check: "whether the far end can reach the address in our Contact: [sip] advertise, a proxy that does not record its route, a firewall"}
}

func (f *facts) mediaTimeout() Finding {
	after := ""
	for _, t := range f.lines(0, store.EventMedia, "no RTP from any side") {
		after = strings.TrimPrefix(t, "no RTP from any side")
	}
	return Finding{Text: "No audio came from any side any more" + plain(after) + ", so Tandem ended the call.",
		Check: "whether a phone lost its network or power; [media] timeout says how long is waited"}
}

// slowSetup divides the wait into what the script and what the far end took.
func (f *facts) slowSetup() Finding {
	c := &f.Call
	x := Finding{Text: fmt.Sprintf("The caller waited %s before it rang.", seconds(c.PDDMS))}
	dialled := int64(0)
	for _, l := range f.Legs {
		if l.Role != store.RoleA && l.InviteMS > 0 && (dialled == 0 || l.InviteMS < dialled) {
			dialled = l.InviteMS
		}
	}
	if dialled == 0 || dialled > c.StartMS+c.PDDMS {
		x.Text += " All of that was the script's: nobody was dialled before." + f.requests()
		x.Check = "what the script does before it rings or answers"
		return x
	}
	script := dialled - c.StartMS
	x.Text += fmt.Sprintf(" The script took %s of it before it dialled%s, the far end %s before it rang.", seconds(script), f.requests(), seconds(c.PDDMS-script))
	if 2*script > c.PDDMS {
		x.Check = "what the script asks before it dials; ring first, or ask meanwhile"
	} else {
		x.Check = "the far end, or the carrier beyond it: `tandem cdr stats --by trunk` shows whether it is always so"
	}
	return x
}

// requests are those that the script made while the caller waited.
func (f *facts) requests() string {
	var all []string
	for _, e := range f.Events {
		if e.Kind == store.EventHTTP && e.AtMS <= f.Call.StartMS+f.Call.PDDMS {
			all = append(all, plain(e.Text))
		}
	}
	if len(all) == 0 {
		return ""
	}
	return " (" + strings.Join(all, "; ") + ")"
}

func (f *facts) repeated() Finding {
	counts := map[string]int{}
	var order []string
	for _, m := range f.messages {
		if !m.Again {
			continue
		}
		m.Again = false
		who := "we sent "
		if !m.Sent {
			who = "we got "
		}
		key := who + m.Title()
		if l := f.leg(m.leg); l != nil {
			key += map[bool]string{true: " to ", false: " from "}[m.Sent] + f.name(l)
		}
		if counts[key]++; counts[key] == 1 {
			order = append(order, key)
		}
	}
	total := int64(0)
	for _, l := range f.Legs {
		total += l.Retransmissions
	}
	x := Finding{Text: fmt.Sprintf("%d messages were sent more than once.", total),
		Check: "whether packets are lost on that way, or the far end is slow; over UDP a message that grew beyond 1300 bytes may be dropped on the way"}
	if total == 1 {
		x.Text = "One message was sent more than once."
	}
	for _, key := range order {
		x.Text += fmt.Sprintf(" %d × %s again.", counts[key], key)
	}
	return x
}

func (f *facts) transcoded() Finding {
	var codecs []string
	for _, l := range f.Legs {
		if l.Codec != "" {
			codecs = append(codecs, f.name(&l)+" "+plain(l.Codec))
		}
	}
	return Finding{Text: "The two sides spoke different codecs (" + strings.Join(codecs, ", ") + "), so what they said was transcoded.",
		Check: "the codecs that both are offered: transcoding costs quality, delay and CPU"}
}

// failovers are trunk hosts, and targets of a name, that were passed over.
func (f *facts) failovers() []Finding {
	var out []Finding
	for _, e := range f.Events {
		if e.Kind == store.EventSIP && (strings.HasSuffix(e.Text, " is tried")) {
			out = append(out, Finding{Text: "Failover: " + plain(e.Text) + ".", Check: "the host that was passed over: `tandem trunks`"})
		}
	}
	return out
}

func (f *facts) badlyHeard() []Finding {
	var out []Finding
	for i := range f.Legs {
		l := &f.Legs[i]
		lines := f.lines(l.Seq, store.EventMedia, "heard badly")
		if len(lines) == 0 && (l.MOS == 0 || l.MOS >= 3.1) {
			continue
		}
		text := fmt.Sprintf("What came from %s was heard badly", f.name(l))
		if len(lines) > 0 {
			text += strings.TrimPrefix(plain(lines[0]), "heard badly")
		}
		out = append(out, Finding{Text: fmt.Sprintf("%s; over the whole call MOS %.1f, %d of %d packets lost, jitter %.0f ms.", text, l.MOS, l.Lost, l.Lost+l.RxPackets, l.JitterMS),
			Check: "the network between here and " + plain(l.Remote)})
	}
	return out
}

// translated are legs behind a NAT that media got through all the same.
func (f *facts) translated() []Finding {
	var out []Finding
	for i := range f.Legs {
		l := &f.Legs[i]
		at, from := f.wanted(l.Seq), strings.TrimPrefix(f.latched(l), ", from ")
		if at == "" || from == "" || host(at) == host(from) || !private(at) {
			continue
		}
		out = append(out, Finding{Text: fmt.Sprintf("There is a NAT before %s: its SDP says %s, its packets come from %s, and ours are sent there.", f.name(l), at, from)})
	}
	return out
}

func host(at string) string {
	a, err := netip.ParseAddrPort(at)
	if err != nil {
		return at
	}
	return a.Addr().Unmap().String()
}

func private(at string) bool {
	a, err := netip.ParseAddrPort(at)
	return err == nil && (a.Addr().Unmap().IsPrivate() || a.Addr().IsLinkLocalUnicast())
}
