ALTER TABLE clusters ADD COLUMN IF NOT EXISTS stable_id BIGINT;

ALTER TABLE clusters ADD COLUMN IF NOT EXISTS pinned VARCHAR;

UPDATE clusters SET stable_id = traced.stable_id
FROM lineage AS traced
WHERE
    clusters.stable_id IS NULL
    AND traced.run_id = clusters.run_id
    AND traced.cluster = clusters.cluster;

UPDATE clusters SET pinned = pin.name
FROM pins AS pin
JOIN runs AS run
    ON pin.series = concat_ws(
        ' ',
        run.collection,
        run.method,
        if(starts_with(run.encoder, 'vectors:'), run.encoder, run.encoder_fingerprint),
        run.random_state
    )
WHERE
    clusters.pinned IS NULL
    AND clusters.run_id = run.run_id
    AND pin.stable_id = coalesce(clusters.stable_id, clusters.cluster);
