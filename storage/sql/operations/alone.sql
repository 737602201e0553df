-- What of a run nothing else needs: its scan where no other run is of it, its artifacts, and pinned
-- names and marks of clusters that live in no other run of its series.
WITH alone AS (
    SELECT coalesce(own.stable_id, own.cluster) AS stable_id
    FROM clusters AS own
    WHERE own.run_id = $run
        AND NOT EXISTS (
            FROM clusters AS other
            JOIN runs AS member ON member.run_id = other.run_id
            WHERE other.run_id <> $run
                AND member.series = (SELECT series FROM runs WHERE run_id = $run)
                AND coalesce(other.stable_id, other.cluster)
                    = coalesce(own.stable_id, own.cluster)
        )
)

SELECT
    run.run_id,
    run.collection,
    run.scan,
    run.series,
    run.method,
    run.n_images,
    run.finished_at,
    (
        SELECT any_value(previous_run_id)
        FROM lineage
        WHERE run_id = $run AND previous_run_id IN (SELECT run_id FROM runs)
    ) AS previous_run_id,
    coalesce(
        (SELECT list(DISTINCT run_id ORDER BY run_id) FROM lineage WHERE previous_run_id = $run), []
    ) AS followers,
    NOT EXISTS (
        FROM runs AS other
        WHERE other.run_id <> $run
            AND other.scan = run.scan
            AND other.collection = run.collection
    ) AS scan_is_its_own,
    NOT EXISTS (
        FROM runs AS other
        WHERE other.run_id <> $run AND other.collection = run.collection
    ) AS is_the_last,
    (
        SELECT count(DISTINCT own.fingerprint)
        FROM artifacts AS own
        WHERE own.run_id = $run
            AND NOT EXISTS (
                FROM artifacts AS other
                WHERE other.run_id <> $run AND other.fingerprint = own.fingerprint
            )
    ) AS artifacts,
    coalesce(
        (
            SELECT list({'id': pin.stable_id, 'name': pin.name} ORDER BY pin.stable_id)
            FROM pins AS pin
            WHERE pin.series = run.series AND pin.stable_id IN (SELECT stable_id FROM alone)
        ),
        []
    ) AS pins,
    coalesce(
        (
            SELECT list({'id': said.stable_id, 'mark': said.mark} ORDER BY said.stable_id)
            FROM marks AS said
            WHERE said.series = run.series AND said.stable_id IN (SELECT stable_id FROM alone)
        ),
        []
    ) AS marks
FROM runs AS run
WHERE run.run_id = $run
