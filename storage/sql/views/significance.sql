-- p: of all 2^n ways to flip the signs of the n paired differences, the share whose mean is at
-- least as far from 0 (Fisher's exact test; at best 2 / 2^n, and NULL beyond 12 seeds).
-- p_t: two-sided paired t-test, by the finite sums for whole degrees of freedom
-- (Abramowitz and Stegun 26.7.3 and 26.7.4).
-- Runs of other images, of a collection that has grown in between, are no pair.
-- low, high: what lies in the middle 95 of 100 differences on resampled images (`resampled`), each
-- a mean over the seeds.
WITH figure AS (
    UNPIVOT scores
    ON acc, nmi, ari
    INTO NAME metric VALUE value
),

match AS (
    SELECT
        one.collection,
        one.protocol,
        one.encoder,
        one.n_clusters,
        one.metric,
        one.method,
        other.method AS versus,
        one.labels_used AS one_used,
        other.labels_used AS other_used,
        one.run_id,
        other.run_id AS versus_run,
        one.value,
        other.value AS versus_value
    FROM figure AS one
    JOIN figure AS other
        ON other.collection = one.collection
        AND other.protocol = one.protocol
        AND other.encoder = one.encoder
        AND other.n_clusters = one.n_clusters
        AND other.metric = one.metric
        AND other.random_state = one.random_state
        AND other.scan = one.scan
        AND (other.method != one.method OR other.labels_used != one.labels_used)
),

pair AS (
    SELECT
        * EXCLUDE (run_id, versus_run, value, versus_value),
        count(*) AS seeds,
        avg(value) AS mean,
        avg(versus_value) AS versus_mean,
        list(value - versus_value) AS differences
    FROM match
    GROUP BY ALL
),

resample AS (
    SELECT
        match.* EXCLUDE (run_id, versus_run, value, versus_value),
        one.resample,
        count(*) AS seeds,
        avg(one.value - other.value) AS difference
    FROM match
    JOIN resampled AS one ON one.run_id = match.run_id AND one.name = match.metric
    JOIN resampled AS other
        ON other.run_id = match.versus_run
        AND other.name = match.metric
        AND other.resample = one.resample
    GROUP BY ALL
),

spread AS (
    SELECT
        * EXCLUDE (resample, difference),
        quantile_cont(difference, 0.025) AS low,
        quantile_cont(difference, 0.975) AS high
    FROM resample
    GROUP BY ALL
),

moment AS (
    SELECT
        *,
        list_avg(differences) AS difference,
        list_stddev_samp(differences) AS sd,
        seeds - 1 AS freedom
    FROM pair
),

tested AS (
    SELECT
        *,
        if(sd > 1e-12, difference / (sd / sqrt(seeds)), NULL) AS t,
        atan(abs(difference) / (sd / sqrt(seeds)) / sqrt(freedom)) AS angle
    FROM moment
)

SELECT
    collection,
    protocol,
    encoder,
    n_clusters,
    metric,
    method,
    versus,
    seeds,
    mean,
    versus_mean,
    difference,
    sd,
    if(
        seeds <= 12,
        list_avg(
            list_transform(
                range(1::BIGINT << seeds),
                lambda flips: if(
                    abs(list_sum(list_transform(
                        differences,
                        lambda d, i: if(flips >> (i - 1) & 1 = 1, -d, d)
                    ))) >= abs(list_sum(differences)) - 1e-9,
                    1,
                    0
                )
            )
        ),
        NULL
    ) AS p,
    t,
    CASE
        WHEN t IS NULL THEN NULL
        WHEN freedom % 2 = 0 THEN 1 - sin(angle) * list_sum(
            list_transform(
                range(freedom // 2),
                lambda k: exp(lgamma(2 * k + 1) - k * ln(4) - 2 * lgamma(k + 1))
                    * pow(cos(angle), 2 * k)
            )
        )
        ELSE 1 - 2 / pi() * (
            angle + sin(angle) * coalesce(
                list_sum(
                    list_transform(
                        range((freedom - 1) // 2),
                        lambda k: exp(k * ln(4) + 2 * lgamma(k + 1) - lgamma(2 * k + 2))
                            * pow(cos(angle), 2 * k + 1)
                    )
                ),
                0
            )
        )
    END AS p_t,
    spread.low,
    spread.high,
    tested.one_used OR tested.other_used AS labels_used
FROM tested
LEFT JOIN spread
    USING (
        collection, protocol, encoder, n_clusters, metric, method, versus, one_used, other_used,
        seeds
    )
ORDER BY collection, protocol, encoder, n_clusters, metric, method, p, versus
