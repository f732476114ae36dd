package sim

import (
	"fmt"

	lua "github.com/yuin/gopher-lua"

	"tandem/b2bua/phone"
	"tandem/scripting"
	"tandem/store"
)

// dials waits until the server calls a target, on behalf of whatever call or of none.
func (w *world) dials(target string) (*callee, error) {
	p, fits, err := w.dialled(target)
	if err != nil {
		return nil, err
	}
	for _, c := range w.calls {
		if err := c.act(); err != nil {
			return nil, err
		}
	}
	var in *phone.Call
	_, err = w.until(dialLimit, func() bool {
		in = p.take(fits)
		return in != nil
	})
	switch {
	case err != nil:
		return nil, err
	case in == nil:
		return nil, fmt.Errorf("%s was not dialled within %v", target, dialLimit)
	}
	return &callee{c: &call{w: w}, party: p, in: in, target: target}, nil
}

func (f *file) simDials(L *lua.LState) int {
	l, err := f.world(L).dials(L.CheckString(1))
	check(L, err)
	L.Push(f.object("SimCallee", l))
	return 1
}

// byLeg finds the finished record of a call by the Call-ID of one of its legs.
func (r *records) byLeg(callID string) (store.Record, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, rec := range r.finished {
		for _, l := range rec.Legs {
			if l.SIPCallID == callID {
				return rec, true
			}
		}
	}
	return store.Record{}, false
}

func (f *file) calleeRecord(L *lua.LState, object any) lua.LValue {
	l := object.(*callee)
	check(L, l.c.act())
	var rec store.Record
	var found bool
	_, err := l.c.w.until(endLimit, func() bool {
		rec, found = l.c.w.records.byLeg(l.in.CallID())
		return found
	})
	check(L, err)
	if !found {
		L.RaiseError("the record of the call to %s was not finished within %v", l.target, endLimit)
	}
	return scripting.RecordTable(&rec.Call)
}
