"""The main flow: a collection of images -> named clusters in the lake, and a report."""

from datetime import UTC, datetime

from prefect import flow

from sortal.configs.schema import RunConfig
from sortal.flows.run.clusters import find_clusters, fuse_images
from sortal.flows.run.context import Images, Run, Space, Steps
from sortal.flows.run.guard import alone
from sortal.flows.run.images import read_images
from sortal.flows.run.judge import measure
from sortal.flows.run.modalities import check_modalities
from sortal.flows.run.result import RunResult, announce
from sortal.flows.run.spaces import semantic_spaces
from sortal.storage.artifacts import Artifact
from sortal.tasks.lineage.step import trace
from sortal.tasks.naming.step import name_clusters
from sortal.tasks.publishing.step import Clock, commit
from sortal.tasks.report.step import write_report


@flow(name="recluster")
def recluster(config: RunConfig) -> RunResult:
    """Sort the collection at `config.source` into `config.n_clusters` named clusters.

    Raises UsageError for a setting or source that cannot work, RunError when a run cannot go on.
    """
    started_at = datetime.now(UTC)
    with alone(config) as (workspace, lease):
        run = Run.begin(config, Steps(workspace))
        run, published = cluster_images(run, Clock(started_at=started_at, lease=lease))
        report = run.do(
            write_report,
            "report",
            run=published,
            source=config.source,
            pinned=run.past.pinned.names,
        )
        return announce(run, published, report)


def cluster_images(run: Run, clock: Clock) -> tuple[Run, Artifact]:
    """The line of steps from the source to the lake, all cached: what has not changed is kept.

    Returns the run with what it continued from, and the published run.
    """
    config = run.config
    check_modalities(config)
    images = read_images(run, config.source)
    run = run.continued(images.scan)
    learnt = read_images(run, config.train, "train.") if config.train else images
    spaces = semantic_spaces(run, images, learnt)
    fused = fuse_images(run, images.vectors, spaces)
    clusters = find_clusters(run, images, learnt, spaces, fused)
    names = name(run, images, spaces, clusters)
    lineage = follow(run, clusters, names) if config.continues else None
    metrics = measure(run, images, spaces, fused, clusters, names)
    published = run.do(
        commit,
        "run",
        config=config,
        encoder_fingerprint=run.encoder.fingerprint,
        scan=images.scan,
        images=images.vectors,
        fused=fused,
        partition=clusters,
        names=names,
        lineage=lineage,
        metrics=metrics,
        steps=dict(run.steps.done),
        labels_used=config.head.selection == "paper" and config.head.method != "none",
        clock=clock,
    )
    return run, published


def name(run: Run, images: Images, spaces: dict[str, Space], clusters: Artifact) -> Artifact:
    """What each cluster is called: every space names, also those that are not fused."""
    return run.do(
        name_clusters,
        "names",
        images=images.vectors,
        partition=clusters,
        corpora={name: space.corpus for name, space in spaces.items()},
        spaces={name: space.texts for name, space in spaces.items()},
        transports={name: space.transport for name, space in spaces.items()},
        config=run.config.naming,
        transport=run.config.transport,
    )


def follow(run: Run, clusters: Artifact, names: Artifact) -> Artifact:
    """Which cluster of the previous run each one is: ids and names that stay."""
    past = run.past
    return run.do(
        trace,
        "lineage",
        partition=clusters,
        names=names,
        previous=past.previous,
        next_id=past.next_id,
        warm=past.warm,
        config=run.config.lineage,
        pinned=past.pinned,
        earlier=past.roles.get("partition"),
    )
