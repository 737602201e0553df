-- What the paths of a collection stand behind: file:///folder, or the URL of a bucket. NULL where
-- the source was given relative to nothing that is known, or lies in the workspace.
WITH known AS (
    SELECT
        collection,
        CASE
            WHEN place IS NULL OR starts_with(place, '<workspace>') THEN source
            ELSE place
        END AS place
    FROM collections
)

SELECT
    collection,
    CASE
        WHEN starts_with(place, 'urls:') THEN ''
        WHEN contains(place, '://') THEN place || '/'
        WHEN starts_with(place, '/') THEN 'file://' || replace(url_encode(place), '%2F', '/') || '/'
    END AS root
FROM known
