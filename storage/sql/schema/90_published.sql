CREATE TABLE IF NOT EXISTS published (
    method VARCHAR NOT NULL,
    dataset VARCHAR NOT NULL,
    encoder VARCHAR NOT NULL,
    metric VARCHAR NOT NULL,
    value DOUBLE,
    mark VARCHAR,
    source VARCHAR
);
