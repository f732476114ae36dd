package store

import (
	"encoding/json"
	"fmt"
	"strconv"
)

// Kind is what a column holds and how its Go zero value is kept.
type Kind int

const (
	Text Kind = iota // string, never NULL
	Int              // int64, 0 is a value
	Opt              // int64, 0 is NULL
	Real             // float64, 0 is NULL
	JSON             // string with a JSON value, "" is NULL
)

// Field is a column of a row: its name, and a pointer to a string, int64 or float64.
type Field struct {
	Name string
	Kind Kind
	Ptr  any
}

// CallColumns names the columns of calls in order.
func CallColumns() []string { return names(new(Call).Fields()) }

// LegColumns names the columns of legs in order.
func LegColumns() []string { return names(new(Leg).Fields()) }

// EventColumns names the columns of events in order.
func EventColumns() []string { return names(new(Event).Fields()) }

func names(fields []Field) []string {
	out := make([]string, len(fields))
	for i, f := range fields {
		out[i] = f.Name
	}
	return out
}

// Value is what a database gets: a string, int64, float64, or nil for NULL.
func (f Field) Value() any {
	switch p := f.Ptr.(type) {
	case *int64:
		if *p == 0 && f.Kind == Opt {
			return nil
		}
		return *p
	case *float64:
		if *p == 0 {
			return nil
		}
		return *p
	case *string:
		if *p == "" && f.Kind == JSON {
			return nil
		}
		return *p
	}
	panic(fmt.Sprintf("store: column %s points to %T", f.Name, f.Ptr))
}

// String is what a CSV file gets: "" for NULL.
func (f Field) String() string {
	switch v := f.Value().(type) {
	case int64:
		return strconv.FormatInt(v, 10)
	case float64:
		return strconv.FormatFloat(v, 'f', -1, 64)
	case string:
		return v
	}
	return ""
}

func appendRow(b []byte, fields []Field) []byte {
	b = append(b, '{')
	for i, f := range fields {
		b = comma(b, i)
		b = append(b, '"')
		b = append(b, f.Name...)
		b = append(b, `":`...)
		b = appendValue(b, f)
	}
	return append(b, '}')
}

func appendValue(b []byte, f Field) []byte {
	switch v := f.Value().(type) {
	case int64:
		return strconv.AppendInt(b, v, 10)
	case float64:
		return strconv.AppendFloat(b, v, 'f', -1, 64)
	case string:
		if f.Kind == JSON && json.Valid([]byte(v)) {
			return append(b, v...)
		}
		q, err := json.Marshal(v)
		if err != nil { // a string always marshals
			panic(err)
		}
		return append(b, q...)
	}
	return append(b, "null"...)
}

func comma(b []byte, i int) []byte {
	if i > 0 {
		return append(b, ',')
	}
	return b
}

func readRow(b []byte, fields []Field) error {
	var raw map[string]json.RawMessage
	if err := json.Unmarshal(b, &raw); err != nil {
		return err
	}
	for _, f := range fields {
		v, ok := raw[f.Name]
		if !ok || string(v) == "null" {
			continue
		}
		if p, ok := f.Ptr.(*string); ok && f.Kind == JSON {
			*p = string(v)
			continue
		}
		if err := json.Unmarshal(v, f.Ptr); err != nil {
			return fmt.Errorf("%s: %w", f.Name, err)
		}
	}
	return nil
}

func readDetails(b []byte, r *Record) error {
	var d struct {
		Legs   []Leg   `json:"legs"`
		Events []Event `json:"events"`
	}
	if err := json.Unmarshal(b, &d); err != nil {
		return err
	}
	r.Legs, r.Events = d.Legs, d.Events
	return nil
}
