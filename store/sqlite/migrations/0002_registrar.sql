-- Where users can be reached, so that a restart does not lose them. Times are those of
-- store.Binding; the registrar itself answers from memory.
CREATE TABLE bindings (
  id            INTEGER PRIMARY KEY NOT NULL,
  user          TEXT NOT NULL,
  uri           TEXT NOT NULL,
  transport     TEXT NOT NULL,
  local         TEXT NOT NULL,
  source        TEXT NOT NULL,
  registered_ms INTEGER NOT NULL,
  refreshed_ms  INTEGER NOT NULL,
  expires_ms    INTEGER NOT NULL,
  user_agent    TEXT NOT NULL,
  call_id       TEXT NOT NULL,
  cseq          INTEGER NOT NULL,
  q             REAL NOT NULL,
  path          TEXT NOT NULL,
  instance      TEXT NOT NULL,
  reg_id        TEXT NOT NULL,
  nat           INTEGER NOT NULL
);

-- Sources that are not listened to for a time.
CREATE TABLE bans (
  source   TEXT PRIMARY KEY NOT NULL,
  since_ms INTEGER NOT NULL,
  until_ms INTEGER NOT NULL,
  failures INTEGER NOT NULL
);
