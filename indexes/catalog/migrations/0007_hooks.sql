-- Who is told what happens to documents. Settings and progress are JSON: they are read whole and never searched.
CREATE TABLE webhook (
    id       TEXT PRIMARY KEY,
    settings TEXT NOT NULL,
    secret   BLOB NOT NULL,
    added_at INTEGER NOT NULL,
    -- How far it was told, and what stands in its way.
    progress TEXT NOT NULL
) STRICT, WITHOUT ROWID;

-- Where hubs tell us that a feed has changed. A row outlives its source until the hub was told to stop.
CREATE TABLE subscription (
    -- The part of the callback's address that nobody can guess.
    token    TEXT PRIMARY KEY,
    source   TEXT NOT NULL,
    -- The hub, the topic and the callback.
    settings TEXT NOT NULL,
    secret   BLOB NOT NULL,
    progress TEXT NOT NULL
) STRICT, WITHOUT ROWID;
