package main

import (
	"fmt"
	"strings"

	"tandem/web"
)

type statusCmd struct{ formatFlag }

// Run shows how a running server is.
func (s *statusCmd) Run(a *app) error {
	c, err := a.client()
	if err != nil {
		return err
	}
	st, err := c.Status(a.ctx)
	if err != nil {
		return err
	}
	return s.show(a.stdout, st, func(row func(...any)) { statusTable(st, row) })
}

func statusTable(st web.Status, row func(...any)) {
	state := "running"
	if st.Draining {
		state = "draining, takes no new calls"
	}
	row("server", fmt.Sprintf("%s, tandem %s (%s), up %s", state, st.Version, st.Commit, span(st.UptimeMS)))
	row("sip", strings.Join(st.SIP, ", "))
	row("http", st.HTTP)
	calls := fmt.Sprint(st.Calls)
	if st.CallsLimit > 0 {
		calls = fmt.Sprintf("%d of at most %d", st.Calls, st.CallsLimit)
	}
	row("calls", calls)
	row("dialogs", st.Dialogs)
	if st.Merged+st.Resent > 0 {
		row("", fmt.Sprintf("%s sent again for want of an answer, %s came twice", count(int(st.Resent), "message"), count(int(st.Merged), "request")))
	}
	row("registrations", st.Registrations)
	row("banned", banLine(st))
	for _, b := range st.Bans[:min(len(st.Bans), bansListed)] {
		row("", fmt.Sprintf("%s until %s, %s", b.Source, clockTime(b.UntilMS), banReason(b)))
	}
	row("media ports", fmt.Sprintf("%d used, %d free", st.Media.PortsUsed, st.Media.PortsFree))
	row("store", storeLine(st.Store))
	row("scripts", fmt.Sprintf("%s of %s: %s", generationName(st.Scripts.Generation, st.Scripts.Again), folderName(st.Scripts.Dir), strings.Join(st.Scripts.Files, ", ")))
	if line := generationsLine(st.Scripts); line != "" {
		row("", line)
	}
	if len(st.Scripts.Errors) > 0 {
		row("", "the last reload failed, the generation above stays in force:")
	}
	for _, e := range st.Scripts.Errors {
		row("", e.Error())
	}
	for _, e := range st.Scripts.Warnings {
		row("", "warning: "+e.Error())
	}
	if st.Panics > 0 {
		row("panics", fmt.Sprintf("%d caught: please report them with the log", st.Panics))
	}
}

// generationsLine tells how many calls each generation still serves, when there are several.
func generationsLine(s web.ScriptsStatus) string {
	if len(s.Generations) < 2 {
		return ""
	}
	parts := make([]string, len(s.Generations))
	for i, g := range s.Generations {
		parts[i] = fmt.Sprintf("%s on generation %d", count(int(g.Calls), "call"), g.ID)
	}
	return strings.Join(parts, ", ")
}

// bansListed bounds the bans in the table.
const bansListed = 10

func banLine(st web.Status) string {
	if st.Banned > bansListed {
		return fmt.Sprintf("%d sources, the latest:", st.Banned)
	}
	if st.Banned == 0 {
		return "nobody"
	}
	return count(st.Banned, "source")
}

func storeLine(s web.StoreStatus) string {
	line := fmt.Sprintf("%s, %s written", s.URL, count(int(s.Written), "record"))
	if s.Spooled > 0 {
		line += fmt.Sprintf(", %d in the spool", s.Spooled)
	}
	if s.Queued > 0 {
		line += fmt.Sprintf(", %d waiting", s.Queued)
	}
	if s.Dropped > 0 {
		line += fmt.Sprintf(", %d LOST", s.Dropped)
	}
	if s.Error != "" {
		line += ", FAILING: " + s.Error
	}
	return line
}

func folderName(dir string) string {
	if dir == "" {
		return "the shipped scripts"
	}
	return dir
}
