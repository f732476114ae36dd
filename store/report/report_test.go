package report

import (
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	"tandem/store"
)

func calls(n int) []store.Call {
	out := make([]store.Call, n)
	for i := range out {
		out[i] = store.Call{
			ID: fmt.Sprintf("%08d-long-id", i), StartMS: time.Date(2026, 11, 22, 14, 0, i, 0, time.UTC).UnixMilli(),
			FromUser: "1001", ToUser: "+442071838750", State: store.StateAnswered, SIPCode: 200,
			AnswerMS: 1, BillableMS: 65_999, PDDMS: 120, ReleasedBy: store.ByCaller, Vars: `{"a":1}`,
		}
	}
	return out
}

func write(t *testing.T, f Format, rows []store.Call) string {
	t.Helper()
	var b strings.Builder
	c := NewCalls(&b, f, time.FixedZone("", 3600), func(ids []string) ([]string, error) {
		short := make([]string, len(ids))
		for i, id := range ids {
			short[i] = id[:8]
		}
		return short, nil
	})
	for i := range rows {
		if err := c.Write(&rows[i]); err != nil {
			t.Fatal(err)
		}
	}
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
	if c.Rows() != len(rows) {
		t.Errorf("%d rows of %d", c.Rows(), len(rows))
	}
	return b.String()
}

func TestJSONIsOneArray(t *testing.T) {
	t.Parallel()
	for _, n := range []int{0, 1, 3, 2500} {
		var got []store.Call
		if err := json.Unmarshal([]byte(write(t, JSON, calls(n))), &got); err != nil {
			t.Fatal(err)
		}
		if n > 0 && !reflect.DeepEqual(got, calls(n)) || len(got) != n {
			t.Errorf("%d rows came back as %d", n, len(got))
		}
	}
}

func TestCSVHasAHeader(t *testing.T) {
	t.Parallel()
	rows := calls(2)
	rows[1].FromDisplay = "a \"quoted\", name\nin two lines"
	for n := range 3 {
		got, err := csv.NewReader(strings.NewReader(write(t, CSV, rows[:n]))).ReadAll()
		if err != nil || len(got) != n+1 || !reflect.DeepEqual(got[0], store.CallColumns()) {
			t.Fatalf("%d rows: %v %v", n, got, err)
		}
		for i, row := range got[1:] {
			if !reflect.DeepEqual(row, cells(rows[i].Fields())) {
				t.Errorf("row %d: %q", i, row)
			}
		}
	}
}

func TestTableIsForPeople(t *testing.T) {
	t.Parallel()
	rows := calls(3)
	rows[1] = store.Call{ID: "11111111-x", StartMS: rows[1].StartMS, FromUser: "\x1b[31mred\n", ToHost: "pbx.example", State: store.StateOpen}
	rows[2].FromUser = strings.Repeat("☎", 100)
	want := `ID        STARTED              FROM                                      TO             STATE     CODE  TALK  PDD     ENDED BY  FLAGS
00000000  2026-11-22 15:00:00  1001                                      +442071838750  answered  200   1:05  120 ms  caller    -
11111111  2026-11-22 15:00:01  ?[31mred?                                 pbx.example    open      -     -     -       -         -
00000002  2026-11-22 15:00:02  ` + strings.Repeat("☎", 39) + `…  +442071838750  answered  200   1:05  120 ms  caller    -
`
	if got := write(t, Table, rows); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	if got := write(t, Table, nil); got != "" {
		t.Errorf("an empty table is %q", got)
	}
	if n := strings.Count(write(t, Table, calls(2500)), "\n"); n != 2501 {
		t.Errorf("%d lines for 2500 calls", n)
	}
}

func TestSpan(t *testing.T) {
	t.Parallel()
	for ms, want := range map[int64]string{0: "0:00", 999: "0:00", 7_000: "0:07", 754_000: "12:34", 3_600_000: "1:00:00", 360_000_000: "100:00:00"} {
		if got := span(ms); got != want {
			t.Errorf("%d ms is %s, want %s", ms, got, want)
		}
	}
}

func TestRecord(t *testing.T) {
	t.Parallel()
	c := calls(1)[0]
	c.RingMS, c.ScriptError = c.StartMS+120, "main.lua:3: boom\n\tstack"
	r := store.Record{
		Call:   c,
		Legs:   []store.Leg{{CallID: c.ID, Seq: 1, Role: "a", Codec: "pcmu", MOS: 4.3, InviteMS: c.StartMS}, {CallID: c.ID, Seq: 2, Role: "b"}},
		Events: []store.Event{{AtMS: c.StartMS, Leg: 1, Kind: "sip", Text: "INVITE"}, {AtMS: c.StartMS + 1500, Kind: "script", Text: "a\r\nb\x1b"}},
	}
	var b strings.Builder
	if err := Record(&b, Table, time.UTC, r); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"id            00000000-long-id\n",
		"ring_ms       2026-11-22 14:00:00.120 (+0.120 s)\n",
		"script_error  main.lua:3: boom\n      stack\nstart_ms ",
		"seq        1                        2\n",
		"codec      pcmu                     -\n",
		"   +0.000   1  sip       INVITE\n",
		"   +1.500      script    a\n    b?\n",
	} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("no %q in\n%s", want, b.String())
		}
	}
	if strings.Contains(b.String(), "trunk") || strings.Contains(b.String(), "rx_packets") {
		t.Errorf("empty columns in\n%s", b.String())
	}
	b.Reset()
	if err := Record(&b, JSON, time.UTC, r); err != nil {
		t.Fatal(err)
	}
	var back []store.Record
	if err := json.Unmarshal([]byte(b.String()), &back); err != nil || len(back) != 1 || !reflect.DeepEqual(back[0], r) {
		t.Errorf("%v\n%s", err, b.String())
	}
}

func TestStats(t *testing.T) {
	t.Parallel()
	stats := []store.Stat{
		{Key: "2026-11-01T10:00:00Z", Calls: 3, Answered: 2, ASR: 66.7, ACDMS: 61_000, AvgDurationMS: 70_000, PDDP50MS: 100, PDDP95MS: 900, MOS: 4.2, OneWay: 1},
		{Key: "", Calls: 1},
	}
	var b strings.Builder
	if err := Stats(&b, Table, time.FixedZone("", 3600), store.ByHour, stats); err != nil {
		t.Fatal(err)
	}
	want := `HOUR              CALLS  ANSWERED  ASR    AVG TALK  AVG LENGTH  PDD P50  PDD P95  MOS   ONE-WAY  SILENT
2026-11-01 11:00  3      2         66.7%  1:01      1:10        100 ms   900 ms   4.20  1        -
-                 1      0         0.0%   -         0:00        -        -        -     -        -
`
	if b.String() != want {
		t.Errorf("got\n%s\nwant\n%s", b.String(), want)
	}
	b.Reset()
	if err := Stats(&b, CSV, time.UTC, store.ByHour, stats); err != nil {
		t.Fatal(err)
	}
	rows, err := csv.NewReader(strings.NewReader(b.String())).ReadAll()
	if err != nil || len(rows) != 3 || rows[1][3] != "66.7" {
		t.Errorf("%v %v", rows, err)
	}
	b.Reset()
	if err := Stats(&b, JSON, time.UTC, store.ByHour, stats); err != nil {
		t.Fatal(err)
	}
	var objects []map[string]any
	if err := json.Unmarshal([]byte(b.String()), &objects); err != nil || len(objects) != 2 {
		t.Fatal(err)
	}
	for _, column := range statColumns() {
		if _, ok := objects[0][column]; !ok {
			t.Errorf("no %s in JSON", column)
		}
	}
	if len(objects[0]) != len(statColumns()) || len(statCells(stats[0])) != len(statColumns()) {
		t.Error("JSON and CSV have other columns")
	}
}

type broken struct{}

var errBroken = errors.New("broken pipe")

func (broken) Write([]byte) (int, error) { return 0, errBroken }

func TestWriteErrorsShow(t *testing.T) {
	t.Parallel()
	for _, f := range []Format{Table, JSON, CSV} {
		c := NewCalls(broken{}, f, time.UTC, nil)
		rows := calls(1)
		err := c.Write(&rows[0])
		if cerr := c.Close(); !errors.Is(errors.Join(err, cerr), errBroken) {
			t.Errorf("%s: %v %v", f, err, cerr)
		}
		if err := Record(broken{}, f, time.UTC, store.Record{}); !errors.Is(err, errBroken) {
			t.Errorf("%s record: %v", f, err)
		}
	}
}
