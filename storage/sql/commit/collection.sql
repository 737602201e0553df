INSERT INTO collections BY NAME
SELECT
    $collection AS collection,
    $source AS source,
    $created_at AS created_at
WHERE NOT EXISTS (FROM collections WHERE collection = $collection);
