-- Is a difference more than chance?
SELECT versus, seeds, difference, sd, p, p_t
FROM significance
WHERE metric = 'nmi' AND method = 'cae' AND NOT labels_used
ORDER BY difference DESC, versus
