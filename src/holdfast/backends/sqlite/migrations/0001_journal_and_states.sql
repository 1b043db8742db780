-- The journal, and the states that a commit replaces together with its records.
-- Each journal index carries `seq` at its end, as every SQLite index ends in the rowid.

CREATE TABLE journal (
  seq         INTEGER PRIMARY KEY,
  at_ns       INTEGER NOT NULL,
  kind        TEXT    NOT NULL,
  tenant      TEXT    NOT NULL,
  project     TEXT    NOT NULL,
  user        TEXT    NOT NULL,
  agent       TEXT    NOT NULL,
  session     TEXT    NOT NULL,
  task        TEXT    NOT NULL,
  turn        INTEGER NOT NULL,
  call_id     TEXT    NOT NULL,
  decision_id TEXT    NOT NULL,
  tool        TEXT    NOT NULL,
  verdict     TEXT    NOT NULL,
  risk        TEXT    NOT NULL,
  cost_nusd   INTEGER NOT NULL,
  body        BLOB    NOT NULL
) STRICT;

CREATE INDEX journal_by_tenant ON journal (tenant);
CREATE INDEX journal_by_time   ON journal (tenant, at_ns);
CREATE INDEX journal_by_user   ON journal (tenant, user, at_ns) WHERE user <> '';
CREATE INDEX journal_by_tool   ON journal (tenant, tool, at_ns) WHERE tool <> '';
CREATE INDEX journal_by_session ON journal (session) WHERE session <> '';
CREATE INDEX journal_by_call   ON journal (call_id) WHERE call_id <> '';

CREATE TRIGGER journal_keeps_what_was BEFORE UPDATE ON journal
BEGIN SELECT RAISE(ABORT, 'journal records are never changed'); END;

CREATE TRIGGER journal_keeps_all BEFORE DELETE ON journal
BEGIN SELECT RAISE(ABORT, 'journal records are never deleted'); END;

CREATE TABLE sessions (
  session_id   TEXT    NOT NULL PRIMARY KEY,
  tenant       TEXT    NOT NULL,
  project      TEXT    NOT NULL,
  user         TEXT    NOT NULL,
  state        TEXT    NOT NULL,
  opened_at_ns INTEGER NOT NULL,
  token_digest TEXT    NOT NULL,
  session      BLOB    NOT NULL
) STRICT;

CREATE INDEX sessions_by_tenant ON sessions (tenant, opened_at_ns, session_id);
CREATE INDEX sessions_by_time   ON sessions (opened_at_ns, session_id);
CREATE UNIQUE INDEX sessions_by_token ON sessions (token_digest) WHERE token_digest <> '';

-- `position` keeps calls in the order in which they were first seen.
CREATE TABLE calls (
  position INTEGER PRIMARY KEY,
  session  TEXT NOT NULL,
  call_id  TEXT NOT NULL,
  call     BLOB NOT NULL,
  UNIQUE (session, call_id)
) STRICT;

CREATE TABLE accounts (
  key     TEXT NOT NULL PRIMARY KEY,
  account BLOB NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE holds (
  hold_id      TEXT    NOT NULL PRIMARY KEY,
  opened_at_ns INTEGER NOT NULL,
  hold         BLOB    NOT NULL
) STRICT, WITHOUT ROWID;
