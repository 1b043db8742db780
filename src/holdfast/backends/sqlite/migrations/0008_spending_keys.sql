-- Keys that open capped sessions and nothing else.

CREATE TABLE spending_keys (
  name         TEXT NOT NULL PRIMARY KEY,
  spending_key BLOB NOT NULL
) STRICT, WITHOUT ROWID;
