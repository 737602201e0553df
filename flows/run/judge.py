"""The metrics of a run: what can be measured of it, with labels and without."""

import logging

from sortal.configs.schema import RunConfig
from sortal.flows.run.context import Images, Run, Space
from sortal.storage.artifacts import Artifact
from sortal.tasks.encoders.base import templates_of
from sortal.tasks.evaluation.step import evaluate, evaluate_names, look_at_clusters, resample
from sortal.tasks.labels.compared import are_compared, why_not_compared

log = logging.getLogger("sortal")


def measure(
    run: Run,
    images: Images,
    spaces: dict[str, Space],
    fused: Artifact,
    clusters: Artifact,
    names: Artifact,
) -> list[Artifact]:
    """The metrics of a run: without labels always, against labels that tell something."""
    config = run.config
    label_free = run.do(
        look_at_clusters,
        "label_free",
        images=images.vectors,
        fused=fused,
        partition=clusters,
        transports={name: space.transport for name, space in spaces.items()},
        config=config.evaluation,
        kmeans=config.partition if _by_kmeans(config) else None,
        n_clusters=clusters.facts.get("n_clusters", config.n_clusters),
        random_state=config.random_state,
    )
    labels = images.scan.facts["n_labelled"], images.scan.facts["n_classes"]
    if not are_compared(*labels):
        if why := why_not_compared(*labels):
            log.info("%s", why)
        return [label_free]
    agreement = run.do(
        evaluate, "metrics", scan=images.scan, partition=clusters, config=config.evaluation
    )
    if times := config.evaluation.resamples:
        run.do(resample, "resampled", scan=images.scan, partition=clusters, resamples=times)
    if "noun" not in spaces:
        return [label_free, agreement]
    naming = run.do(
        evaluate_names,
        "name_metrics",
        metrics=agreement,
        names=names,
        corpus=spaces["noun"].corpus,
        encoder=config.encoder,
        encoder_fingerprint=run.encoder.fingerprint,
        templates=templates_of(config.nouns, run.encoder),
    )
    return [label_free, agreement, naming]


def _by_kmeans(config: RunConfig) -> bool:
    given = config.classes.given or config.head.method != "none"
    return not given and config.partition.method == "kmeans"
