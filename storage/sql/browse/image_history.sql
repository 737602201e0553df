-- Where the newest runs of a collection have put an image: 20 at the most, and so few that no more
-- than $most rows are looked through.
WITH member AS (
    SELECT
        other.run_id,
        other.method,
        other.series = run.series AS same_series,
        other.finished_at,
        sum(other.n_images) OVER (ORDER BY other.finished_at DESC, other.run_id DESC) AS n_rows
    FROM runs AS run
    JOIN runs AS other ON other.collection = run.collection
    WHERE run.run_id = $run
    ORDER BY other.finished_at DESC, other.run_id DESC
    LIMIT 20
)

SELECT
    member.run_id,
    member.method,
    member.same_series,
    member.finished_at,
    named.cluster_id,
    named.name,
    assignment.distance
FROM member
JOIN assignments AS assignment
    ON assignment.run_id = member.run_id AND assignment.key = $key
JOIN cluster_names AS named
    ON named.run_id = assignment.run_id AND named.cluster = assignment.cluster
WHERE member.n_rows <= $most OR member.run_id = $run
ORDER BY member.finished_at DESC, member.run_id DESC
