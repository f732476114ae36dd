-- Call records. Columns and their order are those of store.Call, store.Leg and store.Event.
CREATE TABLE calls (
  id           TEXT PRIMARY KEY NOT NULL,
  linked_id    TEXT NOT NULL,
  node         TEXT NOT NULL,
  direction    TEXT NOT NULL,
  from_user    TEXT NOT NULL,
  from_host    TEXT NOT NULL,
  from_display TEXT NOT NULL,
  to_user      TEXT NOT NULL,
  to_host      TEXT NOT NULL,
  source       TEXT NOT NULL,
  auth_user    TEXT NOT NULL,
  trunk        TEXT NOT NULL,
  script       TEXT NOT NULL,
  generation   INTEGER,
  script_error TEXT NOT NULL,
  start_ms     INTEGER NOT NULL,
  ring_ms      INTEGER,
  answer_ms    INTEGER,
  end_ms       INTEGER,
  duration_ms  INTEGER NOT NULL,
  billable_ms  INTEGER NOT NULL,
  pdd_ms       INTEGER,
  state        TEXT NOT NULL,
  sip_code     INTEGER,
  q850_cause   INTEGER,
  released_by  TEXT NOT NULL,
  flags        TEXT NOT NULL,
  recording    TEXT NOT NULL,
  vars         TEXT
);

-- Every list is in the order of (start_ms, id), so each index ends with it.
CREATE INDEX calls_start ON calls (start_ms, id);
CREATE INDEX calls_from  ON calls (from_user, start_ms, id);
CREATE INDEX calls_to    ON calls (to_user, start_ms, id);
CREATE INDEX calls_user  ON calls (auth_user, start_ms, id) WHERE auth_user <> '';
CREATE INDEX calls_trunk ON calls (trunk, start_ms, id) WHERE trunk <> '';
CREATE INDEX calls_state ON calls (state, start_ms, id);

-- The flags column, taken apart: flags are rare, so searching for one must not read every call.
CREATE TABLE call_flags (
  flag     TEXT NOT NULL,
  start_ms INTEGER NOT NULL,
  call_id  TEXT NOT NULL,
  PRIMARY KEY (flag, start_ms, call_id)
) WITHOUT ROWID;

CREATE TABLE legs (
  call_id         TEXT NOT NULL,
  seq             INTEGER NOT NULL,
  role            TEXT NOT NULL,
  sip_call_id     TEXT NOT NULL,
  target          TEXT NOT NULL,
  trunk           TEXT NOT NULL,
  remote          TEXT NOT NULL,
  user_agent      TEXT NOT NULL,
  codec           TEXT NOT NULL,
  media_mode      TEXT NOT NULL,
  srtp            TEXT NOT NULL,
  invite_ms       INTEGER,
  first_18x_ms    INTEGER,
  answer_ms       INTEGER,
  end_ms          INTEGER,
  sip_code        INTEGER,
  reason          TEXT NOT NULL,
  rx_packets      INTEGER NOT NULL,
  tx_packets      INTEGER NOT NULL,
  lost            INTEGER NOT NULL,
  out_of_order    INTEGER NOT NULL,
  jitter_ms       REAL,
  rtt_ms          REAL,
  mos             REAL,
  first_rtp_ms    INTEGER,
  dtmf_mode       TEXT NOT NULL,
  retransmissions INTEGER NOT NULL,
  flags           TEXT NOT NULL,
  PRIMARY KEY (call_id, seq)
) WITHOUT ROWID;

-- A call's timeline is one value, written once when the call ends: a JSON array of
-- [at_ms, leg, kind, text]. As a row an event, calls with 20 of them took 1.4 times as
-- long to write and a sixth more disk (BenchmarkWrite).
CREATE TABLE timelines (
  call_id TEXT PRIMARY KEY NOT NULL,
  events  TEXT NOT NULL
);

CREATE VIEW events (call_id, at_ms, leg, kind, text) AS
  SELECT t.call_id, e.value ->> 0, e.value ->> 1, e.value ->> 2, e.value ->> 3
  FROM timelines AS t, json_each(t.events) AS e;

-- HA1 is the hash of name, realm and password (RFC 7616 §3.4.2): passwords are not kept.
CREATE TABLE users (
  name       TEXT PRIMARY KEY NOT NULL,
  display    TEXT NOT NULL,
  realm      TEXT NOT NULL,
  ha1        TEXT NOT NULL,
  ha1_sha256 TEXT NOT NULL
);

CREATE TABLE meta (
  key   TEXT PRIMARY KEY NOT NULL,
  value TEXT NOT NULL
);
