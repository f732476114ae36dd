package explain

import (
	"fmt"
	"io"
	"strings"

	"tandem/store"
)

// ladder draws the messages between the caller, Tandem and those it dialled, and between them
// what the script did, all on one axis of time.
func (f *facts) ladder(out io.Writer, o Options) {
	g := f.grid(o)
	fmt.Fprintln(out, g.header())
	for i, e := range f.Events {
		at := e.AtMS - f.Call.StartMS
		if i > 0 && e.AtMS-f.Events[i-1].AtMS >= pause {
			fmt.Fprintln(out, strings.Repeat(" ", timeWidth)+g.blank())
		}
		stamp := fmt.Sprintf("%*s ", timeWidth-1, fmt.Sprintf("%.3f", float64(at)/1000))
		if m, ok := store.ParseSIPMessage(e.Text); ok && e.Kind == store.EventSIP && g.column(e.Leg) >= 0 {
			fmt.Fprintln(out, stamp+g.arrow(m, g.column(e.Leg)))
			continue
		}
		fmt.Fprintln(out, stamp+g.note(e))
	}
}

const (
	timeWidth = 10
	narrowest = 22
	widest    = 36
	pause     = 2000 // ms without a line, shown as a gap
)

// grid is where the lifelines stand: the caller's, ours, and one for each other leg as far as
// there is room; the legs beyond share the last one.
type grid struct {
	o     Options
	names []string
	at    []int // of each lifeline
	end   int
	of    map[int64]int // leg → its lifeline
}

func (f *facts) grid(o Options) *grid {
	g := &grid{o: o, of: map[int64]int{}}
	caller := plain(f.Call.FromUser)
	if caller == "" {
		caller = "caller"
	}
	g.names = []string{caller, "tandem"}
	room := (o.Width - timeWidth - 1) / narrowest // lanes
	for i := range f.Legs {
		l := &f.Legs[i]
		switch {
		case l.Seq == 1:
			g.of[l.Seq] = 0
		case len(g.names) <= max(1, room):
			g.of[l.Seq] = len(g.names)
			g.names = append(g.names, f.name(l))
		default:
			last := len(g.names) - 1
			g.of[l.Seq] = last
			g.names[last] = "others"
		}
	}
	if len(f.Legs) == 0 {
		g.of[1] = 0
	}
	lane := min(widest, max(narrowest, (o.Width-timeWidth-1)/(len(g.names)-1)))
	for i := range g.names {
		g.at = append(g.at, i*lane)
	}
	g.end = max(g.at[len(g.at)-1]+1, o.Width-timeWidth)
	return g
}

func (g *grid) column(leg int64) int {
	if n, ok := g.of[leg]; ok && n != 1 {
		return n
	}
	return -1
}

func (g *grid) header() string {
	line := []rune(strings.Repeat(" ", timeWidth+g.end))
	for i, name := range g.names {
		most := g.end - g.at[i]
		if i+1 < len(g.at) {
			most = g.at[i+1] - g.at[i] - 2
		}
		put(line, timeWidth+g.at[i], cut(name, most))
	}
	return strings.TrimRight(string(line), " ")
}

// lifelines is an empty row.
func (g *grid) lifelines() []rune {
	line := []rune(strings.Repeat(" ", g.end))
	for _, x := range g.at {
		line[x] = '|'
	}
	return line
}

func (g *grid) blank() string {
	line := g.lifelines()
	for _, x := range g.at {
		line[x] = ':'
	}
	return paint(g.o, dim, strings.TrimRight(string(line), " "))
}

// arrow is a message between us and the leg at a lifeline. It passes those between.
func (g *grid) arrow(m store.SIPMessage, to int) string {
	line := g.lifelines()
	left, right := g.at[1], g.at[to]
	rightwards := m.Sent
	if to == 0 {
		left, right, rightwards = g.at[0], g.at[1], !m.Sent
	}
	for x := left + 1; x < right; x++ {
		line[x] = '-'
	}
	if rightwards {
		line[right-1] = '>'
	} else {
		line[left+1] = '<'
	}
	lane := g.at[1] - g.at[0]
	title := cut(plain(m.Title()), lane-6)
	// The name stands in the lane beside the leg.
	from := right - lane
	put(line, from+(lane-len([]rune(title)))/2+1, title)
	text := strings.TrimRight(string(line), " ")
	return paint(g.o, colorOf(m), text)
}

func colorOf(m store.SIPMessage) color {
	switch {
	case m.Again:
		return yellow
	case m.Code == 0:
		return cyan
	case m.Code < 200:
		return ""
	case m.Code < 300:
		return green
	}
	return red
}

// note is what is no message: it begins at our lifeline, or at the leg's that it is about.
func (g *grid) note(e store.Event) string {
	line := g.lifelines()
	first, _, _ := strings.Cut(e.Text, "\n")
	text := e.Kind + ": " + plain(first)
	column := 1
	if n := g.column(e.Leg); n >= 0 {
		text = "[" + g.names[n] + "] " + text
	}
	x := g.at[column] + 2
	if g.end-x < len([]rune(text)) { // more room on the left
		x = g.at[0] + 2
	}
	text = cut(text, g.end-x)
	put(line, x-1, " "+text+" ")
	return paint(g.o, dim, strings.TrimRight(string(line), " "))
}

// put writes text over a line, as far as there is line.
func put(line []rune, x int, text string) {
	for i, r := range []rune(text) {
		if x+i >= 0 && x+i < len(line) {
			line[x+i] = r
		}
	}
}

func cut(s string, most int) string {
	r := []rune(s)
	if len(r) <= most {
		return s
	}
	if most < 1 {
		return ""
	}
	return string(r[:most-1]) + "…"
}
