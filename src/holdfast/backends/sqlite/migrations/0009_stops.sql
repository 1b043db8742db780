-- What holds a part of the fleet: one row a reach, the last stop that there was of it.

CREATE TABLE stops (
  reach        TEXT    NOT NULL PRIMARY KEY,
  at_ns        INTEGER NOT NULL,
  lifted_at_ns INTEGER NOT NULL,
  stop         BLOB    NOT NULL
) STRICT, WITHOUT ROWID;
