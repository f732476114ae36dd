package metrics

import (
	"net/http/httptest"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"tandem/store"
)

func scrape(t *testing.T, m *Metrics) string {
	t.Helper()
	w := httptest.NewRecorder()
	m.Handler().ServeHTTP(w, httptest.NewRequest("GET", "/metrics", nil))
	if w.Code != 200 {
		t.Fatalf("%d %s", w.Code, w.Body)
	}
	return w.Body.String()
}

func full() Gauges {
	return Gauges{Version: "v1", Calls: 3, CallsLimit: 5000, Generation: 7, ReloadFailed: true, PortsFree: 10, PortsUsed: 4,
		Trunks: []Trunk{{Name: `car"rier`, Up: true, Calls: 2, Limit: 30}, {Name: "spare"}},
		Messages: []Messages{{Received: true, Method: "INVITE", Count: 5}, {Received: true, Method: "other", Count: 1},
			{Code: 200, Count: 4}, {Received: true, Code: 486, Count: 2}}}
}

func TestScrape(t *testing.T) {
	t.Parallel()
	m := New(full)
	m.Finished(&store.Call{Direction: store.Inbound, State: store.StateAnswered, StartMS: 1000, AnswerMS: 3500, BillableMS: 20_000,
		PDDMS: 40, Flags: "one_way,retransmits"}, []store.Leg{{RxPackets: 100, TxPackets: 90, Lost: 3, MOS: 4.1}, {RxPackets: 90, TxPackets: 100, Lost: -1}})
	m.Finished(&store.Call{Direction: store.Inbound, State: store.StateBusy, PDDMS: 4000}, nil)
	m.Ran(0.0003)
	got := scrape(t, m)
	for _, want := range []string{
		`tandem_calls_finished_total{direction="inbound",state="answered"} 1`,
		`tandem_calls_finished_total{direction="inbound",state="busy"} 1`,
		`tandem_calls_finished_total{direction="outbound",state="failed"} 0`,
		`tandem_calls_flagged_total{flag="one_way"} 1`,
		`tandem_calls_flagged_total{flag="silent"} 0`,
		`tandem_call_setup_seconds_bucket{direction="inbound",le="5"} 1`,
		`tandem_call_setup_seconds_bucket{direction="inbound",le="2"} 0`,
		`tandem_post_dial_delay_seconds_bucket{direction="inbound",le="0.05"} 1`,
		`tandem_post_dial_delay_seconds_sum{direction="inbound"} 4.04`,
		`tandem_call_duration_seconds_sum 20`,
		`tandem_rtp_packets_total{direction="rx"} 190`,
		`tandem_rtp_lost_packets_total 3`,
		`tandem_leg_mos_count 1`,
		`tandem_script_seconds_bucket{le="0.0005"} 1`,
		`tandem_calls 3`, `tandem_scripts_broken 1`, `tandem_info{version="v1"} 1`,
		`tandem_media_ports{state="used"} 4`,
		`tandem_trunk_up{trunk="car\"rier"} 1`, `tandem_trunk_up{trunk="spare"} 0`, `tandem_trunk_calls_limit{trunk="car\"rier"} 30`,
		`tandem_sip_requests_total{direction="rx",method="INVITE"} 5`,
		`tandem_sip_responses_total{code="200",direction="tx"} 4`,
		`tandem_sip_responses_total{code="486",direction="rx"} 2`,
		`go_goroutines `,
	} {
		if !strings.Contains(got, want) {
			t.Errorf("lacks %s", want)
		}
	}
	if t.Failed() {
		t.Log(got)
	}
}

// TestDocumented: docs/metrics.md names each metric of ours, and no other.
func TestDocumented(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("../docs/metrics.md")
	if err != nil {
		t.Fatal(err)
	}
	names := func(text, pattern string) []string {
		var list []string
		for _, m := range regexp.MustCompile(pattern).FindAllStringSubmatch(text, -1) {
			list = append(list, m[1])
		}
		slices.Sort(list)
		return slices.Compact(list)
	}
	m := New(full)
	m.Finished(&store.Call{Direction: store.Internal, State: store.StateAnswered, AnswerMS: 1, PDDMS: 1}, []store.Leg{{MOS: 4}})
	have, told := names(scrape(t, m), `(?m)^# TYPE (tandem_\w+) `), names(string(page), "(?m)^\\| `(tandem_\\w+)` ")
	if !slices.Equal(have, told) {
		t.Errorf("served:\n%s\ndocumented:\n%s", strings.Join(have, "\n"), strings.Join(told, "\n"))
	}
}

// TestDeployed: alerts and dashboard ask for metrics that there are.
func TestDeployed(t *testing.T) {
	t.Parallel()
	m := New(full)
	m.Finished(&store.Call{Direction: store.Internal, State: store.StateAnswered, AnswerMS: 1, PDDMS: 1}, []store.Leg{{MOS: 4}})
	served := scrape(t, m)
	for _, file := range []string{"../deploy/prometheus/alerts.yml", "../deploy/grafana/tandem.json"} {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		asked := regexp.MustCompile(`\b(?:tandem|process)_[a-z_]+`).FindAllString(string(text), -1)
		if len(asked) < 10 {
			t.Errorf("%s asks for %d metrics: the test looks at nothing", file, len(asked))
		}
		for _, name := range asked {
			if !regexp.MustCompile(`(?m)^` + name + `[ {]`).MatchString(served) {
				t.Errorf("%s asks for %s", file, name)
			}
		}
	}
}
