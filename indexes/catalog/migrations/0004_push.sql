-- Requests that came with a key of their caller's, and what they were answered. Numbers rise without reuse, so that
-- the bound is a look-up, not a count.
CREATE TABLE pushed (
    number      INTEGER PRIMARY KEY AUTOINCREMENT,
    key         TEXT NOT NULL UNIQUE,
    digest      BLOB NOT NULL,
    -- The results as JSON: receipts and refusals, which name documents and never quote them.
    results     TEXT NOT NULL,
    accepted_at INTEGER NOT NULL
) STRICT;

CREATE INDEX pushed_by_age ON pushed (accepted_at);
