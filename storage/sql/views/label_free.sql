SELECT
    score.collection,
    score.protocol,
    score.encoder,
    score.n_clusters,
    score.method,
    score.random_state,
    score.run_id,
    regexp_replace(metric.name, '^train\.', '') AS name,
    metric.value,
    score.nmi,
    score.labels_used
FROM scores AS score
JOIN metrics AS metric ON metric.run_id = score.run_id
WHERE metric.name IN (
    'silhouette_fused', 'silhouette_image', 'stability', 'size_entropy', 'entropy_noun',
    'entropy_caption', 'cosine_image', 'cosine_fused', 'partition.agreement',
    'partition.confidence', 'train.partition.agreement', 'train.partition.confidence'
)
