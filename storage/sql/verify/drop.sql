UPDATE __ducklake_metadata_lake.ducklake_data_file
SET end_snapshot = (
    SELECT max(snapshot_id) FROM __ducklake_metadata_lake.ducklake_snapshot
)
WHERE end_snapshot IS NULL AND path LIKE '%' || $name;
