SELECT
    run.collection,
    run.protocol,
    run.encoder,
    run.method,
    run.run_id,
    part.role,
    part.kind,
    part.n_rows,
    part.seconds,
    part.cpu_seconds,
    part.peak_mb,
    run.n_images / nullif(part.seconds, 0) AS images_per_second,
    run.labels_used
FROM artifacts AS part
JOIN runs AS run ON run.run_id = part.run_id
WHERE part.seconds IS NOT NULL
