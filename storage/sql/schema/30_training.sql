CREATE TABLE IF NOT EXISTS training (
    run_id VARCHAR NOT NULL,
    epoch INTEGER NOT NULL,
    name VARCHAR NOT NULL,
    value DOUBLE
);

ALTER TABLE assignments ADD COLUMN IF NOT EXISTS probability FLOAT;
