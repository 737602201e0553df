CREATE TABLE IF NOT EXISTS meta (
    name VARCHAR NOT NULL,
    value VARCHAR
);

CREATE TABLE IF NOT EXISTS collections (
    collection VARCHAR NOT NULL,
    source VARCHAR,
    created_at TIMESTAMP
);

CREATE TABLE IF NOT EXISTS images (
    scan VARCHAR NOT NULL,
    collection VARCHAR NOT NULL,
    path VARCHAR,
    key VARCHAR,
    label VARCHAR,
    width INTEGER,
    height INTEGER,
    format VARCHAR,
    bytes BIGINT,
    "offset" BIGINT,
    status VARCHAR,
    error_code VARCHAR
);

CREATE TABLE IF NOT EXISTS failures (
    scan VARCHAR NOT NULL,
    collection VARCHAR NOT NULL,
    path VARCHAR,
    key VARCHAR,
    error_code VARCHAR,
    error VARCHAR
);

CREATE TABLE IF NOT EXISTS runs (
    run_id VARCHAR NOT NULL,
    fingerprint VARCHAR NOT NULL,
    collection VARCHAR NOT NULL,
    scan VARCHAR NOT NULL,
    source VARCHAR,
    method VARCHAR,
    encoder VARCHAR,
    encoder_fingerprint VARCHAR,
    n_clusters INTEGER,
    n_images BIGINT,
    n_failed BIGINT,
    random_state BIGINT,
    config VARCHAR,
    started_at TIMESTAMP,
    finished_at TIMESTAMP,
    seconds DOUBLE,
    sortal_version VARCHAR,
    labels_used BOOLEAN
);

CREATE TABLE IF NOT EXISTS assignments (
    run_id VARCHAR NOT NULL,
    key VARCHAR NOT NULL,
    cluster INTEGER,
    distance FLOAT,
    w_image FLOAT,
    w_noun FLOAT,
    w_caption FLOAT
);

CREATE TABLE IF NOT EXISTS clusters (
    run_id VARCHAR NOT NULL,
    cluster INTEGER NOT NULL,
    name VARCHAR,
    size BIGINT,
    caption VARCHAR,
    mean_distance FLOAT,
    representatives VARCHAR[]
);

CREATE TABLE IF NOT EXISTS cluster_terms (
    run_id VARCHAR NOT NULL,
    cluster INTEGER NOT NULL,
    corpus VARCHAR,
    rank INTEGER,
    term VARCHAR,
    mass FLOAT,
    score FLOAT
);

CREATE TABLE IF NOT EXISTS metrics (
    run_id VARCHAR NOT NULL,
    name VARCHAR NOT NULL,
    value DOUBLE
);

-- Runs and scans lie one after the other in few files, in order, so that a query finds its own by
-- the least and greatest value of a file and of its row groups; a file of its own for each would
-- cost every query a look at all of them in the catalogue. A run's rows come in order already.
CALL ducklake_set_option('lake', 'sort_on_insert', 'false');

ALTER TABLE images RESET PARTITIONED BY;

ALTER TABLE images SET SORTED BY (scan ASC);

ALTER TABLE assignments RESET PARTITIONED BY;

ALTER TABLE assignments SET SORTED BY (run_id ASC);
