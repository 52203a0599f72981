-- Where documents come from, and what is remembered of it. Settings, visits and what a planner has learnt are JSON: they
-- are read whole and never searched.

CREATE TABLE source (
    name              TEXT PRIMARY KEY,
    settings          TEXT NOT NULL,
    paused            INTEGER NOT NULL DEFAULT 0,
    -- Whether the configuration file names it.
    declared          INTEGER NOT NULL DEFAULT 0,
    -- What becomes of its documents, while it is being removed.
    removing          TEXT CHECK (removing IN ('keep', 'delete')),
    added_at          INTEGER NOT NULL,
    last_visit        TEXT,
    -- When the last visit began that reached the source as a whole.
    complete_at       INTEGER,
    next_visit_at     INTEGER,
    next_visit_reason TEXT NOT NULL DEFAULT '',
    learnt            TEXT NOT NULL DEFAULT 'null'
) STRICT;

-- Sources that were removed while they had documents: those belong to nobody.
CREATE TABLE former_source (
    name TEXT PRIMARY KEY
) STRICT, WITHOUT ROWID;

CREATE TABLE url_memory (
    source        TEXT NOT NULL REFERENCES source (name) ON DELETE CASCADE,
    url           TEXT NOT NULL,
    etag          TEXT,
    last_modified TEXT,
    body_hash     BLOB,
    PRIMARY KEY (source, url)
) STRICT, WITHOUT ROWID;

CREATE INDEX document_states_of_source ON document (source, state) WHERE deleted = 0;
