UPDATE collections SET source = $source, place = $place
WHERE
    collection = $collection
    AND (place IS DISTINCT FROM $place OR source IS DISTINCT FROM $source);
