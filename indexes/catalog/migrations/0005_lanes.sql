-- Who waits for a write: `interactive` is a person, `bulk` an import. What was pending before lanes is an import.
ALTER TABLE journal ADD COLUMN lane TEXT NOT NULL DEFAULT 'bulk' CHECK (lane IN ('interactive', 'bulk'));

CREATE INDEX journal_pending_in_lane ON journal (lane, sequence, document) WHERE state = 'pending';
