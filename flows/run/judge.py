"""How a run is judged: what can be measured of it, with labels and without."""

from collections.abc import Callable

from sortal.configs.schema import RunConfig
from sortal.flows.run.context import Space
from sortal.storage.artifacts import Artifact
from sortal.tasks.encoders.base import EncoderInfo, templates_of
from sortal.tasks.evaluation.step import evaluate, evaluate_names, look_at_clusters


def judge(
    do: Callable[..., Artifact],
    config: RunConfig,
    encoder: EncoderInfo,
    found: Artifact,
    images: Artifact,
    fused: Artifact,
    clusters: Artifact,
    names: Artifact,
    spaces: dict[str, Space],
) -> list[Artifact]:
    """The metrics of a run: without labels always, against labels where images have some."""
    label_free = do(
        look_at_clusters,
        images=images,
        fused=fused,
        partition=clusters,
        transports={name: space.transport for name, space in spaces.items()},
        config=config.evaluation,
        kmeans=config.partition if config.head.method == "none" else None,
        n_clusters=config.n_clusters,
        random_state=config.random_state,
    )
    if not found.facts["n_labelled"]:
        return [label_free]
    agreement = do(evaluate, scan=found, partition=clusters, config=config.evaluation)
    if "noun" not in spaces:
        return [label_free, agreement]
    naming = do(
        evaluate_names,
        metrics=agreement,
        names=names,
        corpus=spaces["noun"].corpus,
        encoder=config.encoder,
        encoder_fingerprint=encoder.fingerprint,
        templates=templates_of(config.nouns, encoder),
    )
    return [label_free, agreement, naming]
