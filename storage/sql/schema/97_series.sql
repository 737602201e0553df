-- Once a series was written anew by each query, and named the place of ready-made vectors also where
-- they are the collection's source, which may move.
ALTER TABLE runs ADD COLUMN IF NOT EXISTS series VARCHAR;

CREATE TEMPORARY TABLE member AS
SELECT
    run_id,
    concat_ws(' ', collection, method, space, random_state) AS once,
    concat_ws(
        ' ',
        collection,
        method,
        if(rtrim(space, '/') = 'vectors:' || rtrim(source, '/'), 'vectors:', space),
        random_state
    ) AS series
FROM (
    SELECT
        *,
        if(starts_with(encoder, 'vectors:'), encoder, encoder_fingerprint) AS space
    FROM runs
    WHERE series IS NULL
);

UPDATE runs SET series = member.series
FROM member
WHERE runs.run_id = member.run_id;

UPDATE pins SET series = renamed.series
FROM (SELECT DISTINCT once, series FROM member WHERE once <> series) AS renamed
WHERE pins.series = renamed.once;

DROP TABLE member;
