package sqlite

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"tandem/store"
)

// firstRows is a store as the first version of the schema left it, in its own words: one
// answered call with two legs and a timeline, one that was refused, and one in progress.
const firstRows = `
INSERT INTO calls VALUES
 ('a1', 'a1', 'test', 'outbound', '1001', 'h', 'Alice', '+442071838750', 'h', 'udp:192.0.2.1:5060', '1001', 'carrier', '50-main.lua', 1, '',
  1750000000000, 1750000000100, 1750000003000, 1750000063000, 63000, 60000, 100, 'answered', 200, 16, 'caller', 'one_way,retransmits', 'r.wav', '{"a":1}'),
 ('b2', 'b2', 'test', 'internal', '1002', 'h', '', '1001', 'h', 'udp:192.0.2.1:5060', '1002', '', '', NULL, '',
  1750000001000, NULL, NULL, 1750000002000, 1000, 0, NULL, 'busy', 486, 17, 'callee', '', '', NULL),
 ('c3', 'c3', 'elsewhere', 'internal', '1002', 'h', '', '1001', 'h', 'udp:192.0.2.1:5060', '1002', '', '', NULL, '',
  1750000002000, NULL, NULL, NULL, 0, 0, NULL, 'open', NULL, NULL, '', '', '', NULL);
INSERT INTO call_flags VALUES ('one_way', 1750000000000, 'a1'), ('retransmits', 1750000000000, 'a1');
INSERT INTO legs (call_id, seq, role, sip_call_id, target, trunk, remote, user_agent, codec, media_mode, srtp, reason,
  rx_packets, tx_packets, lost, out_of_order, mos, dtmf_mode, retransmissions, flags) VALUES
 ('a1', 1, 'a', 'x', '', '', '', 'Phone', 'pcmu', 'relay', 'off', '', 1, 1, 0, 0, 4.0, '', 0, ''),
 ('a1', 2, 'b', 'y', '', '', '', 'Phone', 'pcmu', 'relay', 'off', '', 1, 1, 0, 0, 3.0, '', 0, '');
INSERT INTO timelines VALUES ('a1', '[[1750000000000,1,"sip","INVITE"],[1750000000001,null,"script","x"]]');
INSERT INTO users VALUES ('1001', 'Alice', 'tandem', 'aa', 'bb');
INSERT INTO meta VALUES ('k', 'v');
`

// TestEveryOlderSchemaIsBroughtUpToDate: whatever version wrote the store, what it held is
// there afterwards, also for the questions that later versions can ask.
func TestEveryOlderSchemaIsBroughtUpToDate(t *testing.T) {
	t.Parallel()
	all, err := steps()
	if err != nil {
		t.Fatal(err)
	}
	for from := 1; from < len(all); from++ {
		t.Run(fmt.Sprint(from), func(t *testing.T) {
			t.Parallel()
			path := filepath.Join(t.TempDir(), "tandem.db")
			var text strings.Builder
			for _, m := range all[:from] {
				text.WriteString(m.sql)
			}
			fmt.Fprintf(&text, "PRAGMA application_id = %d; PRAGMA user_version = %d;", applicationID, from)
			execSQL(t, path, text.String()+firstRows)
			checkOld(t, reopen(t, path, Options{Serve: true}))
		})
	}
}

func checkOld(t *testing.T, s *Store) {
	t.Helper()
	c, legs, events, err := s.Call(t.Context(), "a1")
	if err != nil || c.ToUser != "+442071838750" || len(legs) != 2 || len(events) != 2 || events[1].Text != "x" {
		t.Errorf("call %+v, %d legs, events %v, %v", c, len(legs), events, err)
	}
	for _, f := range []store.Filter{{Trunk: "carrier"}, {Flag: store.FlagOneWay}, {From: "1001"}, {To: "+44*"}, {State: store.StateAnswered}} {
		if rows, _, err := s.Calls(t.Context(), f); err != nil || len(rows) != 1 || rows[0].ID != "a1" {
			t.Errorf("%+v: %v %v", f, rows, err)
		}
	}
	stats, err := s.Stats(t.Context(), store.Filter{}, store.ByTrunk)
	want := []store.Stat{
		{Key: "", Calls: 1, AvgDurationMS: 1000},
		{Key: "carrier", Calls: 1, Answered: 1, ASR: 100, ACDMS: 60000, AvgDurationMS: 63000, PDDP50MS: 100, PDDP95MS: 100, MOS: 3.5, OneWay: 1},
	}
	if err != nil || !slices.Equal(stats, want) {
		t.Errorf("stats %+v, %v", stats, err)
	}
	if users, err := s.Users(t.Context()); err != nil || len(users) != 1 {
		t.Errorf("users %v, %v", users, err)
	}
	if v, err := s.Meta(t.Context(), "k"); err != nil || v != "v" {
		t.Errorf("meta %q, %v", v, err)
	}
	if err := s.PutBan(t.Context(), store.Ban{Source: "192.0.2.1/32", UntilMS: 1}); err != nil {
		t.Error(err)
	}
}
