-- What became of every file between two runs of each `pair`; no row for one that stayed as it was.
-- Contents (keys) are followed, not names: a content that has left a path and come to another was
-- renamed. Of several copies those are paired first whose path is gone, or new, then by path.
-- `nth` tells the contents of one path apart, which only ready-made vectors have several of.
file AS (
    SELECT pair.run_id, false AS now, image.path, image.key, image.status = 'ok' AS ok
    FROM pair
    JOIN runs AS run ON run.run_id = pair.previous_run_id
    JOIN images AS image ON image.scan = run.scan AND image.collection = run.collection
    UNION ALL
    SELECT pair.run_id, true, image.path, image.key, image.status = 'ok'
    FROM pair
    JOIN runs AS run ON run.run_id = pair.run_id
    JOIN images AS image ON image.scan = run.scan AND image.collection = run.collection
),

only_one AS (
    SELECT
        run_id,
        path,
        key,
        ok,
        bool_or(now) AS now,
        row_number() OVER (PARTITION BY run_id, path, bool_or(now) ORDER BY key, ok) AS nth
    FROM file
    GROUP BY run_id, path, key, ok
    HAVING bool_or(now) <> bool_or(NOT now)
),

changed AS (
    SELECT
        run_id,
        path,
        nth,
        bool_or(NOT now) AS was,
        bool_or(now) AS is_now,
        any_value(key) FILTER (WHERE NOT now) AS old_key,
        any_value(key) FILTER (WHERE now) AS new_key,
        bool_or(ok) FILTER (WHERE NOT now) AS was_ok,
        bool_or(ok) FILTER (WHERE now) AS is_ok
    FROM only_one
    GROUP BY run_id, path, nth
),

renamed AS (
    SELECT come.run_id, come.key, gone.path AS old_path, gone.nth AS old_nth, come.path, come.nth
    FROM (
        SELECT
            run_id,
            path,
            nth,
            new_key AS key,
            row_number() OVER (PARTITION BY run_id, new_key ORDER BY was, path, nth) AS place
        FROM changed
        WHERE new_key IS NOT NULL AND new_key IS DISTINCT FROM old_key
    ) AS come
    JOIN (
        SELECT
            run_id,
            path,
            nth,
            old_key AS key,
            row_number() OVER (PARTITION BY run_id, old_key ORDER BY is_now, path, nth) AS place
        FROM changed
        WHERE old_key IS NOT NULL AND old_key IS DISTINCT FROM new_key
    ) AS gone
        ON gone.run_id = come.run_id AND gone.key = come.key AND gone.place = come.place
),

known AS (
    SELECT DISTINCT run_id, key
    FROM file
    WHERE NOT now
),

told AS (
    SELECT
        one.run_id,
        CASE
            WHEN NOT one.is_now OR arrived.path IS NOT NULL THEN 'gone'
            WHEN NOT one.is_ok THEN if(one.was AND NOT one.was_ok, NULL, 'unreadable')
            WHEN one.was AND NOT one.was_ok THEN 'repaired'
            WHEN one.was AND departed.path IS NULL THEN 'edited'
            WHEN known.key IS NOT NULL THEN 'copied'
            ELSE 'new'
        END AS change,
        one.path,
        if(arrived.path IS NULL, coalesce(one.new_key, one.old_key), one.old_key) AS key
    FROM changed AS one
    LEFT JOIN renamed AS arrived
        ON arrived.run_id = one.run_id AND arrived.path = one.path AND arrived.nth = one.nth
    LEFT JOIN renamed AS departed
        ON departed.run_id = one.run_id
        AND departed.old_path = one.path
        AND departed.old_nth = one.nth
    LEFT JOIN known ON known.run_id = one.run_id AND known.key = one.new_key
    WHERE
        (one.is_now AND arrived.path IS NULL)
        OR (one.was AND departed.path IS NULL AND (NOT one.is_now OR arrived.path IS NOT NULL))
)

SELECT
    pair.collection,
    pair.previous_run_id,
    pair.run_id,
    each.change,
    each.path,
    each.old_path,
    each.key
FROM (
    SELECT run_id, change, path, NULL AS old_path, key
    FROM told
    WHERE change IS NOT NULL
    UNION ALL
    SELECT run_id, 'renamed', path, old_path, key
    FROM renamed
) AS each
JOIN pair ON pair.run_id = each.run_id
ORDER BY pair.collection, each.change, each.path, each.key
