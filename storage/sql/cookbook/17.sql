-- With which cameras, and from when to when?
SELECT
    coalesce(camera_model, 'not known') AS camera,
    count(*) AS photos,
    min(taken_at)::DATE AS first,
    max(taken_at)::DATE AS last
FROM images
JOIN latest_runs USING (scan, collection)
WHERE status = 'ok'
GROUP BY camera
ORDER BY photos DESC, camera
