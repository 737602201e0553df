"""The main flow: a collection of images -> named clusters in the lake, and a report."""

from datetime import UTC, datetime
from typing import Any, NamedTuple

from prefect import flow
from prefect.context import FlowRunContext

from configs.errors import RunError, UsageError
from configs.schema import RunConfig, TransportConfig
from flows.guard import alone
from flows.judging import judge
from flows.outcome import RunResult, announce
from flows.views import check_views, make_views
from storage.artifacts import Artifact
from storage.workspace import Workspace
from tasks.captions import load_captions
from tasks.commit import Clock, commit
from tasks.embedding import embed_images, embed_texts
from tasks.encoders import EncoderInfo, describe, templates_of
from tasks.fusion import fuse
from tasks.heads.head import METHODS, head
from tasks.images import scan
from tasks.lineage import trace
from tasks.naming import name_clusters
from tasks.nouns import load_nouns
from tasks.partition import partition
from tasks.report import write_report
from tasks.selection import select
from tasks.series import Past, kept_space, look_back
from tasks.step import Step
from tasks.transport import solve_transport


class Space(NamedTuple):
    """A corpus, its vectors, the part that suits the collection, and its solved transport."""

    corpus: Artifact
    vectors: Artifact
    texts: Artifact
    transport: Artifact


class Steps:
    """Runs steps as Prefect tasks whose references are kept in the workspace, and notes them.

    Without a flow run (`recluster.fn(config)`) they run as plain functions.
    """

    def __init__(self, workspace: Workspace) -> None:
        self.workspace = workspace
        self.done: dict[str, Artifact] = {}

    def __call__(self, step: Step, role: str | None = None, **arguments: Any) -> Artifact:
        """The artifact of `step`: Cached in Prefect's view while it is sound and unchanged.

        `role` is what it is to the run (default: the step's kind), by which the lake knows it.
        """
        if FlowRunContext.get() is None:
            artifact = step(self.workspace, **arguments)
        else:
            task = step.task.with_options(result_storage=self.workspace.results)
            artifact = task(self.workspace, arguments)
        return self.keep(role or step.kind, artifact)

    def keep(self, role: str, artifact: Artifact) -> Artifact:
        """Note an artifact that is there already as the run's own."""
        self.done[role] = artifact
        return artifact


@flow(name="recluster")
def recluster(config: RunConfig) -> RunResult:
    """Sort the collection at `config.source` into `config.n_clusters` named clusters.

    Raises UsageError for a setting or source that cannot work, RunError when a run cannot go on.
    """
    started_at = datetime.now(UTC)
    with alone(config) as (workspace, lease):
        return sort(config, Steps(workspace), Clock(started_at=started_at, lease=lease))


def sort(config: RunConfig, do: Steps, clock: Clock) -> RunResult:
    """The line of steps, all cached: what has not changed since an earlier run is not redone."""
    encoder = describe(config.encoder.spec)
    encoding: dict[str, Any] = {
        "encoder": config.encoder,
        "encoder_fingerprint": encoder.fingerprint,
    }

    check_views(config)
    found = do(scan, source=config.source, config=config.images)
    check_size(config, found)
    past = going_on(do.workspace, config, encoder, found)
    nouns = do(load_nouns, config=config.nouns, encoder=encoder.spec)
    captions = do(load_captions, config=config.captions, encoder=encoder.spec)
    images = do(embed_images, scan=found, source=config.source, images=config.images, **encoding)
    spaces = {
        "noun": space_of(do, "noun", nouns, images, config, encoder, past),
        "caption": space_of(do, "caption", captions, images, config, encoder, past),
    }
    views = make_views(do, config, found, images)
    fused = do(fuse, images=images, **fusing(config, spaces))
    into: dict[str, Any] = {"n_clusters": config.n_clusters, "random_state": config.random_state}
    earlier = past.start("partition")
    clusters = (
        do(partition, vectors=fused, config=config.partition, **into, **earlier)
        if config.head.method == "none"
        else do(
            head, "partition", fused=fused, **training(config, found, images, spaces, views), **into
        )
    )
    names = do(name_clusters, images=images, partition=clusters, **naming(config, spaces))
    on = config.lineage.enabled
    lineage = do(trace, **tracing(config, past, clusters, names)) if on else None
    views = {name: space.transport for name, space in spaces.items()}
    metrics = judge(do, config, encoder, found, images, fused, clusters, names, nouns, views)
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
    report = do(write_report, run=run, source=config.source, pinned=past.pinned.names)
    return announce(do.workspace, config, run, report)


def space_of(
    do: Steps,
    name: str,
    corpus: Artifact,
    images: Artifact,
    config: RunConfig,
    encoder: EncoderInfo,
    past: Past,
) -> Space:
    """Embed a corpus, select what suits the images, and solve their transport to it."""
    section = config.nouns if name == "noun" else config.captions
    vectors = do(
        embed_texts,
        role=f"{name}.text_vectors",
        corpus=corpus,
        templates=templates_of(section, encoder),
        encoder=config.encoder,
        encoder_fingerprint=encoder.fingerprint,
    )
    role = f"{name}.space"
    kept = kept_space(do.workspace, past, role, images, config.lineage)
    choosing: dict[str, Any] = {"images": images, "texts": vectors, "corpus": corpus}
    choosing |= {"config": config.selection}
    choosing |= {"n_clusters": config.n_clusters, "random_state": config.random_state}
    space = do.keep(role, kept) if kept else do(select, role=role, **choosing)
    solved = do(
        solve_transport,
        role=f"{name}.transport",
        images=images,
        space=space,
        config=config.transport,
        **past.start(f"{name}.transport"),
    )
    return Space(corpus, vectors, space, solved)


def going_on(
    workspace: Workspace, config: RunConfig, encoder: EncoderInfo, found: Artifact
) -> Past:
    """What the run goes on from: nothing, where lineage is off."""
    on = config.lineage.enabled
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
    views: dict[str, Artifact],
) -> dict[str, Any]:
    """Arguments of a head: what its method reads; the labels only where they pick the epoch.

    What it does not read is left out, so that a change there never trains it again.
    """
    method = METHODS[config.head.method](config.head)
    read = {name: spaces[name] for name in spaces if name in (*method.views, *method.spaces)}
    solved = {name: space.transport for name, space in read.items() if name in method.views}
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
        **({"views": views} if views else {}),
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


def check_size(config: RunConfig, found: Artifact) -> None:
    """Refuse a source without a readable image, and more clusters than distinct images."""
    n_unique = int(found.facts["n_unique"])
    if not found.facts["n_ok"]:
        raise RunError(
            f"none of the {found.rows:,} inputs of {config.source} is a readable image; "
            "`--dry-run` counts them, and the images table of a run would say why"
        )
    if config.n_clusters > n_unique:
        raise UsageError(
            f"n_clusters must be in [2, {n_unique:,}], got {config.n_clusters:,}; "
            f"the collection has {n_unique:,} distinct readable images"
        )
    config.head.check(n_unique, config.n_clusters)
