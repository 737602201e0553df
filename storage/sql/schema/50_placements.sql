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

ALTER TABLE placements RESET PARTITIONED BY;

ALTER TABLE placements SET SORTED BY (run_id ASC);
