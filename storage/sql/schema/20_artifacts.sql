CREATE TABLE IF NOT EXISTS artifacts (
    run_id VARCHAR NOT NULL,
    role VARCHAR NOT NULL,
    kind VARCHAR NOT NULL,
    fingerprint VARCHAR NOT NULL,
    identity VARCHAR NOT NULL
);
