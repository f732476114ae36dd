package store

// Times (…_ms) are milliseconds since 1970 in UTC, durations are milliseconds; where a
// field says "0 = none" the store keeps NULL.

// Call is a row of calls: one field a column, as Fields names them.
type Call struct {
	ID          string
	LinkedID    string
	Node        string
	Direction   string // Inbound, Outbound, Internal
	FromUser    string
	FromHost    string
	FromDisplay string
	ToUser      string
	ToHost      string
	Source      string // where the INVITE came from: udp:192.0.2.1:5060
	AuthUser    string
	Trunk       string
	Script      string
	Generation  int64  // of the scripts; 0 = none
	ScriptError string // error and traceback
	StartMS     int64
	RingMS      int64 // 0 = none
	AnswerMS    int64 // 0 = none
	EndMS       int64 // 0 = none
	DurationMS  int64 // start to end
	BillableMS  int64 // answer to end
	PDDMS       int64 // INVITE to the first 18x or 200 the caller saw, rounded up; 0 = none
	State       string
	SIPCode     int64 // 0 = none
	Q850Cause   int64 // 0 = none
	ReleasedBy  string
	Flags       string // comma-separated: JoinFlags
	Recording   string // paths below the recordings folder, a line each
	Vars        string // a JSON object, or ""
}

// Leg is a row of legs.
type Leg struct {
	CallID          string
	Seq             int64  // 1 is the caller's
	Role            string // RoleA, RoleB
	SIPCallID       string
	Target          string
	Trunk           string
	Remote          string
	UserAgent       string
	Codec           string
	MediaMode       string
	SRTP            string
	InviteMS        int64 // 0 = none
	First18xMS      int64 // 0 = none
	AnswerMS        int64 // 0 = none
	EndMS           int64 // 0 = none
	SIPCode         int64 // 0 = none
	Reason          string
	RxPackets       int64
	TxPackets       int64
	Lost            int64
	OutOfOrder      int64
	JitterMS        float64 // 0 = none
	RTTMS           float64 // 0 = none
	MOS             float64 // 1 to 5; 0 = none
	FirstRTPMS      int64   // when the first packet came; 0 = none
	DTMFMode        string
	Retransmissions int64
	Flags           string
}

// Event is a row of events: a line in a call's timeline.
type Event struct {
	CallID string
	AtMS   int64
	Leg    int64 // seq of the leg it is about; 0 = none, the call as a whole
	Kind   string
	Text   string
}

// Fields lists the columns of calls with pointers into c.
func (c *Call) Fields() []Field {
	return []Field{
		{"id", Text, &c.ID},
		{"linked_id", Text, &c.LinkedID},
		{"node", Text, &c.Node},
		{"direction", Text, &c.Direction},
		{"from_user", Text, &c.FromUser},
		{"from_host", Text, &c.FromHost},
		{"from_display", Text, &c.FromDisplay},
		{"to_user", Text, &c.ToUser},
		{"to_host", Text, &c.ToHost},
		{"source", Text, &c.Source},
		{"auth_user", Text, &c.AuthUser},
		{"trunk", Text, &c.Trunk},
		{"script", Text, &c.Script},
		{"generation", Opt, &c.Generation},
		{"script_error", Text, &c.ScriptError},
		{"start_ms", Int, &c.StartMS},
		{"ring_ms", Opt, &c.RingMS},
		{"answer_ms", Opt, &c.AnswerMS},
		{"end_ms", Opt, &c.EndMS},
		{"duration_ms", Int, &c.DurationMS},
		{"billable_ms", Int, &c.BillableMS},
		{"pdd_ms", Opt, &c.PDDMS},
		{"state", Text, &c.State},
		{"sip_code", Opt, &c.SIPCode},
		{"q850_cause", Opt, &c.Q850Cause},
		{"released_by", Text, &c.ReleasedBy},
		{"flags", Text, &c.Flags},
		{"recording", Text, &c.Recording},
		{"vars", JSON, &c.Vars},
	}
}

// Fields lists the columns of legs with pointers into l.
func (l *Leg) Fields() []Field {
	return []Field{
		{"call_id", Text, &l.CallID},
		{"seq", Int, &l.Seq},
		{"role", Text, &l.Role},
		{"sip_call_id", Text, &l.SIPCallID},
		{"target", Text, &l.Target},
		{"trunk", Text, &l.Trunk},
		{"remote", Text, &l.Remote},
		{"user_agent", Text, &l.UserAgent},
		{"codec", Text, &l.Codec},
		{"media_mode", Text, &l.MediaMode},
		{"srtp", Text, &l.SRTP},
		{"invite_ms", Opt, &l.InviteMS},
		{"first_18x_ms", Opt, &l.First18xMS},
		{"answer_ms", Opt, &l.AnswerMS},
		{"end_ms", Opt, &l.EndMS},
		{"sip_code", Opt, &l.SIPCode},
		{"reason", Text, &l.Reason},
		{"rx_packets", Int, &l.RxPackets},
		{"tx_packets", Int, &l.TxPackets},
		{"lost", Int, &l.Lost},
		{"out_of_order", Int, &l.OutOfOrder},
		{"jitter_ms", Real, &l.JitterMS},
		{"rtt_ms", Real, &l.RTTMS},
		{"mos", Real, &l.MOS},
		{"first_rtp_ms", Opt, &l.FirstRTPMS},
		{"dtmf_mode", Text, &l.DTMFMode},
		{"retransmissions", Int, &l.Retransmissions},
		{"flags", Text, &l.Flags},
	}
}

// Fields lists the columns of events with pointers into e.
func (e *Event) Fields() []Field {
	return []Field{
		{"call_id", Text, &e.CallID},
		{"at_ms", Int, &e.AtMS},
		{"leg", Opt, &e.Leg},
		{"kind", Text, &e.Kind},
		{"text", Text, &e.Text},
	}
}

// MarshalJSON writes an object with the column names in column order, null for what is not known.
func (c Call) MarshalJSON() ([]byte, error)  { return appendRow(nil, c.Fields()), nil }
func (l Leg) MarshalJSON() ([]byte, error)   { return appendRow(nil, l.Fields()), nil }
func (e Event) MarshalJSON() ([]byte, error) { return appendRow(nil, e.Fields()), nil }

// UnmarshalJSON reads what MarshalJSON writes.
func (c *Call) UnmarshalJSON(b []byte) error  { return readRow(b, c.Fields()) }
func (l *Leg) UnmarshalJSON(b []byte) error   { return readRow(b, l.Fields()) }
func (e *Event) UnmarshalJSON(b []byte) error { return readRow(b, e.Fields()) }

// Record is a call with its legs and its timeline. In JSON it is the call's row with
// two more keys, legs and events.
type Record struct {
	Call   Call
	Legs   []Leg
	Events []Event
}

// MarshalJSON writes the call's columns, then legs and events as arrays (never null).
func (r Record) MarshalJSON() ([]byte, error) {
	b := appendRow(nil, r.Call.Fields())
	b = append(b[:len(b)-1], `,"legs":[`...)
	for i := range r.Legs {
		b = appendRow(comma(b, i), r.Legs[i].Fields())
	}
	b = append(b, `],"events":[`...)
	for i := range r.Events {
		b = appendRow(comma(b, i), r.Events[i].Fields())
	}
	return append(b, "]}"...), nil
}

// UnmarshalJSON reads what MarshalJSON writes.
func (r *Record) UnmarshalJSON(b []byte) error {
	if err := r.Call.UnmarshalJSON(b); err != nil {
		return err
	}
	return readDetails(b, r)
}
