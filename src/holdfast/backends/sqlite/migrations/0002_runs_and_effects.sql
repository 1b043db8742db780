-- Runs of the house's own loop, and the effects ledger.

CREATE TABLE runs (
  run_id          TEXT    NOT NULL PRIMARY KEY,
  tenant          TEXT    NOT NULL,
  project         TEXT    NOT NULL,
  user            TEXT    NOT NULL,
  session         TEXT    NOT NULL,
  batch           TEXT    NOT NULL,
  state           TEXT    NOT NULL,
  submitted_at_ns INTEGER NOT NULL,
  run             BLOB    NOT NULL
) STRICT;

CREATE INDEX runs_by_tenant  ON runs (tenant, submitted_at_ns, run_id);
CREATE INDEX runs_by_time    ON runs (submitted_at_ns, run_id);
CREATE INDEX runs_by_session ON runs (session);
CREATE INDEX runs_by_batch   ON runs (batch) WHERE batch <> '';
CREATE INDEX runs_open       ON runs (state) WHERE state IN ('queued', 'running', 'delayed', 'parked', 'dead');

CREATE TABLE effects (
  tenant  TEXT NOT NULL,
  key     TEXT NOT NULL,
  session TEXT NOT NULL,
  intended_at_ns INTEGER NOT NULL,
  effect  BLOB NOT NULL,
  PRIMARY KEY (tenant, key)
) STRICT, WITHOUT ROWID;

CREATE INDEX effects_by_session ON effects (session);
