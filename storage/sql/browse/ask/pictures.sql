-- Which of some texts are keys or paths of images, and in which run they can be looked at.
WITH sought AS (
    SELECT DISTINCT unnest($texts) AS text
),

image AS (
    SELECT image.key, image.path, run.run_id
    FROM latest_runs AS run
    JOIN images AS image
        ON image.scan = run.scan AND image.collection = run.collection
    WHERE image.status = 'ok'
)

SELECT
    sought.text,
    min(image.key) AS key,
    min(image.path) AS path,
    max(image.run_id) AS run_id
FROM sought
JOIN image ON image.key = sought.text
GROUP BY sought.text
UNION
SELECT
    sought.text,
    max_by(image.key, (image.run_id, image.key)),
    sought.text,
    max(image.run_id)
FROM sought
JOIN image ON image.path = sought.text
GROUP BY sought.text
