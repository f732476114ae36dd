package explain

import (
	"bufio"
	"fmt"
	"io"
	"strings"
	"time"

	"tandem/store"
)

// Options say how a report and its ladder are shown.
type Options struct {
	Zone  *time.Location // of the times in the text
	Width int            // of the terminal, in characters; 100 if 0
	Color bool
}

// Write explains a record to a person: the words, then the ladder.
func Write(w io.Writer, r store.Record, o Options) error {
	if o.Width <= 0 {
		o.Width = 100
	}
	if o.Zone == nil {
		o.Zone = time.UTC
	}
	out := bufio.NewWriter(w)
	report := Explain(r, o.Zone)
	fmt.Fprintf(out, "Call %s\n\n", plain(r.Call.ID))
	for _, s := range report.Story {
		paragraph(out, "", s, o.Width)
	}
	fmt.Fprintln(out)
	if len(report.Findings) == 0 && r.Call.State == store.StateAnswered {
		fmt.Fprintln(out, "Nothing was wrong with it.")
	}
	for _, x := range report.Findings {
		mark := "- "
		if x.Flag != "" {
			mark = paint(o, red, "! ")
		}
		fmt.Fprint(out, mark)
		paragraph(out, "  ", x.Text, o.Width)
		if x.Check != "" {
			fmt.Fprint(out, "  ")
			paragraph(out, "  ", "Check "+x.Check+".", o.Width)
		}
	}
	if len(r.Events) == 0 {
		fmt.Fprintln(out, "\nThere is no timeline to draw: [store] events is off, or the call is not over.")
		return out.Flush()
	}
	fmt.Fprintln(out)
	read(r).ladder(out, o)
	return out.Flush()
}

// paragraph writes text in lines of at most width, all but the first indented. Lines of its
// own, as a traceback has, stay.
func paragraph(out io.Writer, indent, text string, width int) {
	for i, part := range strings.Split(text, "\n") {
		if i > 0 {
			fmt.Fprint(out, indent)
		}
		used := len(indent)
		for j, word := range strings.Split(part, " ") {
			n := len([]rune(word))
			switch {
			case j == 0:
			case used+1+n > width:
				fmt.Fprint(out, "\n"+indent)
				used = len(indent)
			default:
				fmt.Fprint(out, " ")
				used++
			}
			fmt.Fprint(out, word)
			used += n
		}
		fmt.Fprintln(out)
	}
}

type color string

const (
	red    color = "31"
	green  color = "32"
	yellow color = "33"
	cyan   color = "36"
	dim    color = "2"
)

func paint(o Options, c color, s string) string {
	if !o.Color || c == "" {
		return s
	}
	return "\x1b[" + string(c) + "m" + s + "\x1b[0m"
}
