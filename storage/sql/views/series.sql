SELECT
    run_id,
    collection,
    concat_ws(
        ' ',
        collection,
        method,
        if(starts_with(encoder, 'vectors:'), encoder, encoder_fingerprint),
        random_state
    ) AS series
FROM runs
