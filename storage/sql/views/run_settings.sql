-- The settings that tell experiments apart: all of a run's but its seed, where its source lies and
-- how it continues from another run. What a method chose itself is not among them: seeds may choose
-- differently.
SELECT
    run_id,
    json_merge_patch(
        config::JSON,
        '{"random_state": null, "lineage": null, "count": null, "source": null}',
        CASE WHEN (config->'$.choose') IS NOT NULL
            THEN '{"fusion": null, "head": null, "nouns": {"fuse": null}, "captions": {"fuse": null}}'
            ELSE '{}'
        END
    ) AS settings
FROM runs
