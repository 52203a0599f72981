-- The catalog's first schema. Identities are 16-byte blobs, times are milliseconds since 1970, states are words.

CREATE TABLE collection (
    name  TEXT PRIMARY KEY,
    space BLOB NOT NULL,
    model TEXT NOT NULL
) STRICT, WITHOUT ROWID;

-- One row a document, kept as a tombstone after its deletion, so that revisions go on rising.
CREATE TABLE document (
    id                 BLOB PRIMARY KEY,
    collection         TEXT NOT NULL,
    key                TEXT NOT NULL,
    source             TEXT NOT NULL,
    accepted_revision  INTEGER NOT NULL,
    accepted_sequence  INTEGER NOT NULL,
    -- The state of the newest entry, repeated here so that a listing by state is an index look-up.
    state              TEXT NOT NULL,
    -- The digest of the newest revision; none after a deletion.
    content_hash       BLOB,
    fingerprint        TEXT,
    published_revision INTEGER,
    deleted            INTEGER NOT NULL,
    -- Nothing of this revision or an older one may be read: the number of the last deletion.
    erased_through     INTEGER NOT NULL DEFAULT 0,
    -- Chunks of the published revision.
    chunks             INTEGER NOT NULL DEFAULT 0,
    -- How often a revision was staged since the last publication: each may have changed the views.
    attempts           INTEGER NOT NULL DEFAULT 0
) STRICT, WITHOUT ROWID;

CREATE INDEX document_by_key ON document (collection, key) WHERE deleted = 0;
CREATE INDEX document_by_state ON document (collection, state, key) WHERE deleted = 0;
CREATE INDEX document_by_source ON document (source, collection, key, fingerprint) WHERE deleted = 0;
CREATE INDEX document_count ON document (state, published_revision, chunks) WHERE deleted = 0;

CREATE TABLE revision (
    document    BLOB NOT NULL REFERENCES document (id),
    revision    INTEGER NOT NULL,
    media_type  TEXT NOT NULL,
    bytes       INTEGER NOT NULL,
    attributes  TEXT NOT NULL,
    title       TEXT,
    accepted_at INTEGER NOT NULL,
    -- The bytes as they came; none once `text` says the same, or once a newer revision is published.
    content     BLOB,
    -- The text that spans are measured in; none while it is not parsed.
    text        TEXT,
    UNIQUE (document, revision)
) STRICT;

CREATE TABLE journal (
    sequence        INTEGER PRIMARY KEY,
    document        BLOB NOT NULL REFERENCES document (id),
    revision        INTEGER NOT NULL,
    kind            TEXT NOT NULL CHECK (kind IN ('put', 'delete')),
    state           TEXT NOT NULL
                    CHECK (state IN ('pending', 'published', 'superseded', 'failed', 'quarantined')),
    stage           TEXT,
    reason          TEXT,
    superseded_by   INTEGER,
    chunks          INTEGER NOT NULL DEFAULT 0,
    chunks_embedded INTEGER NOT NULL DEFAULT 0,
    tokens_embedded INTEGER NOT NULL DEFAULT 0,
    chunks_kept     INTEGER NOT NULL DEFAULT 0,
    chunks_removed  INTEGER NOT NULL DEFAULT 0
) STRICT;

CREATE INDEX journal_pending ON journal (sequence, document) WHERE state = 'pending';
CREATE INDEX journal_pending_of ON journal (document, sequence) WHERE state = 'pending';

-- Chunks of published revisions, and of staged ones, whose `publication` is still empty.
CREATE TABLE chunk (
    number        INTEGER PRIMARY KEY AUTOINCREMENT,
    document      BLOB NOT NULL REFERENCES document (id),
    revision      INTEGER NOT NULL,
    ordinal       INTEGER NOT NULL,
    id            BLOB NOT NULL,
    start         INTEGER NOT NULL,
    "end"         INTEGER NOT NULL,
    byte_start    INTEGER NOT NULL,
    byte_end      INTEGER NOT NULL,
    tokens        INTEGER NOT NULL,
    embedding_key BLOB NOT NULL,
    -- The publication that last put this chunk into the views.
    publication   INTEGER,
    heading       TEXT NOT NULL,
    text          TEXT NOT NULL,
    UNIQUE (document, revision, ordinal)
) STRICT;

CREATE UNIQUE INDEX chunk_by_id ON chunk (id, revision);
CREATE INDEX chunk_by_embedding ON chunk (embedding_key);
CREATE INDEX chunk_by_publication ON chunk (publication, number) WHERE publication IS NOT NULL;

-- Chunks of an attempt that was staged again without them: a view may hold them until the next publication.
CREATE TABLE stray_chunk (
    document      BLOB NOT NULL REFERENCES document (id),
    id            BLOB NOT NULL,
    embedding_key BLOB NOT NULL,
    PRIMARY KEY (document, id)
) STRICT, WITHOUT ROWID;

CREATE TABLE embedding (
    key         BLOB NOT NULL,
    space       BLOB NOT NULL,
    vector      BLOB NOT NULL,
    -- The publication since which no chunk needs it, and the document that needed it last; empty while one does.
    spare_since INTEGER,
    freed_by    BLOB,
    UNIQUE (key, space)
) STRICT;

CREATE INDEX embedding_spare ON embedding (spare_since) WHERE spare_since IS NOT NULL;
CREATE INDEX embedding_freed ON embedding (freed_by) WHERE freed_by IS NOT NULL;

-- Numbered without gaps being reused, so that the newest ones are the largest ones.
CREATE TABLE removed_chunk (
    number      INTEGER PRIMARY KEY AUTOINCREMENT,
    chunk       BLOB NOT NULL UNIQUE,
    publication INTEGER NOT NULL
) STRICT;

-- `catalog` is the newest publication; `vector` and `keyword` are the views; from `replayable` on, or from 0, a
-- replay is complete.
CREATE TABLE checkpoint (
    name        TEXT PRIMARY KEY,
    publication INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

INSERT INTO checkpoint (name, publication) VALUES ('catalog', 0), ('vector', 0), ('keyword', 0), ('replayable', 0);

CREATE TABLE ledger (
    chunks_embedded INTEGER NOT NULL,
    tokens_embedded INTEGER NOT NULL,
    chunks_kept     INTEGER NOT NULL
) STRICT;

INSERT INTO ledger (chunks_embedded, tokens_embedded, chunks_kept) VALUES (0, 0, 0);
