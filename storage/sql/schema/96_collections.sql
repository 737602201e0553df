-- A collection is its source: `place` is the resolved path, or the URL without credentials. Lakes
-- of before know what the newest run was given, which is compared when the collection grows again.
ALTER TABLE collections ADD COLUMN IF NOT EXISTS place VARCHAR;

-- What a run waited for: `seconds` also counts what its steps once cost, if they were cached.
ALTER TABLE runs ADD COLUMN IF NOT EXISTS wall_seconds DOUBLE;

UPDATE runs SET wall_seconds = epoch(finished_at - started_at) WHERE wall_seconds IS NULL;
