-- Which frame of the log beside the database the tables have, and whose log it is.

CREATE TABLE log_filled (
  number   INTEGER NOT NULL,
  database BLOB    NOT NULL
) STRICT;

INSERT INTO log_filled VALUES (0, randomblob(16));
