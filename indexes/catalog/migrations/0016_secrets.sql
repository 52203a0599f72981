-- The secret that was replaced, and until when it goes on signing beside the new one, in milliseconds since 1970.
ALTER TABLE webhook ADD COLUMN former_secret BLOB;
ALTER TABLE webhook ADD COLUMN former_until INTEGER;
