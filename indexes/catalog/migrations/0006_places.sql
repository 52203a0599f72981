-- Where in the original a chunk's text stands, for formats whose readers look for a page or a row: a JSON list of
-- {start, place}, with starts in bytes of the chunk.
ALTER TABLE chunk ADD COLUMN places TEXT;
