-- Where a run has put an image, what its vector was made of, and its caption.
SELECT
    assignment.cluster,
    named.cluster_id,
    named.name,
    assignment.distance,
    assignment.probability,
    assignment.w_image,
    assignment.w_noun,
    assignment.w_caption,
    captioned.caption,
    captioned.captioner,
    captioned.weight AS caption_weight
FROM assignments AS assignment
JOIN cluster_names AS named
    ON named.run_id = assignment.run_id AND named.cluster = assignment.cluster
LEFT JOIN image_captions AS captioned
    ON captioned.run_id = assignment.run_id AND captioned.key = assignment.key
WHERE assignment.run_id = $run AND assignment.key = $key
