-- The journal, and the states that a commit replaces together with its records.
-- Text compares by its bytes ("C"), as it does in every other store; JSON is kept as the bytes it
-- came in, so that moving a store changes nothing. One server writes, and counts `seq` and
-- `position` itself: what is on the disk is a prefix of what happened, without gaps.

-- Tells one store from another, wherever it is moved.
CREATE TABLE identity (
  store_id text NOT NULL
);

INSERT INTO identity VALUES (gen_random_uuid()::text);

CREATE TABLE journal (
  seq         bigint NOT NULL PRIMARY KEY,
  at_ns       bigint NOT NULL,
  kind        text COLLATE "C" NOT NULL,
  tenant      text COLLATE "C" NOT NULL,
  project     text COLLATE "C" NOT NULL,
  "user"      text COLLATE "C" NOT NULL,
  agent       text COLLATE "C" NOT NULL,
  session     text COLLATE "C" NOT NULL,
  task        text COLLATE "C" NOT NULL,
  turn        bigint NOT NULL,
  call_id     text COLLATE "C" NOT NULL,
  decision_id text COLLATE "C" NOT NULL,
  tool        text COLLATE "C" NOT NULL,
  verdict     text COLLATE "C" NOT NULL,
  risk        text COLLATE "C" NOT NULL,
  cost_nusd   bigint NOT NULL,
  body        bytea NOT NULL
);

CREATE INDEX journal_by_tenant  ON journal (tenant, seq);
CREATE INDEX journal_by_time    ON journal (tenant, at_ns, seq);
CREATE INDEX journal_by_user    ON journal (tenant, "user", at_ns, seq) WHERE "user" <> '';
CREATE INDEX journal_by_tool    ON journal (tenant, tool, at_ns, seq) WHERE tool <> '';
CREATE INDEX journal_by_session ON journal (session, seq) WHERE session <> '';
CREATE INDEX journal_by_call    ON journal (call_id, seq) WHERE call_id <> '';

CREATE FUNCTION journal_keeps_what_was() RETURNS trigger LANGUAGE plpgsql AS
$$ BEGIN RAISE EXCEPTION 'journal records are never changed or deleted'; END $$;

CREATE TRIGGER journal_keeps_what_was BEFORE UPDATE OR DELETE ON journal
  FOR EACH ROW EXECUTE FUNCTION journal_keeps_what_was();

CREATE TRIGGER journal_keeps_all BEFORE TRUNCATE ON journal
  FOR EACH STATEMENT EXECUTE FUNCTION journal_keeps_what_was();

CREATE TABLE sessions (
  session_id   text COLLATE "C" NOT NULL PRIMARY KEY,
  tenant       text COLLATE "C" NOT NULL,
  project      text COLLATE "C" NOT NULL,
  "user"       text COLLATE "C" NOT NULL,
  state        text COLLATE "C" NOT NULL,
  opened_at_ns bigint NOT NULL,
  token_digest text COLLATE "C" NOT NULL,
  task         text COLLATE "C" NOT NULL,
  parent       text COLLATE "C" NOT NULL,
  changed_at_ns bigint NOT NULL,
  purged_at_ns bigint NOT NULL,
  session      bytea NOT NULL
) WITH (fillfactor = 70);

CREATE INDEX sessions_by_tenant ON sessions (tenant, opened_at_ns, session_id);
CREATE INDEX sessions_by_time   ON sessions (opened_at_ns, session_id);
CREATE UNIQUE INDEX sessions_by_token ON sessions (token_digest) WHERE token_digest <> '';
CREATE INDEX sessions_by_parent ON sessions (parent) WHERE parent <> '';
CREATE INDEX sessions_live      ON sessions (tenant, task) WHERE state IN ('active', 'paused');
CREATE INDEX sessions_to_purge  ON sessions (changed_at_ns)
  WHERE purged_at_ns = 0 AND state IN ('stopped', 'killed', 'expired', 'ended');

-- `position` keeps calls in the order in which they were first seen.
CREATE TABLE calls (
  position bigint NOT NULL,
  session  text COLLATE "C" NOT NULL,
  call_id  text COLLATE "C" NOT NULL,
  call     bytea NOT NULL,
  PRIMARY KEY (session, call_id)
) WITH (fillfactor = 70);

-- Rewritten by nearly every commit: room in each page, and a vacuum that does not wait for a
-- share of a table that stays small.
CREATE TABLE accounts (
  key     text COLLATE "C" NOT NULL PRIMARY KEY,
  account bytea NOT NULL
) WITH (fillfactor = 50, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 10000);

CREATE TABLE holds (
  hold_id      text COLLATE "C" NOT NULL PRIMARY KEY,
  opened_at_ns bigint NOT NULL,
  hold         bytea NOT NULL
) WITH (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 10000);

CREATE TABLE runs (
  run_id          text COLLATE "C" NOT NULL PRIMARY KEY,
  tenant          text COLLATE "C" NOT NULL,
  project         text COLLATE "C" NOT NULL,
  "user"          text COLLATE "C" NOT NULL,
  session         text COLLATE "C" NOT NULL,
  batch           text COLLATE "C" NOT NULL,
  state           text COLLATE "C" NOT NULL,
  submitted_at_ns bigint NOT NULL,
  changed_at_ns   bigint NOT NULL,
  retry_of        text COLLATE "C" NOT NULL,
  run             bytea NOT NULL
) WITH (fillfactor = 70);

CREATE INDEX runs_by_tenant  ON runs (tenant, submitted_at_ns, run_id);
CREATE INDEX runs_by_time    ON runs (submitted_at_ns, run_id);
CREATE INDEX runs_by_session ON runs (session);
CREATE INDEX runs_by_batch   ON runs (batch) WHERE batch <> '';
CREATE INDEX runs_open       ON runs (state)
  WHERE state IN ('queued', 'running', 'delayed', 'parked', 'dead');
CREATE INDEX runs_by_retry ON runs (retry_of) WHERE retry_of <> '';
CREATE INDEX runs_to_purge ON runs (changed_at_ns) WHERE state IN ('done', 'failed', 'cancelled');

CREATE TABLE effects (
  tenant         text COLLATE "C" NOT NULL,
  key            text COLLATE "C" NOT NULL,
  session        text COLLATE "C" NOT NULL,
  intended_at_ns bigint NOT NULL,
  state          text COLLATE "C" NOT NULL,
  changed_at_ns  bigint NOT NULL,
  effect         bytea NOT NULL,
  PRIMARY KEY (tenant, key)
) WITH (fillfactor = 70);

CREATE INDEX effects_by_session ON effects (session);
CREATE INDEX effects_to_purge   ON effects (changed_at_ns) WHERE state IN ('done', 'failed');

CREATE TABLE conversations (
  tenant        text COLLATE "C" NOT NULL,
  "user"        text COLLATE "C" NOT NULL,
  name          text COLLATE "C" NOT NULL,
  version       bigint NOT NULL,
  replaces      bigint NOT NULL,
  digest        text COLLATE "C" NOT NULL,
  saved_at_ns   bigint NOT NULL,
  expires_at_ns bigint NOT NULL,
  size_bytes    bigint NOT NULL,
  messages      bytea NOT NULL,
  metadata      bytea NOT NULL,
  PRIMARY KEY (tenant, "user", name)
);

CREATE INDEX conversations_by_end  ON conversations (expires_at_ns);
CREATE INDEX conversations_by_save ON conversations (saved_at_ns);
