-- Figures of steps were once called by kind and number (transport-2.n_iter); now by role.
CREATE TEMPORARY TABLE renamed AS
SELECT
    run_id,
    role,
    kind || if(place > 1, '-' || place, '') AS called
FROM (
    SELECT
        run_id,
        role,
        kind,
        row_number() OVER (
            PARTITION BY run_id, kind
            ORDER BY starts_with(role, 'train.'), NOT starts_with(role, 'noun.'), role
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
    AND NOT starts_with(part.role, 'view.')
    AND starts_with(metrics.name, part.called || '.');

UPDATE metrics SET name = regexp_extract(name, '^[a-z_]+\.') || part.role
FROM renamed AS part
WHERE
    metrics.run_id = part.run_id
    AND metrics.name IN ('seconds.' || part.called, 'peak_mb.' || part.called);

DROP TABLE renamed;
