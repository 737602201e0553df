-- p: of all 2^n ways to flip the signs of the n paired differences, the share whose mean is at
-- least as far from 0 (Fisher's exact test; at best 2 / 2^n, and NULL beyond 12 seeds).
-- p_t: two-sided paired t-test, by the finite sums for whole degrees of freedom
-- (Abramowitz and Stegun 26.7.3 and 26.7.4).
WITH figure AS (
    UNPIVOT scores
    ON acc, nmi, ari
    INTO NAME metric VALUE value
),

pair AS (
    SELECT
        one.collection,
        one.protocol,
        one.encoder,
        one.n_clusters,
        one.metric,
        one.method,
        other.method AS versus,
        one.labels_used OR other.labels_used AS labels_used,
        count(*) AS seeds,
        avg(one.value) AS mean,
        avg(other.value) AS versus_mean,
        list(one.value - other.value) AS differences
    FROM figure AS one
    JOIN figure AS other
        ON other.collection = one.collection
        AND other.protocol = one.protocol
        AND other.encoder = one.encoder
        AND other.n_clusters = one.n_clusters
        AND other.metric = one.metric
        AND other.random_state = one.random_state
        AND (other.method != one.method OR other.labels_used != one.labels_used)
    GROUP BY
        one.collection, one.protocol, one.encoder, one.n_clusters, one.metric, one.method,
        other.method, one.labels_used, other.labels_used
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
    labels_used
FROM tested
ORDER BY collection, protocol, encoder, n_clusters, metric, method, p, versus
