"""The clusters of a run: by k-means on fused vectors, or by a trained head."""

from collections.abc import Mapping

from sortal.flows.run.context import Images, Run, Space
from sortal.flows.run.modalities import make_modalities
from sortal.flows.run.spaces import solve, transport_read
from sortal.storage.artifacts import Artifact
from sortal.tasks.clustering.step import partition
from sortal.tasks.fusion.step import fuse
from sortal.tasks.heads.inputs import HeadInputs
from sortal.tasks.heads.step import head
from sortal.tasks.placing.step import apply_head


def fuse_images(
    run: Run, images: Artifact, spaces: Mapping[str, Space], role: str = "fused"
) -> Artifact:
    """One vector an image, from the spaces that the method fuses; the others only name clusters."""
    fused = {"noun": run.config.nouns.fuse, "caption": run.config.captions.fuse}
    chosen = {name: space for name, space in spaces.items() if fused[name]}
    return run.do(
        fuse,
        role,
        images=images,
        spaces={name: space.texts for name, space in chosen.items()},
        transports={name: space.transport for name, space in chosen.items()},
        transport=transport_read(run, chosen),
        config=run.config.fusion,
    )


def find_clusters(
    run: Run, images: Images, learnt: Images, spaces: Mapping[str, Space], fused: Artifact
) -> Artifact:
    """The cluster of every image, under the role `partition`."""
    if run.config.head.method == "none":
        return _by_kmeans(run, fused)
    if run.config.train is None:
        return _train(run, "partition", images, spaces, fused)
    return _by_head_of(run, learnt, images, spaces)


def _by_kmeans(run: Run, fused: Artifact) -> Artifact:
    """k-means, from the previous run's centres where the run continues from one."""
    config, earlier = run.config, run.past.roles.get("partition")
    return run.do(
        partition,
        "partition",
        vectors=fused,
        config=config.partition,
        n_clusters=config.n_clusters,
        random_state=config.random_state,
        earlier=earlier,
        drifted=_drifted(run) if earlier else None,
        lineage=config.lineage if earlier else None,
    )


def _drifted(run: Run) -> bool:
    """Whether the texts of a space are others than the previous run's."""
    done, past = run.steps.done, run.past.roles
    roles = [role for role in done if role.endswith(".space") and role in past]
    return any(done[role].identity != past[role].identity for role in roles)


def _by_head_of(run: Run, learnt: Images, images: Images, spaces: Mapping[str, Space]) -> Artifact:
    """Clusters by a head that is trained on the train split `learnt` and applied to `images`.

    What stands on the train split has roles that begin with `train.`.
    """
    seen = {
        name: space._replace(
            transport=solve(run, f"train.{name}.transport", learnt.vectors, space.texts, warm=False)
        )
        for name, space in spaces.items()
    }
    fused = fuse_images(run, learnt.vectors, seen, "train.fused")
    trained = _train(run, "train.partition", learnt, seen, fused)
    parts = {"image_vectors": learnt.vectors, "partition": trained}
    for name, space in seen.items():
        parts |= {f"{name}.space": space.texts, f"{name}.transport": space.transport}
    return run.do(apply_head, "partition", images=images.vectors, parts=parts, config=run.config)


def _train(
    run: Run, role: str, images: Images, spaces: Mapping[str, Space], fused: Artifact
) -> Artifact:
    return run.do(head, role, **vars(head_inputs(run, images, spaces, fused)))


def head_inputs(
    run: Run, images: Images, spaces: Mapping[str, Space], fused: Artifact
) -> HeadInputs:
    """What a head is trained on: what its method reads; labels only where they pick the epoch.

    What it does not read is left out, so that a change there never trains it again.
    """
    config = run.config
    reads = config.head.reads
    read = {name: spaces[name] for name in spaces if name in reads.texts}
    solved = {name: space for name, space in read.items() if name in reads.modalities}
    return HeadInputs(
        images=images.vectors,
        fused=fused,
        corpora={name: space.corpus for name, space in read.items()},
        text_vectors={name: space.vectors for name, space in read.items()},
        spaces={name: space.texts for name, space in read.items()},
        transports={name: space.transport for name, space in solved.items()},
        transport=transport_read(run, solved),
        fusion=config.fusion,
        config=config.head,
        n_clusters=config.n_clusters,
        random_state=config.random_state,
        scan=images.scan if config.head.selection == "paper" else None,
        modalities=make_modalities(run, images, spaces.get("caption")) or None,
    )
