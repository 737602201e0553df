SELECT *
FROM runs
QUALIFY row_number() OVER (PARTITION BY collection ORDER BY finished_at DESC, run_id DESC) = 1
