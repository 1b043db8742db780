-- Effects in the order of their intents, found by an index on their key. As the table's own order,
-- keys without order made every intent and every outcome a page of its own to write.

CREATE TABLE effects_in_order (
  position       INTEGER PRIMARY KEY,
  tenant         TEXT    NOT NULL,
  key            TEXT    NOT NULL,
  session        TEXT    NOT NULL,
  intended_at_ns INTEGER NOT NULL,
  state          TEXT    NOT NULL,
  changed_at_ns  INTEGER NOT NULL,
  effect         BLOB    NOT NULL,
  UNIQUE (tenant, key)
) STRICT;

INSERT INTO effects_in_order (tenant, key, session, intended_at_ns, state, changed_at_ns, effect)
SELECT tenant, key, session, intended_at_ns, state, changed_at_ns, effect
FROM effects ORDER BY intended_at_ns;

DROP TABLE effects;
ALTER TABLE effects_in_order RENAME TO effects;

CREATE INDEX effects_by_session ON effects (session);
CREATE INDEX effects_to_purge   ON effects (changed_at_ns) WHERE state IN ('done', 'failed');
