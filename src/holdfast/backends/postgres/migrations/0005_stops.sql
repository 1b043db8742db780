-- What holds a part of the fleet: one row a reach, the last stop that there was of it.

CREATE TABLE stops (
  reach        text COLLATE "C" NOT NULL PRIMARY KEY,
  at_ns        bigint NOT NULL,
  lifted_at_ns bigint NOT NULL,
  stop         bytea NOT NULL
);
