-- What the files of a run's scan can be filtered by: up to 300 labels, the splits, how they were read.
WITH file AS (
    SELECT image.label, image.split, image.status
    FROM runs AS run
    JOIN images AS image
        ON image.scan = run.scan AND image.collection = run.collection
    WHERE run.run_id = $run
),

facet AS (
    SELECT 'label' AS facet, label AS value, count(*) AS files
    FROM file
    GROUP BY label
    UNION ALL
    SELECT 'split', split, count(*)
    FROM file
    GROUP BY split
    UNION ALL
    SELECT 'status', status, count(*)
    FROM file
    GROUP BY status
)

SELECT facet, value, files
FROM facet
WHERE value IS NOT NULL
QUALIFY row_number() OVER (PARTITION BY facet ORDER BY files DESC, value) <= 300
ORDER BY facet, value
