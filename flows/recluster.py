"""The main flow: a collection of images -> named clusters in the lake, and a report."""

from datetime import UTC, datetime

from prefect import flow

from sortal.configs.modalities import supervision_of
from sortal.configs.schema import RunConfig
from sortal.flows.run.check import check_writer
from sortal.flows.run.choice import choose_count, choose_settings, name_classes
from sortal.flows.run.clusters import find_clusters, follow, fuse_images, name, tree_of
from sortal.flows.run.context import Run, Steps
from sortal.flows.run.guard import alone
from sortal.flows.run.images import read_images
from sortal.flows.run.judge import measure
from sortal.flows.run.modalities import check_modalities
from sortal.flows.run.news import tell_of_news
from sortal.flows.run.result import RunResult, announce
from sortal.flows.run.spaces import semantic_spaces
from sortal.storage.artifacts import Artifact
from sortal.storage.lake.attach import attached_once
from sortal.tasks.executor.opening import executed
from sortal.tasks.publishing.step import Clock, commit
from sortal.tasks.report.step import write_report


@flow(name="recluster")
def recluster(config: RunConfig) -> RunResult:
    """Sort the collection at `config.source` into `config.n_clusters` named clusters.

    Raises UsageError for a setting or source that cannot work, RunError when a run cannot go on.
    """
    started_at = datetime.now(UTC)
    with (
        attached_once(),
        alone(config) as (settled, workspace, lease),
        executed(settled, workspace),
    ):
        run = Run.begin(settled, Steps(workspace))
        run, published = cluster_images(run, Clock(started_at=started_at, lease=lease))
        if settled.looks.make:
            from sortal.flows.operations.looks import ensure

            ensure(workspace, settled.looks.make, published.facts["run_id"], None, settled.looks)
        report = None
        if settled.report:
            names = run.past.pinned.names
            report = run.do(
                write_report, "report", run=published, source=config.source, pinned=names
            )
        tell_of_news(published.facts["run_id"], settled.collection_name, started_at)
        return announce(run, published, report, started_at)


def cluster_images(run: Run, clock: Clock) -> tuple[Run, Artifact]:
    """The line of steps from the source to the lake, all cached: what has not changed is kept.

    Returns the run with what it continued from, and the published run.
    """
    config = run.config
    supervision = supervision_of(config.classes, config.head)
    check_modalities(config)
    check_writer(config)
    images = read_images(run, config.source)
    run = run.continued(images.scan)
    learnt = read_images(run, config.train, "train.") if config.train else images
    run = choose_count(name_classes(run, images), images, learnt)
    spaces = semantic_spaces(run, images, learnt)
    run = choose_settings(run, images, spaces)
    fused = fuse_images(run, images, spaces)
    clusters = find_clusters(run, images, learnt, spaces, fused)
    names = name(run, images, spaces, clusters)
    lineage = follow(run, clusters, names) if config.continues else None
    tree_of(run, spaces, clusters, names)
    metrics = measure(run, images, spaces, fused, clusters, names)
    published = run.do(
        commit,
        "run",
        config=run.config,
        encoder_fingerprint=run.encoder.fingerprint,
        scan=images.scan,
        images=images.vectors,
        fused=fused,
        partition=clusters,
        names=names,
        lineage=lineage,
        metrics=metrics,
        steps=dict(run.steps.done),
        labels_used=supervision is not None,
        supervision=supervision,
        clock=clock,
    )
    return run, published
