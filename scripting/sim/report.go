package sim

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
)

// SpecResult is how one spec went.
type SpecResult struct {
	File         string   `json:"file"`
	Line         int      `json:"line"` // where it failed, else where it stands
	Name         string   `json:"name"` // with those of its groups before it
	Passed       bool     `json:"passed"`
	Milliseconds float64  `json:"ms"`
	Error        string   `json:"error,omitempty"`
	Timeline     []string `json:"timeline,omitempty"` // of one that failed
	Printed      []string `json:"printed,omitempty"`
}

// reporter is told of each spec, and prints.
type reporter interface {
	begin(file string)
	printed(line string)
	spec(SpecResult)
	end() (Result, error)
}

// textReport is for people: what failed, and a line for each file.
type textReport struct {
	out     io.Writer
	verbose bool
	file    string
	inFile  Result
	total   Result
}

func (r *textReport) begin(file string) {
	r.close()
	r.file, r.inFile = file, Result{}
	if r.verbose {
		fmt.Fprintln(r.out, file)
	}
}

func (r *textReport) printed(line string) { fmt.Fprintln(r.out, line) }

func (r *textReport) spec(s SpecResult) {
	if s.Passed {
		r.inFile.Passed++
		if r.verbose {
			fmt.Fprintf(r.out, "  ✓ %s (%.0f ms)\n", s.Name, s.Milliseconds)
		}
		return
	}
	r.inFile.Failed++
	fmt.Fprintf(r.out, "  ✗ %s\n", s.Name)
	for line := range strings.SplitSeq(s.Error, "\n") {
		fmt.Fprintln(r.out, "      "+line)
	}
	for _, line := range s.Timeline {
		fmt.Fprintln(r.out, "      "+line)
	}
}

// close ends a file.
func (r *textReport) close() {
	if r.file == "" {
		return
	}
	r.total.Passed += r.inFile.Passed
	r.total.Failed += r.inFile.Failed
	switch {
	case r.verbose || r.inFile == Result{}:
	case r.inFile.Failed > 0:
		fmt.Fprintf(r.out, "✗ %s: %d passed, %d failed\n", r.file, r.inFile.Passed, r.inFile.Failed)
	default:
		fmt.Fprintf(r.out, "✓ %s: %d passed\n", r.file, r.inFile.Passed)
	}
}

func (r *textReport) end() (Result, error) {
	r.close()
	_, err := fmt.Fprintf(r.out, "%d passed, %d failed\n", r.total.Passed, r.total.Failed)
	return r.total, err
}

// jsonReport is for programs: one object with all specs.
type jsonReport struct {
	out io.Writer
	Result
	Specs []SpecResult `json:"specs"`
	lines []string
}

func (r *jsonReport) begin(string) {}

func (r *jsonReport) printed(line string) { r.lines = append(r.lines, line) }

func (r *jsonReport) spec(s SpecResult) {
	s.Printed, r.lines = r.lines, nil
	if s.Passed {
		r.Passed++
	} else {
		r.Failed++
	}
	r.Specs = append(r.Specs, s)
}

func (r *jsonReport) end() (Result, error) {
	e := json.NewEncoder(r.out)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	return r.Result, e.Encode(r)
}
