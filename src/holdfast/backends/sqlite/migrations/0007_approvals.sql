-- Calls that wait for a person, and what was answered.

CREATE TABLE approvals (
  approval_id TEXT    NOT NULL PRIMARY KEY,
  tenant      TEXT    NOT NULL,
  project     TEXT    NOT NULL,
  session     TEXT    NOT NULL,
  state       TEXT    NOT NULL,
  asked_at_ns INTEGER NOT NULL,
  approval    BLOB    NOT NULL
) STRICT;

CREATE INDEX approvals_by_tenant  ON approvals (tenant, asked_at_ns, approval_id);
CREATE INDEX approvals_by_time    ON approvals (asked_at_ns, approval_id);
CREATE INDEX approvals_by_session ON approvals (session);
CREATE INDEX approvals_open       ON approvals (state, asked_at_ns, approval_id)
  WHERE state IN ('pending', 'approved');
