CREATE TABLE IF NOT EXISTS candidate_scores (
    run_id VARCHAR NOT NULL,
    candidate VARCHAR NOT NULL,
    words VARCHAR,
    agreement DOUBLE,
    predictability DOUBLE,
    error DOUBLE,
    score DOUBLE,
    chosen BOOLEAN,
    kept BOOLEAN
);
