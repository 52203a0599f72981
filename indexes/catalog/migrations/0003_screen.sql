-- Screening: what it said about a revision, and what is needed to know a text and its like again.

-- The decisions, as a JSON array; none while the revision is not read.
ALTER TABLE revision ADD COLUMN screening TEXT;

-- A check cannot be changed in place: the same table, with one more state.
CREATE TABLE journal_with_skipped (
    sequence        INTEGER PRIMARY KEY,
    document        BLOB NOT NULL REFERENCES document (id),
    revision        INTEGER NOT NULL,
    kind            TEXT NOT NULL CHECK (kind IN ('put', 'delete')),
    state           TEXT NOT NULL
                    CHECK (state IN ('pending', 'published', 'superseded', 'failed', 'quarantined', 'skipped')),
    stage           TEXT,
    reason          TEXT,
    superseded_by   INTEGER,
    chunks          INTEGER NOT NULL DEFAULT 0,
    chunks_embedded INTEGER NOT NULL DEFAULT 0,
    tokens_embedded INTEGER NOT NULL DEFAULT 0,
    chunks_kept     INTEGER NOT NULL DEFAULT 0,
    chunks_removed  INTEGER NOT NULL DEFAULT 0
) STRICT;

INSERT INTO journal_with_skipped (sequence, document, revision, kind, state, stage, reason, superseded_by, chunks,
                                  chunks_embedded, tokens_embedded, chunks_kept, chunks_removed)
SELECT sequence, document, revision, kind, state, stage, reason, superseded_by, chunks,
       chunks_embedded, tokens_embedded, chunks_kept, chunks_removed FROM journal;
DROP TABLE journal;
ALTER TABLE journal_with_skipped RENAME TO journal;
CREATE INDEX journal_pending ON journal (sequence, document) WHERE state = 'pending';
CREATE INDEX journal_pending_of ON journal (document, sequence) WHERE state = 'pending';

-- One row a screened document. Hashes are 64-bit integers, lists of them blobs of 8 bytes each.
CREATE TABLE signature (
    number   INTEGER PRIMARY KEY AUTOINCREMENT,
    document BLOB NOT NULL UNIQUE REFERENCES document (id),
    revision INTEGER NOT NULL,
    digest   BLOB NOT NULL,
    minima   BLOB NOT NULL,
    bands    BLOB NOT NULL,
    blocks   BLOB NOT NULL,
    -- The document that it repeats.
    original BLOB,
    dropped  INTEGER NOT NULL
) STRICT;

CREATE INDEX signature_by_original ON signature (original, number) WHERE original IS NOT NULL;

-- Who is found in which bucket: originals only, so that a thousand copies of one text do not fill its buckets.
CREATE TABLE signature_band (
    band     INTEGER NOT NULL,
    document BLOB NOT NULL,
    PRIMARY KEY (band, document)
) STRICT, WITHOUT ROWID;

-- In how many originals of a source a paragraph stands.
CREATE TABLE block_count (
    block     INTEGER PRIMARY KEY,
    documents INTEGER NOT NULL
) STRICT;

-- What a source with a budget had admitted in an hour, by the part of the source.
CREATE TABLE arrival (
    scope     INTEGER NOT NULL,
    hour      INTEGER NOT NULL,
    stratum   INTEGER NOT NULL,
    documents INTEGER NOT NULL,
    PRIMARY KEY (scope, hour, stratum)
) STRICT, WITHOUT ROWID;
