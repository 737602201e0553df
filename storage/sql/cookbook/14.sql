-- What weight do image, noun and caption have in the fused vectors?
SELECT
    runs.method,
    avg(assignments.w_image) AS image,
    avg(assignments.w_noun) AS noun,
    avg(assignments.w_caption) AS caption
FROM assignments
JOIN runs USING (run_id)
GROUP BY runs.method
ORDER BY image, method
