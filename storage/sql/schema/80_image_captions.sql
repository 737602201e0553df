CREATE TABLE IF NOT EXISTS image_captions (
    run_id VARCHAR NOT NULL,
    key VARCHAR NOT NULL,
    captioner VARCHAR,
    caption VARCHAR,
    error_code VARCHAR,
    weight FLOAT
);
