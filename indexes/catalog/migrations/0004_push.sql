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

-- How often an entry failed, and when it is tried again by itself; empty when it is not.
ALTER TABLE journal ADD COLUMN attempt INTEGER NOT NULL DEFAULT 0;
ALTER TABLE journal ADD COLUMN next_retry_at INTEGER;

CREATE INDEX journal_retry ON journal (next_retry_at) WHERE next_retry_at IS NOT NULL;

-- What happened to documents, told to whoever follows. Numbers are committed in order: there is one writer.
CREATE TABLE event (
    number      INTEGER PRIMARY KEY AUTOINCREMENT,
    sequence    INTEGER NOT NULL,
    kind        TEXT NOT NULL,
    stage       TEXT,
    reason      TEXT,
    happened_at INTEGER NOT NULL
) STRICT;

-- Triggers, so that no statement that makes or ends an entry can forget to tell. Whoever makes the journal anew makes
-- these anew too.
CREATE TRIGGER journal_tells_what_is_accepted AFTER INSERT ON journal BEGIN
    INSERT INTO event (sequence, kind, happened_at)
    VALUES (NEW.sequence, iif(NEW.kind = 'put', 'accepted', 'deleted'), CAST(unixepoch('subsec') * 1000 AS INTEGER));
END;

CREATE TRIGGER journal_tells_what_ends AFTER UPDATE OF state ON journal
WHEN NEW.state IS NOT OLD.state AND NEW.state != 'superseded' BEGIN
    INSERT INTO event (sequence, kind, stage, reason, happened_at)
    VALUES (
        NEW.sequence,
        CASE
            WHEN NEW.state = 'pending' THEN 'retried'
            WHEN NEW.state = 'published' THEN iif(NEW.kind = 'put', 'searchable', 'removed')
            ELSE NEW.state
        END,
        NEW.stage, NEW.reason, CAST(unixepoch('subsec') * 1000 AS INTEGER));
END;
