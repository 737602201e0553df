"""The clusters of a run: by k-means or a trained head; their names, their past, their kinds."""

from collections.abc import Mapping

from sortal.flows.run.context import CLASSES, Images, Run, Space
from sortal.flows.run.modalities import make_modalities
from sortal.flows.run.spaces import solve, transport_read
from sortal.storage.artifacts import Artifact
from sortal.tasks.classes.step import name_by_class, zero_shot
from sortal.tasks.clustering.step import partition
from sortal.tasks.embedding.step import embed_texts
from sortal.tasks.encoders.base import selection_templates_of, templates_of
from sortal.tasks.fusion.step import fuse
from sortal.tasks.heads.inputs import HeadInputs
from sortal.tasks.heads.step import head
from sortal.tasks.kinds.step import gather_clusters, grow_tree, name_kinds
from sortal.tasks.lineage.step import next_kind, trace
from sortal.tasks.naming.step import name_clusters
from sortal.tasks.placing.step import apply_head
from sortal.tasks.writing.step import ask_names, write_names

_FOUND = "found"  # before the roles of what is found where an endpoint then writes names
_LEVELS = ("kinds", "top")  # roles of what is above the clusters, from fine to coarse


def fuse_images(
    run: Run, images: Images, spaces: Mapping[str, Space], role: str = "fused"
) -> Artifact:
    """One vector an image, from the spaces that the method fuses; the others only name clusters."""
    captions, names = spaces.get("caption"), run.config.fusion.modalities
    fused = {"noun": run.config.nouns.fuse, "caption": run.config.captions.fuse}
    chosen = {name: space for name, space in spaces.items() if fused[name]}
    return run.do(
        fuse,
        role,
        images=images.vectors,
        spaces={name: space.texts for name, space in chosen.items()},
        transports={name: space.transport for name, space in chosen.items()},
        transport=transport_read(run, chosen),
        config=run.config.fusion,
        earlier=_evened_before(run) if role == "fused" else None,
        modalities=make_modalities(run, images, captions, names),
    )


def _evened_before(run: Run) -> Artifact | None:
    """The previous run's fused vectors, where directions are evened and texts are as they were."""
    return run.past.roles.get("fused") if run.config.fusion.evened and not _drifted(run) else None


def find_clusters(
    run: Run, images: Images, learnt: Images, spaces: Mapping[str, Space], fused: Artifact
) -> Artifact:
    """The cluster of every image, under the role `partition`."""
    if run.config.classes.given:
        return _find_classes(run, images)
    if run.config.head.method == "none":
        return parted(run, "partition", spaces, fused)
    if run.config.train is None:
        return train(run, "partition", images, spaces, fused)
    return _by_head_of(run, learnt, images, spaces)


def _find_classes(run: Run, images: Images) -> Artifact:
    """The class of every image, under the role `partition`."""
    classes = run.steps.done[CLASSES]
    nouns = run.config.nouns.model_copy(update={"templates": run.config.classes.templates})
    texts = run.do(
        embed_texts,
        f"{CLASSES}.text_vectors",
        corpus=classes,
        templates=templates_of(nouns, run.encoder),
        encoder=run.config.encoder,
        encoder_fingerprint=run.encoder.fingerprint,
    )
    return run.do(zero_shot, "partition", images=images.vectors, classes=classes, texts=texts)


def parted(run: Run, role: str, spaces: Mapping[str, Space], fused: Artifact) -> Artifact:
    """A partition of the fused vectors, from the previous run's where the run continues from one.

    It has the role `role`. By density there is nothing to start from, nor a number of clusters.
    """
    config, earlier = run.config, run.past.roles.get("partition")
    dense = config.partition.method == "density"
    if dense:
        earlier = None
    if config.fusion.evened and not _evened_before(run):
        earlier = None  # its centres lie along other directions
    return run.do(
        partition,
        role,
        vectors=fused,
        config=config.partition,
        n_clusters=0 if dense else config.n_clusters,
        random_state=config.random_state,
        earlier=earlier,
        drifted=_drifted(run) if earlier else None,
        lineage=config.lineage if earlier else None,
        fitted=_fitted(run, fused.rows),
        space=spaces["noun"].texts if config.partition.reads_nouns else None,
        centred=config.fusion.centred if config.partition.reads_nouns else None,
    )


def _fitted(run: Run, n_images: int) -> int | None:
    """How many images k-means is fitted on; None where it is all of them."""
    config = run.config.partition
    return config.fit_rows if config.method == "kmeans" and n_images > config.fit_rows else None


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
    fused = fuse_images(run, learnt, seen, "train.fused")
    trained = train(run, "train.partition", learnt, seen, fused)
    parts = {"image_vectors": learnt.vectors, "partition": trained}
    if run.config.fusion.evened:
        parts["fused"] = fused
    for name, space in seen.items():
        parts |= {f"{name}.space": space.texts, f"{name}.transport": space.transport}
    return run.do(apply_head, "partition", images=images.vectors, parts=parts, config=run.config)


def train(
    run: Run, role: str, images: Images, spaces: Mapping[str, Space], fused: Artifact
) -> Artifact:
    """The clusters of a head that is trained on the images, under a role."""
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
        modalities=make_modalities(run, images, spaces.get("caption"), reads.modalities),
    )


def name(run: Run, images: Images, spaces: Mapping[str, Space], clusters: Artifact) -> Artifact:
    """What each cluster is called: every corpus names, also those that are not fused."""
    if run.config.classes.given:
        return run.do(name_by_class, "names", partition=clusters, config=run.config.naming)
    writes = run.config.naming.model is not None
    found = run.do(
        name_clusters,
        f"{_FOUND}.names" if writes else "names",
        images=images.vectors,
        partition=clusters,
        corpora={name: space.corpus for name, space in spaces.items()},
        texts={name: space.vectors for name, space in spaces.items()},
        config=run.config.naming.unwritten,
    )
    return _write(run, images, spaces["noun"], clusters, found) if writes else found


def _write(run: Run, images: Images, nouns: Space, clusters: Artifact, found: Artifact) -> Artifact:
    """The names that an endpoint writes, checked, in the place of those found.

    It is not asked about clusters that keep a name which was written before.
    """
    kept = follow(run, clusters, found, f"{_FOUND}.lineage") if run.config.continues else None
    answers = run.do(
        ask_names,
        "name_answers",
        names=found,
        scan=images.scan,
        source=run.config.source,
        reading=run.config.images,
        config=run.config.naming,
        lineage=kept,
    )
    return run.do(
        write_names,
        "names",
        names=found,
        answers=answers,
        partition=clusters,
        images=images.vectors,
        texts=nouns.vectors,
        config=run.config.naming,
        encoder=run.config.encoder,
        encoder_fingerprint=run.encoder.fingerprint,
        templates=selection_templates_of(run.config.nouns, run.encoder),
        lineage=kept,
    )


def follow(run: Run, clusters: Artifact, names: Artifact, role: str = "lineage") -> Artifact:
    """Which cluster of the previous run each one is: ids and names that stay."""
    past = run.past
    return run.do(
        trace,
        role,
        partition=clusters,
        names=names,
        previous=past.previous,
        next_id=past.next_id,
        warm=past.warm,
        config=run.config.lineage,
        pinned=past.pinned,
        earlier=past.roles.get("partition"),
        words=_other_words(run),
    )


def _other_words(run: Run) -> Artifact | None:
    """The nouns, where they are others than those that named the previous run's clusters."""
    return run.steps.done.get("nouns") if run.past.reworded else None


def tree_of(run: Run, spaces: Mapping[str, Space], clusters: Artifact, names: Artifact) -> None:
    """Kinds of the clusters and kinds of these, as many as other natural numbers say.

    A run whose number of clusters is given has none.
    """
    done = run.steps.done
    levels = dict(
        zip(_LEVELS, done["count"].facts["levels"] if "count" in done else (), strict=False)
    )
    if not levels:
        return
    counts = tuple(levels.values())
    kinds: list[Artifact] = []
    named: list[Artifact] = []
    lineages: list[Artifact] = []
    for level, role in enumerate(levels, start=1):
        kinds.append(run.do(gather_clusters, role, partition=clusters, counts=counts[:level]))
        named.append(
            run.do(
                name_kinds,
                f"{role}.names",
                kinds=kinds[-1],
                names=names,
                lineage=done.get("lineage"),
                corpus=spaces["noun"].corpus if "noun" in spaces else None,
            )
        )
        if run.config.continues:
            lineages.append(_follow_kinds(run, level, role, kinds[-1], named[-1]))
    run.do(grow_tree, "tree", kinds=kinds, names=named, lineages=lineages)


def _follow_kinds(run: Run, level: int, role: str, kinds: Artifact, names: Artifact) -> Artifact:
    """Which kind of the previous run's level each one is."""
    past = run.past
    return run.do(
        trace,
        f"{role}.lineage",
        partition=kinds,
        names=names,
        previous=past.previous,
        next_id=next_kind(run.workspace, past.previous, level),
        warm=past.warm,
        config=run.config.lineage,
        earlier=past.roles.get(role),
        level=level,
        words=_other_words(run),
    )
