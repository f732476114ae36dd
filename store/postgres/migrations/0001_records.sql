-- Texts are compared by their bytes (COLLATE "C"), so that ids are in order and the beginning of a
-- number is a range.
--
-- Call records. Columns and their order are those of store.Call, store.Leg and store.Event.
CREATE TABLE calls (
  id           text COLLATE "C" PRIMARY KEY NOT NULL,
  linked_id    text COLLATE "C" NOT NULL,
  node         text COLLATE "C" NOT NULL,
  direction    text COLLATE "C" NOT NULL,
  from_user    text COLLATE "C" NOT NULL,
  from_host    text COLLATE "C" NOT NULL,
  from_display text COLLATE "C" NOT NULL,
  to_user      text COLLATE "C" NOT NULL,
  to_host      text COLLATE "C" NOT NULL,
  source       text COLLATE "C" NOT NULL,
  auth_user    text COLLATE "C" NOT NULL,
  trunk        text COLLATE "C" NOT NULL,
  script       text COLLATE "C" NOT NULL,
  generation   bigint,
  script_error text COLLATE "C" NOT NULL,
  start_ms     bigint NOT NULL,
  ring_ms      bigint,
  answer_ms    bigint,
  end_ms       bigint,
  duration_ms  bigint NOT NULL,
  billable_ms  bigint NOT NULL,
  pdd_ms       bigint,
  state        text COLLATE "C" NOT NULL,
  sip_code     bigint,
  q850_cause   bigint,
  released_by  text COLLATE "C" NOT NULL,
  flags        text COLLATE "C" NOT NULL,
  recording    text COLLATE "C" NOT NULL,
  vars         text
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
  flag     text COLLATE "C" NOT NULL,
  start_ms bigint NOT NULL,
  call_id  text COLLATE "C" NOT NULL,
  PRIMARY KEY (flag, start_ms, call_id)
);

CREATE TABLE legs (
  call_id         text COLLATE "C" NOT NULL,
  seq             bigint NOT NULL,
  role            text COLLATE "C" NOT NULL,
  sip_call_id     text COLLATE "C" NOT NULL,
  target          text COLLATE "C" NOT NULL,
  trunk           text COLLATE "C" NOT NULL,
  remote          text COLLATE "C" NOT NULL,
  user_agent      text COLLATE "C" NOT NULL,
  codec           text COLLATE "C" NOT NULL,
  media_mode      text COLLATE "C" NOT NULL,
  srtp            text COLLATE "C" NOT NULL,
  invite_ms       bigint,
  first_18x_ms    bigint,
  answer_ms       bigint,
  end_ms          bigint,
  sip_code        bigint,
  reason          text COLLATE "C" NOT NULL,
  rx_packets      bigint NOT NULL,
  tx_packets      bigint NOT NULL,
  lost            bigint NOT NULL,
  out_of_order    bigint NOT NULL,
  jitter_ms       double precision,
  rtt_ms          double precision,
  mos             double precision,
  first_rtp_ms    bigint,
  dtmf_mode       text COLLATE "C" NOT NULL,
  retransmissions bigint NOT NULL,
  flags           text COLLATE "C" NOT NULL,
  PRIMARY KEY (call_id, seq)
);

-- A call's timeline is one value, written once when the call ends: a JSON array of
-- [at_ms, leg, kind, text]. As a row an event, calls with 20 of them took 1.4 times as
-- long to write and a sixth more disk (BenchmarkWrite).
CREATE TABLE timelines (
  call_id text COLLATE "C" PRIMARY KEY NOT NULL,
  events  json NOT NULL
);

CREATE VIEW events (call_id, at_ms, leg, kind, text) AS
  SELECT t.call_id, (e.value ->> 0)::bigint, (e.value ->> 1)::bigint, e.value ->> 2, e.value ->> 3
  FROM timelines AS t, json_array_elements(t.events) WITH ORDINALITY AS e (value, n)
  ORDER BY t.call_id, e.n;

-- HA1 is the hash of name, realm and password (RFC 7616 §3.4.2): passwords are not kept.
CREATE TABLE users (
  name       text COLLATE "C" PRIMARY KEY NOT NULL,
  display    text COLLATE "C" NOT NULL,
  realm      text COLLATE "C" NOT NULL,
  ha1        text COLLATE "C" NOT NULL,
  ha1_sha256 text COLLATE "C" NOT NULL
);

CREATE TABLE meta (
  key   text COLLATE "C" PRIMARY KEY NOT NULL,
  value text COLLATE "C" NOT NULL
);

-- Where users can be reached, so that a restart does not lose them. Times are those of
-- store.Binding; the registrar itself answers from memory.
CREATE TABLE bindings (
  node          text COLLATE "C" NOT NULL, -- which has the way to the phone
  id            bigint NOT NULL,
  "user"        text COLLATE "C" NOT NULL,
  uri           text COLLATE "C" NOT NULL,
  transport     text COLLATE "C" NOT NULL,
  local         text COLLATE "C" NOT NULL,
  source        text COLLATE "C" NOT NULL,
  registered_ms bigint NOT NULL,
  refreshed_ms  bigint NOT NULL,
  expires_ms    bigint NOT NULL,
  user_agent    text COLLATE "C" NOT NULL,
  call_id       text COLLATE "C" NOT NULL,
  cseq          bigint NOT NULL,
  q             double precision NOT NULL,
  path          text COLLATE "C" NOT NULL,
  instance      text COLLATE "C" NOT NULL,
  reg_id        text COLLATE "C" NOT NULL,
  nat           boolean NOT NULL,
  PRIMARY KEY (node, id)
);

-- Sources that are not listened to for a time.
CREATE TABLE bans (
  source   text COLLATE "C" PRIMARY KEY NOT NULL,
  since_ms bigint NOT NULL,
  until_ms bigint NOT NULL,
  failures bigint NOT NULL
);

-- What statistics add up of each call that has ended, in the order of time. Reading it from
-- calls and legs took seconds for a day of 100,000 calls.
CREATE TABLE call_sums (
  start_ms    bigint NOT NULL,
  call_id     text COLLATE "C" NOT NULL,
  trunk       text COLLATE "C" NOT NULL,
  auth_user   text COLLATE "C" NOT NULL,
  sip_code    bigint NOT NULL, -- 0 = none
  answered    bigint NOT NULL,
  billable_ms bigint NOT NULL,
  duration_ms bigint NOT NULL,
  pdd_ms      bigint NOT NULL, -- -1 = none
  one_way     bigint NOT NULL,
  silent      bigint NOT NULL,
  mos_sum     double precision NOT NULL,    -- of the legs that have one
  mos_count   bigint NOT NULL,
  PRIMARY KEY (start_ms, call_id)
);
