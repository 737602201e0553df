CREATE TABLE IF NOT EXISTS lineage (
    run_id VARCHAR NOT NULL,
    previous_run_id VARCHAR,
    cluster INTEGER,
    stable_id BIGINT NOT NULL,
    name VARCHAR,
    event VARCHAR NOT NULL,
    related BIGINT[],
    size BIGINT,
    previous_size BIGINT,
    shared BIGINT,
    came BIGINT,
    went BIGINT,
    overlap DOUBLE
);

CREATE TABLE IF NOT EXISTS pins (
    series VARCHAR NOT NULL,
    stable_id BIGINT NOT NULL,
    name VARCHAR NOT NULL,
    pinned_at TIMESTAMP
);
