WITH kind AS (
    SELECT table_name AS name, 'table' AS kind, comment AS what
    FROM duckdb_tables()
    WHERE database_name = 'lake' AND schema_name = 'main' AND table_name != 'meta'
    UNION ALL
    SELECT view_name, 'view', comment
    FROM duckdb_views()
    WHERE database_name = 'lake' AND schema_name = 'main'
)

SELECT
    kind.name,
    kind.kind,
    kind.what,
    string_agg(part.column_name, ', ' ORDER BY part.column_index) AS columns
FROM kind
JOIN duckdb_columns() AS part
    ON part.table_name = kind.name
    AND part.database_name = 'lake'
    AND part.schema_name = 'main'
GROUP BY ALL
ORDER BY kind.kind, kind.name
