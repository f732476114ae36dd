// Package report writes call records for people (tables) and programs (JSON, CSV):
// what `tandem cdr` prints, and what an HTTP handler may send.
package report

import (
	"bufio"
	"encoding/csv"
	"encoding/json"
	"io"
	"time"

	"tandem/store"
)

// Format is how rows are written.
type Format string

const (
	Table Format = "table" // aligned, for people
	JSON  Format = "json"  // one array, one row a line, keys are the column names
	Lines Format = "jsonl" // as JSON, an object a line and no array around them
	CSV   Format = "csv"   // a header line, then a line a row
)

// Shorten gives the short ids that a table shows; store.Reader has it with a context.
type Shorten func(ids []string) ([]string, error)

// Calls writes records one after another; Close ends the output.
type Calls struct {
	out     *bufio.Writer
	format  Format
	zone    *time.Location
	shorten Shorten
	csv     *csv.Writer
	rows    int
	page    []store.Call // of a table, whose columns need to know their widths
}

// NewCalls writes to w. zone is that of a table's times; shorten may be nil.
func NewCalls(w io.Writer, f Format, zone *time.Location, shorten Shorten) *Calls {
	out := bufio.NewWriter(w)
	return &Calls{out: out, format: f, zone: zone, shorten: shorten, csv: csv.NewWriter(out)}
}

// Rows is the number of records written so far.
func (c *Calls) Rows() int { return c.rows }

// tablePage is how many rows of a table are aligned with each other.
const tablePage = 1000

// Write writes one record.
func (c *Calls) Write(row *store.Call) error {
	c.rows++
	switch c.format {
	case JSON:
		return c.writeJSON(row)
	case Lines:
		return c.writeLine(row)
	case CSV:
		if c.rows == 1 {
			if err := c.csv.Write(store.CallColumns()); err != nil {
				return err
			}
		}
		return c.csv.Write(cells(row.Fields()))
	}
	c.page = append(c.page, *row)
	if len(c.page) < tablePage {
		return nil
	}
	return c.flushTable()
}

func (c *Calls) writeJSON(row any) error {
	b, err := json.Marshal(row)
	if err != nil {
		return err
	}
	before := ",\n"
	if c.rows == 1 {
		before = "[\n"
	}
	if _, err := c.out.WriteString(before); err != nil {
		return err
	}
	_, err = c.out.Write(b)
	return err
}

func (c *Calls) writeLine(row *store.Call) error {
	b, err := json.Marshal(row)
	if err != nil {
		return err
	}
	_, err = c.out.Write(append(b, '\n'))
	return err
}

// Close writes what is left: the end of the array, the header of an empty file.
func (c *Calls) Close() error {
	switch c.format {
	case JSON:
		end := "\n]\n"
		if c.rows == 0 {
			end = "[]\n"
		}
		if _, err := c.out.WriteString(end); err != nil {
			return err
		}
	case CSV:
		if c.rows == 0 {
			if err := c.csv.Write(store.CallColumns()); err != nil {
				return err
			}
		}
		c.csv.Flush()
		if err := c.csv.Error(); err != nil {
			return err
		}
	case Table:
		if len(c.page) > 0 {
			if err := c.flushTable(); err != nil {
				return err
			}
		}
	}
	return c.out.Flush()
}

func cells(fields []store.Field) []string {
	out := make([]string, len(fields))
	for i, f := range fields {
		out[i] = f.String()
	}
	return out
}

// Record writes one call with legs and timeline. As JSON it is an array of that one row
// with two more keys, legs and events; as CSV the call's row alone.
func Record(w io.Writer, f Format, zone *time.Location, r store.Record) error {
	switch f {
	case JSON:
		c := NewCalls(w, JSON, zone, nil)
		c.rows = 1
		if err := c.writeJSON(r); err != nil {
			return err
		}
		return c.Close()
	case CSV:
		c := NewCalls(w, CSV, zone, nil)
		if err := c.Write(&r.Call); err != nil {
			return err
		}
		return c.Close()
	}
	return recordTable(w, zone, r)
}
