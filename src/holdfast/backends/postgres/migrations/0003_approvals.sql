-- Calls that wait for a person, and what was answered.

CREATE TABLE approvals (
  approval_id text COLLATE "C" NOT NULL PRIMARY KEY,
  tenant      text COLLATE "C" NOT NULL,
  project     text COLLATE "C" NOT NULL,
  session     text COLLATE "C" NOT NULL,
  state       text COLLATE "C" NOT NULL,
  asked_at_ns bigint NOT NULL,
  approval    bytea NOT NULL
) WITH (fillfactor = 70);

CREATE INDEX approvals_by_tenant  ON approvals (tenant, asked_at_ns, approval_id);
CREATE INDEX approvals_by_time    ON approvals (asked_at_ns, approval_id);
CREATE INDEX approvals_by_session ON approvals (session);
CREATE INDEX approvals_open       ON approvals (state, asked_at_ns, approval_id)
  WHERE state IN ('pending', 'approved');
