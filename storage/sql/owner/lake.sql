SELECT schema_uuid::VARCHAR
FROM __ducklake_metadata_lake.ducklake_schema
WHERE schema_id = 0;
