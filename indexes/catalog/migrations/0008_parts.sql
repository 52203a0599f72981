-- What the vector of a chunk is made of: its parts, each with a vector of its own. `embedding` holds those.
CREATE TABLE part (
    chunk  INTEGER NOT NULL REFERENCES chunk (number) ON DELETE CASCADE,
    place  INTEGER NOT NULL,
    key    BLOB NOT NULL,
    weight REAL NOT NULL,
    PRIMARY KEY (chunk, place)
) STRICT, WITHOUT ROWID;

CREATE INDEX part_by_key ON part (key);

-- Until now a chunk was embedded whole: it is its own part, and its key that of its vector.
INSERT INTO part (chunk, place, key, weight) SELECT number, 0, embedding_key, 1.0 FROM chunk;

DROP INDEX chunk_by_embedding;
