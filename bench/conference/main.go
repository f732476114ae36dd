// Command conference measures what mixing costs: the CPU of one process whose parties sit in
// rooms of ten, beside a process that merely relays the same packets in pairs, in the same
// run. G.711, 20 ms, a port a party. It fails when the bar is missed or packets are lost.
package main

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"text/tabwriter"
	"time"
)

const roomSize = 10

// bar is how much of a core 300 parties may take, two of each ten speaking.
const (
	bar      = 0.5
	roughBar = 1.5 // on a machine that others use at the same time
)

// setting is one line of the table.
type setting struct {
	name     string
	mode     string // relay, mix
	rate     int    // of the mix, Hz
	speaking int    // of each ten
	held     bool   // to the bar
}

func main() {
	short := flag.Bool("short", false, "a few seconds, with a bar that holds on a busy machine")
	length := flag.Duration("for", 10*time.Second, "how long each is measured")
	parties := flag.Int("parties", 300, "how many, a multiple of ten")
	child := flag.String("child", "", "be the process that is measured: relay or mix")
	rate := flag.Int("rate", 8000, "Hz of the mix")
	peer := flag.Int("peer", 0, "the port that it sends to")
	flag.Parse()
	var err error
	if *child != "" {
		err = serve(*child, *parties, *rate, uint16(*peer))
	} else {
		err = compare(*parties, *length, *short)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench-conference:", err)
		os.Exit(1)
	}
}

// compare measures the settings one after the other and prints a table.
func compare(parties int, length time.Duration, short bool) error {
	list := []setting{
		{"relayed in pairs", "relay", 0, 2, false},
		{"mixed at 8 kHz, 2 of 10 speak", "mix", 8000, 2, true},
		{"mixed at 8 kHz, all speak", "mix", 8000, 10, false},
		{"mixed at 16 kHz, 2 of 10 speak", "mix", 16000, 2, true},
		{"mixed at 48 kHz, 2 of 10 speak", "mix", 48000, 2, false},
	}
	most, loss := bar, 0.01
	if short { // others may keep the load from sending and reading in time
		list, length, most, loss = list[:2], 2*time.Second, roughBar, 0.5
	}
	w := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintf(w, "%d parties\tcores\tµs a packet in\tlost\t\n", parties)
	var missed []error
	for _, s := range list {
		m, err := measure(s, parties, length)
		if err != nil {
			return fmt.Errorf("%s: %w", s.name, err)
		}
		fmt.Fprintf(w, "%s\t%.3f\t%.2f\t%d\t\n", s.name, m.cores, m.micros, m.lost)
		if s.held && m.cores > most {
			missed = append(missed, fmt.Errorf("%s takes %.2f cores, more than %.2f", s.name, m.cores, most))
		}
		if float64(m.lost) > loss*float64(m.sent) {
			missed = append(missed, fmt.Errorf("%s loses %d of %d packets", s.name, m.lost, m.sent))
		}
	}
	return errors.Join(append(missed, w.Flush())...)
}
