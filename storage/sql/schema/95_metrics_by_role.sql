-- Figures of steps were once called by kind and number (transport-2.n_iter); now by role.
CREATE TEMPORARY TABLE renamed AS
SELECT
    run_id,
    role,
    kind,
    kind || if(place > 1, '-' || place, '') AS called
FROM (
    SELECT
        run_id,
        role,
        kind,
        row_number() OVER (
            PARTITION BY run_id, kind
            ORDER BY starts_with(role, 'train.'), NOT contains(role, 'noun.'), role
        ) AS place
    FROM artifacts
)
WHERE kind || if(place > 1, '-' || place, '') <> role;

UPDATE metrics SET name = regexp_replace(name, '^view-[0-9]+\.', 'view.')
WHERE regexp_matches(name, '^view-[0-9]+\.');

UPDATE metrics SET name = part.role || name[length(part.called) + 1:]
FROM renamed AS part
WHERE
    metrics.run_id = part.run_id
    AND part.kind <> 'view'
    AND starts_with(metrics.name, part.called || '.');

UPDATE metrics SET name = regexp_extract(name, '^[a-z_]+\.') || part.role
FROM renamed AS part
WHERE
    metrics.run_id = part.run_id
    AND metrics.name IN ('seconds.' || part.called, 'peak_mb.' || part.called);

UPDATE metrics SET value = if(starts_with(name, 'seconds.'), part.seconds, part.peak_mb)
FROM artifacts AS part
WHERE
    metrics.run_id = part.run_id
    AND metrics.name IN ('seconds.' || part.role, 'peak_mb.' || part.role)
    AND metrics.value <> if(starts_with(metrics.name, 'seconds.'), part.seconds, part.peak_mb);

DROP TABLE renamed;
