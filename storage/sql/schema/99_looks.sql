-- What pictures look like, for people: made when first asked for, a row a distinct image of a scan.
CREATE TABLE IF NOT EXISTS looks (
    scan VARCHAR NOT NULL,
    collection VARCHAR NOT NULL,
    key VARCHAR NOT NULL,
    brightness FLOAT,
    bright FLOAT,
    contrast FLOAT,
    sharpness FLOAT,
    phash UBIGINT
);

CREATE TABLE IF NOT EXISTS quality_flags (
    scan VARCHAR NOT NULL,
    collection VARCHAR NOT NULL,
    key VARCHAR NOT NULL,
    flag VARCHAR,
    value FLOAT,
    threshold FLOAT
);

CREATE TABLE IF NOT EXISTS near_duplicates (
    scan VARCHAR NOT NULL,
    collection VARCHAR NOT NULL,
    encoder_fingerprint VARCHAR NOT NULL,
    key VARCHAR NOT NULL,
    keep VARCHAR,
    change VARCHAR,
    agreement FLOAT,
    cosine FLOAT,
    n INTEGER
);

CREATE TABLE IF NOT EXISTS map_points (
    scan VARCHAR NOT NULL,
    collection VARCHAR NOT NULL,
    encoder_fingerprint VARCHAR NOT NULL,
    key VARCHAR NOT NULL,
    x FLOAT,
    y FLOAT
);

CREATE TABLE IF NOT EXISTS looked (
    scan VARCHAR NOT NULL,
    collection VARCHAR NOT NULL,
    encoder_fingerprint VARCHAR NOT NULL,
    step VARCHAR NOT NULL,
    settings VARCHAR,
    fingerprint VARCHAR,
    identity VARCHAR,
    n_rows BIGINT,
    seconds DOUBLE,
    made_at TIMESTAMP
)
