"""The main flow: a collection of images -> named clusters in the lake, and a report."""

from datetime import UTC, datetime
from typing import Any

from prefect import flow

from sortal.configs.schema import RunConfig, TransportConfig
from sortal.flows.run.check import check_size
from sortal.flows.run.context import Space, Steps
from sortal.flows.run.guard import alone
from sortal.flows.run.judge import judge
from sortal.flows.run.modalities import ScannedImages, check_modalities, make_modalities
from sortal.flows.run.result import RunResult, announce
from sortal.storage.artifacts import Artifact
from sortal.storage.workspace import Workspace
from sortal.tasks.clustering.step import partition
from sortal.tasks.corpora.step import load_captions, load_nouns
from sortal.tasks.embedding.step import embed_images, embed_texts
from sortal.tasks.encoders.base import EncoderInfo, templates_of
from sortal.tasks.encoders.registry import describe
from sortal.tasks.fusion.step import fuse
from sortal.tasks.heads.step import head
from sortal.tasks.lineage.previous_run import Past, kept_space, look_back
from sortal.tasks.lineage.step import trace
from sortal.tasks.naming.step import name_clusters
from sortal.tasks.placing.step import apply_head
from sortal.tasks.publishing.step import Clock, commit
from sortal.tasks.report.step import write_report
from sortal.tasks.scan.step import scan
from sortal.tasks.selection.step import select
from sortal.tasks.step import Step
from sortal.tasks.transport.step import solve_transport


@flow(name="recluster")
def recluster(config: RunConfig) -> RunResult:
    """Sort the collection at `config.source` into `config.n_clusters` named clusters.

    Raises UsageError for a setting or source that cannot work, RunError when a run cannot go on.
    """
    started_at = datetime.now(UTC)
    with alone(config) as (workspace, lease):
        return sort(config, Steps(workspace), Clock(started_at=started_at, lease=lease))


def sort(config: RunConfig, do: Steps, clock: Clock) -> RunResult:
    """The line of steps and the report, all cached: what has not changed is not redone."""
    run, past = settle(config, do, clock)
    report = do(write_report, run=run, source=config.source, pinned=past.pinned.names)
    return announce(do.workspace, config, run, report)


def settle(config: RunConfig, do: Steps, clock: Clock) -> tuple[Artifact, Past]:
    """The line of steps from the source to the lake; the run, and what it went on from."""
    encoder = describe(config.encoder.spec)
    check_modalities(config)
    found, images = read(do, config, encoder, config.source)
    past = going_on(do.workspace, config, encoder, found)
    learnt = read(do, config, encoder, config.train, "train.") if config.train else (found, images)
    spaces = {
        name: space_of(do, name, corpus, images, learnt[1], config, encoder, past)
        for name, corpus in corpora(do, config, encoder).items()
    }
    fused = do(fuse, images=images, **fusing(config, spaces))
    into: dict[str, Any] = {"n_clusters": config.n_clusters, "random_state": config.random_state}
    clusters = (
        do(partition, vectors=fused, config=config.partition, **into, **fitting(config, past, do))
        if config.head.method == "none"
        else headed(do, config, images, fused, learnt, spaces)
    )
    names = do(name_clusters, images=images, partition=clusters, **naming(config, spaces))
    lineage = do(trace, **tracing(config, past, clusters, names)) if config.goes_on else None
    metrics = judge(do, config, encoder, found, images, fused, clusters, names, spaces)
    run = do(
        commit,
        config=config,
        encoder_fingerprint=encoder.fingerprint,
        scan=found,
        images=images,
        fused=fused,
        partition=clusters,
        names=names,
        lineage=lineage,
        metrics=metrics,
        steps=dict(do.done),
        labels_used=config.head.selection == "paper" and config.head.method != "none",
        clock=clock,
    )
    return run, past


def read(
    do: Steps, config: RunConfig, encoder: EncoderInfo, source: str, part: str = ""
) -> tuple[Artifact, Artifact]:
    """The scan and the vectors of a source; `part` goes before their roles."""
    found = do(scan, f"{part}scan", source=source, config=config.images)
    check_size(config, found, source)
    images = do(
        embed_images,
        f"{part}image_vectors",
        scan=found,
        source=source,
        images=config.images,
        encoder=config.encoder,
        encoder_fingerprint=encoder.fingerprint,
    )
    return found, images


def headed(
    do: Steps,
    config: RunConfig,
    images: Artifact,
    fused: Artifact,
    learnt: tuple[Artifact, Artifact],
    spaces: dict[str, Space],
) -> Artifact:
    """Clusters by a trained head; with a train split it is trained there and applied to the rest.

    What then stands on the train split has roles that begin with `train.`.
    """
    into: dict[str, Any] = {"n_clusters": config.n_clusters, "random_state": config.random_state}
    where = config.model_copy(update={"source": config.train or config.source})
    modalities = make_modalities(do, where, ScannedImages(*learnt, spaces.get("caption")))
    if config.train is None:
        arguments = training(config, *learnt, spaces, modalities)
        return do(head, "partition", fused=fused, **arguments, **into)
    seen = {
        name: space._replace(transport=solved(do, f"train.{name}", learnt[1], space.texts, config))
        for name, space in spaces.items()
    }
    mixed = do(fuse, "train.fused", images=learnt[1], **fusing(config, seen))
    arguments = training(config, *learnt, seen, modalities)
    trained = do(head, "train.partition", fused=mixed, **arguments, **into)
    parts = {"image_vectors": learnt[1], "partition": trained}
    for name, space in seen.items():
        parts |= {f"{name}.space": space.texts, f"{name}.transport": space.transport}
    return do(apply_head, "partition", images=images, parts=parts, config=config)


def corpora(do: Steps, config: RunConfig, encoder: EncoderInfo) -> dict[str, Artifact]:
    """Nouns and captions, but for those that the run does without."""
    loads: dict[str, tuple[Step, Any]] = {
        "noun": (load_nouns, config.nouns),
        "caption": (load_captions, config.captions),
    }
    return {
        name: do(load, config=section, encoder=encoder.spec)
        for name, (load, section) in loads.items()
        if section.source != "none"
    }


def gather(do: Steps, config: RunConfig) -> None:
    """Have all vectors of a run in place, and nothing else."""
    encoder = describe(config.encoder.spec)
    for part, source in (("", config.source), ("train.", config.train)):
        if source:
            read(do, config, encoder, source, part)
    for name, corpus in corpora(do, config, encoder).items():
        embedded(do, name, corpus, config, encoder)


def embedded(
    do: Steps, name: str, corpus: Artifact, config: RunConfig, encoder: EncoderInfo
) -> Artifact:
    """The vectors of a corpus under its templates."""
    section = config.nouns if name == "noun" else config.captions
    return do(
        embed_texts,
        role=f"{name}.text_vectors",
        corpus=corpus,
        templates=templates_of(section, encoder),
        encoder=config.encoder,
        encoder_fingerprint=encoder.fingerprint,
    )


def space_of(
    do: Steps,
    name: str,
    corpus: Artifact,
    images: Artifact,
    learnt: Artifact,
    config: RunConfig,
    encoder: EncoderInfo,
    past: Past,
) -> Space:
    """Embed a corpus, select what suits the images `learnt`, and solve the images' transport."""
    vectors = embedded(do, name, corpus, config, encoder)
    role = f"{name}.space"
    kept = kept_space(do.workspace, past, role, learnt, config.lineage)
    choosing: dict[str, Any] = {"images": learnt, "texts": vectors, "corpus": corpus}
    choosing |= {"config": config.selection}
    choosing |= {"n_clusters": config.n_clusters, "random_state": config.random_state}
    space = do.keep(role, kept) if kept else do(select, role=role, **choosing)
    start = past.start(f"{name}.transport")
    return Space(corpus, vectors, space, solved(do, name, images, space, config, **start))


def solved(
    do: Steps, name: str, images: Artifact, space: Artifact, config: RunConfig, **start: Artifact
) -> Artifact:
    """The transport of images to a space, under the role `<name>.transport`."""
    role = f"{name}.transport"
    return do(solve_transport, role, images=images, space=space, config=config.transport, **start)


def fitting(config: RunConfig, past: Past, do: Steps) -> dict[str, Any]:
    """Arguments of k-means that goes on from an earlier run, and whether texts drifted since."""
    if not past.start("partition"):
        return {}
    roles = [role for role in do.done if role.endswith(".space") and role in past.roles]
    drifted = any(do.done[role].identity != past.roles[role].identity for role in roles)
    return {**past.start("partition"), "drifted": drifted, "lineage": config.lineage}


def going_on(
    workspace: Workspace, config: RunConfig, encoder: EncoderInfo, found: Artifact
) -> Past:
    """What the run goes on from: nothing, where lineage is off."""
    on = config.goes_on
    return look_back(workspace, config, encoder.fingerprint, found) if on else Past()


def tracing(config: RunConfig, past: Past, clusters: Artifact, names: Artifact) -> dict[str, Any]:
    """Arguments of lineage."""
    return {
        "partition": clusters,
        "names": names,
        "previous": past.previous,
        "next_id": past.next_id,
        "warm": past.warm,
        "config": config.lineage,
        "pinned": past.pinned,
        **past.start("partition"),
    }


def fusing(config: RunConfig, spaces: dict[str, Space]) -> dict[str, Any]:
    """Arguments of fusion: the spaces that the method fuses; the others only name clusters."""
    used = {"noun": config.nouns.fuse, "caption": config.captions.fuse}
    chosen = {name: space for name, space in spaces.items() if used[name]}
    return {
        "spaces": {name: space.texts for name, space in chosen.items()},
        "transports": {name: space.transport for name, space in chosen.items()},
        "transport": reading(config, chosen),
        "config": config.fusion,
    }


def reading(config: RunConfig, counterparts: dict[str, Any]) -> TransportConfig:
    """How counterparts are read; without any its settings say nothing, and change nothing."""
    return config.transport if counterparts else TransportConfig()


def training(
    config: RunConfig,
    found: Artifact,
    images: Artifact,
    spaces: dict[str, Space],
    modalities: dict[str, Artifact],
) -> dict[str, Any]:
    """Arguments of a head: what its method reads; the labels only where they pick the epoch.

    What it does not read is left out, so that a change there never trains it again.
    """
    modalities_read, texts_read = config.head.reads.modalities, config.head.reads.texts
    read = {name: spaces[name] for name in spaces if name in texts_read}
    solved = {name: space.transport for name, space in read.items() if name in modalities_read}
    return {
        "images": images,
        "corpora": {name: space.corpus for name, space in read.items()},
        "text_vectors": {name: space.vectors for name, space in read.items()},
        "spaces": {name: space.texts for name, space in read.items()},
        "transports": solved,
        "transport": reading(config, solved),
        "fusion": config.fusion,
        "config": config.head,
        "scan": found if config.head.selection == "paper" else None,
        **({"modalities": modalities} if modalities else {}),
    }


def naming(config: RunConfig, spaces: dict[str, Space]) -> dict[str, Any]:
    """Arguments of naming: every space, with the corpus it came from."""
    return {
        "corpora": {name: space.corpus for name, space in spaces.items()},
        "spaces": {name: space.texts for name, space in spaces.items()},
        "transports": {name: space.transport for name, space in spaces.items()},
        "config": config.naming,
        "transport": config.transport,
    }
