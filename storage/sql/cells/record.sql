INSERT INTO cells BY NAME
SELECT
    $cell AS cell,
    $collection AS collection,
    $protocol AS protocol,
    $encoder AS encoder,
    $method AS method,
    $random_state AS random_state,
    $run_id AS run_id,
    $error AS error,
    $seconds AS seconds,
    $finished_at AS finished_at
