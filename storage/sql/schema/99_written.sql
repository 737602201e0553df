-- By whom a cluster's name was written; NULL: it was found, among nouns.
ALTER TABLE clusters ADD COLUMN IF NOT EXISTS written_by VARCHAR;

-- What an endpoint wrote of a run's clusters, and why it is not the name where it is not.
CREATE TABLE IF NOT EXISTS written_names (
    run_id VARCHAR NOT NULL,
    cluster INTEGER NOT NULL,
    writer VARCHAR,
    answer VARCHAR,
    name VARCHAR,
    confidence FLOAT,
    kept BOOLEAN,
    refused VARCHAR,
    error VARCHAR
);
