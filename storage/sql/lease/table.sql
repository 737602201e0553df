CREATE TABLE IF NOT EXISTS leases.sortal_leases (
    collection VARCHAR PRIMARY KEY,
    holder VARCHAR,
    machine VARCHAR,
    pid BIGINT,
    born VARCHAR,
    token VARCHAR,
    seconds DOUBLE,
    expires_at DOUBLE
);
