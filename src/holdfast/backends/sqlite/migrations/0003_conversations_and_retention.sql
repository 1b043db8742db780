-- Conversations of users' own loops, and the columns by which retention finds what is old.

CREATE TABLE conversations (
  tenant        TEXT    NOT NULL,
  user          TEXT    NOT NULL,
  name          TEXT    NOT NULL,
  version       INTEGER NOT NULL,
  replaces      INTEGER NOT NULL,
  digest        TEXT    NOT NULL,
  saved_at_ns   INTEGER NOT NULL,
  expires_at_ns INTEGER NOT NULL,
  size_bytes    INTEGER NOT NULL,
  messages      BLOB    NOT NULL,
  metadata      BLOB    NOT NULL,
  PRIMARY KEY (tenant, user, name)
) STRICT;

CREATE INDEX conversations_by_end  ON conversations (expires_at_ns);
CREATE INDEX conversations_by_save ON conversations (saved_at_ns);

ALTER TABLE sessions ADD COLUMN task          TEXT    NOT NULL DEFAULT '';
ALTER TABLE sessions ADD COLUMN parent        TEXT    NOT NULL DEFAULT '';
ALTER TABLE sessions ADD COLUMN changed_at_ns INTEGER NOT NULL DEFAULT 0;
ALTER TABLE sessions ADD COLUMN purged_at_ns  INTEGER NOT NULL DEFAULT 0;
UPDATE sessions SET
  task          = json_extract(CAST(session AS TEXT), '$.principal.task'),
  parent        = coalesce(json_extract(CAST(session AS TEXT), '$.parent'), ''),
  changed_at_ns = coalesce(json_extract(CAST(session AS TEXT), '$.state_changed_at_ns'), 0);

CREATE INDEX sessions_by_parent ON sessions (parent) WHERE parent <> '';
CREATE INDEX sessions_live      ON sessions (tenant, task) WHERE state IN ('active', 'paused');
CREATE INDEX sessions_to_purge  ON sessions (changed_at_ns)
  WHERE purged_at_ns = 0 AND state IN ('stopped', 'killed', 'expired', 'ended');

ALTER TABLE runs ADD COLUMN changed_at_ns INTEGER NOT NULL DEFAULT 0;
ALTER TABLE runs ADD COLUMN retry_of      TEXT    NOT NULL DEFAULT '';
UPDATE runs SET
  changed_at_ns = json_extract(CAST(run AS TEXT), '$.changed_at_ns'),
  retry_of      = coalesce(json_extract(CAST(run AS TEXT), '$.retry_of'), '');

CREATE INDEX runs_by_retry ON runs (retry_of) WHERE retry_of <> '';
CREATE INDEX runs_to_purge ON runs (changed_at_ns) WHERE state IN ('done', 'failed', 'cancelled');

ALTER TABLE effects ADD COLUMN state         TEXT    NOT NULL DEFAULT '';
ALTER TABLE effects ADD COLUMN changed_at_ns INTEGER NOT NULL DEFAULT 0;
UPDATE effects SET
  state         = json_extract(CAST(effect AS TEXT), '$.state'),
  changed_at_ns = json_extract(CAST(effect AS TEXT), '$.changed_at_ns');

CREATE INDEX effects_to_purge ON effects (changed_at_ns) WHERE state IN ('done', 'failed');
