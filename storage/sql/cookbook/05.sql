-- Where does the time go, and the memory?
SELECT
    kind,
    count(DISTINCT run_id) AS runs,
    round(avg(cpu_seconds), 2) AS cpu_seconds,
    max(peak_mb) AS peak_mb,
    round(avg(images_per_second)) AS images_per_second
FROM costs
GROUP BY kind
ORDER BY cpu_seconds DESC, kind
