-- What do papers report for a data set, and how is it known?
SELECT
    method,
    max(value) FILTER (WHERE metric = 'nmi') AS nmi,
    max(value) FILTER (WHERE metric = 'acc') AS acc,
    string_agg(DISTINCT mark, ', ' ORDER BY mark) AS known_from,
    encoder
FROM published
WHERE dataset = 'cifar10'
GROUP BY method, encoder
ORDER BY encoder, nmi DESC, method
