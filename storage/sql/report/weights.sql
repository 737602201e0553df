SELECT
    avg(w_image) AS image,
    avg(w_noun) AS noun,
    avg(w_caption) AS caption
FROM assignments
WHERE run_id = $run
