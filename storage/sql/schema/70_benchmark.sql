ALTER TABLE runs ADD COLUMN IF NOT EXISTS protocol VARCHAR;

UPDATE runs SET protocol = 'whole' WHERE protocol IS NULL;

ALTER TABLE artifacts ADD COLUMN IF NOT EXISTS n_rows BIGINT;

ALTER TABLE artifacts ADD COLUMN IF NOT EXISTS seconds DOUBLE;

ALTER TABLE artifacts ADD COLUMN IF NOT EXISTS cpu_seconds DOUBLE;

ALTER TABLE artifacts ADD COLUMN IF NOT EXISTS peak_mb DOUBLE;

CREATE TABLE IF NOT EXISTS cells (
    cell VARCHAR NOT NULL,
    collection VARCHAR NOT NULL,
    protocol VARCHAR NOT NULL,
    encoder VARCHAR,
    method VARCHAR,
    random_state BIGINT,
    run_id VARCHAR,
    error VARCHAR,
    seconds DOUBLE,
    finished_at TIMESTAMP
);
