-- The files that the catalogue names, those in use and the newest first.
SELECT
    if(
        file.path_is_relative,
        schema.path || first(own.path) || file.path,
        file.path
    ) AS path
FROM __ducklake_metadata_lake.ducklake_data_file AS file
JOIN __ducklake_metadata_lake.ducklake_table AS own USING (table_id)
JOIN __ducklake_metadata_lake.ducklake_schema AS schema USING (schema_id)
GROUP BY file.data_file_id, file.end_snapshot, file.path, file.path_is_relative, schema.path
ORDER BY file.end_snapshot IS NOT NULL, file.data_file_id DESC
LIMIT 64;
