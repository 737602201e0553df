-- What the newest count of the collection says of a run whose number was given: the number taken
-- then, and of the number tried that is nearest to the run's own, by ratio.
WITH given AS (
    SELECT *
    FROM runs
    WHERE
        run_id = $run
        AND run_id NOT IN (SELECT run_id FROM count_scores)
),

counted AS (
    SELECT
        tried.*,
        given.n_clusters AS own
    FROM cluster_counts AS tried
    JOIN given
        ON given.collection = tried.collection AND given.encoder = tried.encoder
    QUALIFY
        tried.run_id
        = first_value(tried.run_id) OVER (ORDER BY tried.finished_at DESC, tried.run_id)
)

SELECT
    any_value(own) AS own,
    any_value(n_clusters) FILTER (WHERE chosen) AS best,
    arg_min(worth, abs(ln(n_clusters / own))) / max(worth) FILTER (WHERE chosen) AS share,
    arg_min(is_natural, abs(ln(n_clusters / own))) AS is_natural
FROM counted
HAVING count(*) > 0
