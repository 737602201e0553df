-- What does each part of CAE bring?
SELECT versus AS without, metric, round(100 * difference, 2) AS points, p
FROM significance
WHERE method = 'cae' AND versus LIKE 'cae-%' AND metric IN ('acc', 'nmi')
ORDER BY metric, points DESC, without
