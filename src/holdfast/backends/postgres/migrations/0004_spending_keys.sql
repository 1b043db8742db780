-- Keys that open capped sessions and nothing else.

CREATE TABLE spending_keys (
  name         text COLLATE "C" NOT NULL PRIMARY KEY,
  spending_key bytea NOT NULL
);
