CREATE TABLE IF NOT EXISTS placements (
    run_id VARCHAR NOT NULL,
    placed_at TIMESTAMP,
    source VARCHAR,
    path VARCHAR,
    key VARCHAR,
    cluster INTEGER,
    name VARCHAR,
    distance FLOAT,
    next_cluster INTEGER,
    next_distance FLOAT,
    threshold FLOAT,
    unlike BOOLEAN,
    status VARCHAR,
    error_code VARCHAR
);

ALTER TABLE placements SET PARTITIONED BY (run_id);
