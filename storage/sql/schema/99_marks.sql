-- What people said of clusters, in every run of a series: `done` or `to delete`.
CREATE TABLE IF NOT EXISTS marks (
    series VARCHAR NOT NULL,
    stable_id BIGINT NOT NULL,
    mark VARCHAR NOT NULL,
    marked_at TIMESTAMP
)
