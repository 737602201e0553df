CREATE TABLE IF NOT EXISTS resampled (
    run_id VARCHAR NOT NULL,
    resample INTEGER NOT NULL,
    name VARCHAR NOT NULL,
    value DOUBLE
);
