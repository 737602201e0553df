"""What a run chooses without labels: how many clusters, and how images are compared."""

import logging
from collections.abc import Mapping
from dataclasses import replace

from sortal.configs.errors import UsageError
from sortal.configs.modalities import supervision_of
from sortal.configs.schema import RunConfig
from sortal.flows.run.check import check_size
from sortal.flows.run.clusters import fuse_images, parted, train
from sortal.flows.run.context import CLASSES, Images, Run, Space
from sortal.flows.run.modalities import make_modalities
from sortal.flows.run.spaces import semantic_spaces, transport_read
from sortal.storage.artifacts import Artifact, find
from sortal.tasks.choose.candidates import Candidate, candidates_of, with_candidate
from sortal.tasks.choose.step import choose, chosen_by, refine
from sortal.tasks.choose.ways import AS_THEY_ARE, TRAINED
from sortal.tasks.classes.step import class_names
from sortal.tasks.count.step import count_clusters
from sortal.tasks.lineage.previous_run import Past

log = logging.getLogger("sortal")

ROLE, WAY, COUNT, DRAFT = "choice", "way", "count", "draft."
_MADE = ("partition", "fused", WAY)  # roles of the run before that are of its way of comparing


def name_classes(run: Run, images: Images) -> Run:
    """The run with as many clusters as classes are given; itself where none are.

    Raises UsageError where another number is asked for.
    """
    config = run.config
    if not config.classes.given:
        return run
    scan = None if config.classes.file else images.scan
    found = run.do(class_names, CLASSES, config=config.classes, scan=scan)
    if not config.count.chosen and config.n_clusters != found.rows:
        raise UsageError(
            f"n_clusters (-k) must be the number of classes named, {found.rows:,}, got "
            f"{config.n_clusters:,}; leave -k out"
        )
    log.warning(
        "this run has %s: it is a ceiling for methods without",
        supervision_of(config.classes, config.head),
    )
    given = config.count.model_copy(update={"chosen": False})
    settled = config.model_copy(update={"n_clusters": found.rows, "count": given})
    check_size(settled, images.scan, config.source)
    return replace(run, config=settled)


def choose_count(run: Run, images: Images, learnt: Images) -> Run:
    """The run with the number of clusters that is chosen; itself where one is given.

    Numbers are tried on a draft of the run, whose texts suit a number in the middle.
    """
    count = run.config.count
    if not count.chosen:
        return run
    n_images = images.vectors.rows
    if run.config.partition.method == "density":  # it finds them; texts suit a number in the middle
        return _with_count(run, count.middle(n_images))
    draft = _with_count(run, count.middle(n_images))
    spaces = semantic_spaces(draft, images, learnt, DRAFT)
    compared = _compared(draft, images, spaces)
    plain = {"evened": 0, "centred": run.config.fusion.centred}  # more numbers are right on centred
    used = {name: space for name, space in spaces.items() if name in compared.spaces}
    found = run.do(
        count_clusters,
        COUNT,
        images=images.vectors,
        spaces={name: space.texts for name, space in used.items()},
        transports={name: space.transport for name, space in used.items()},
        transport=transport_read(run, used),
        fusion=compared.fusion.model_copy(update=plain),
        modalities=make_modalities(run, images, spaces.get("caption"), compared.fusion.modalities),
        config=count,
        random_state=run.config.random_state,
        earlier=run.past.roles.get(COUNT),
        directions=run.config.choose.directions if compared.fusion.evened else None,
    )
    return _with_count(run, int(found.facts["n_clusters"]))


def _with_count(run: Run, n_clusters: int) -> Run:
    return replace(run, config=run.config.model_copy(update={"n_clusters": n_clusters}))


def _compared(draft: Run, images: Images, spaces: Mapping[str, Space]) -> Candidate:
    """How the images of a draft are compared."""
    config = draft.config
    if config.choose.candidates:
        candidates = _possible(draft, spaces)
        choice = _choose(draft, DRAFT, images, spaces, candidates)
        return candidates[choice.facts["chosen"]]
    fused = {"noun": config.nouns.fuse, "caption": config.captions.fuse}
    names = tuple(name for name in spaces if fused[name])
    return Candidate(kind=config.method_name, spaces=names, fusion=config.fusion)


def choose_settings(run: Run, images: Images, spaces: Mapping[str, Space]) -> Run:
    """The run with the settings of the candidate that is chosen; itself where there is none.

    Raises UsageError where the run has the texts of no candidate.
    """
    if not run.config.choose.candidates:
        return run
    candidates = _possible(run, spaces)
    choice = _choose(run, "", images, spaces, candidates)
    chosen = candidates[choice.facts["chosen"]]
    before = run.past.roles.get(ROLE)
    if before and chosen_by(run.workspace, before) != choice.facts["chosen"]:
        run = replace(run, past=_comparable(run, is_same=False))
    way = TRAINED if chosen.trained and choice.facts["measured"] else None  # else hardly differ
    if way and run.config.train is None and run.config.partition.method == "kmeans":
        way = str(_refined(run, images, spaces, chosen, choice).facts["way"])
    settled = _settled(run, chosen, way, images)
    return replace(run, config=settled, past=_comparable(run, is_same=_way_before(run) == way))


def _choose(
    run: Run,
    part: str,
    images: Images,
    spaces: Mapping[str, Space],
    candidates: dict[str, Candidate],
) -> Artifact:
    """The choice among candidates; `part` stands before its role."""
    drafted = run.steps.done.get(f"{DRAFT}{ROLE}") if not part else None
    read = {name for each in candidates.values() for name in each.spaces}
    used = {name: space for name, space in spaces.items() if name in read}
    return run.do(
        choose,
        f"{part}{ROLE}",
        images=images.vectors,
        spaces={name: space.texts for name, space in used.items()},
        transports={name: space.transport for name, space in used.items()},
        transport=transport_read(run, used),
        candidates=candidates,
        config=run.config.choose,
        n_clusters=run.config.n_clusters,
        random_state=run.config.random_state,
        earlier=run.past.roles.get(f"{part}{ROLE}"),
        drafted=drafted.facts["chosen"] if drafted else None,
    )


def _possible(run: Run, spaces: Mapping[str, Space]) -> dict[str, Candidate]:
    """The candidates whose texts the run has; of a single text nothing can be learnt."""
    held = {name for name, space in spaces.items() if space.texts.rows > 1}
    found = {
        name: each
        for name, each in candidates_of(run.config).items()
        if held.issuperset(each.spaces)
    }
    if not found:
        raise UsageError(
            f"choose.candidates must name one whose texts the run has "
            f"({', '.join(sorted(held)) or 'it has none'}), got "
            f"{', '.join(run.config.choose.candidates)}; add image, or the texts"
        )
    return found


def _way_before(run: Run) -> str | None:
    """How the images of the run before were clustered, where they were compared by themselves.

    Earlier versions had one way, and did not say so.
    """
    roles = run.past.roles
    if way := roles.get(WAY):
        found = find(run.workspace, way.kind, way.fingerprint)
        return str(found.facts["way"]) if found else None
    before = roles.get(ROLE)
    return TRAINED if before and chosen_by(run.workspace, before) == "image" else None


def _comparable(run: Run, *, is_same: bool) -> Past:
    """The past, without clusters of vectors that were made in another way."""
    if is_same:
        return run.past
    return replace(run.past, roles={k: v for k, v in run.past.roles.items() if k not in _MADE})


def _settled(run: Run, chosen: Candidate, way: str | None, images: Images) -> RunConfig:
    """The settings of the candidate that is chosen, clustered in a way."""
    candidate = chosen.model_copy(update={"trained": way == TRAINED})
    return with_candidate(run.config, candidate, images.vectors.rows)


def _refined(
    run: Run, images: Images, spaces: Mapping[str, Space], chosen: Candidate, choice: Artifact
) -> Artifact:
    """The choice with the way in which its images are best clustered; all are tried."""
    earlier = _way_before(run)
    found: dict[str, Artifact] = {}
    for way in (AS_THEY_ARE, TRAINED):
        past = _comparable(run, is_same=way == earlier)
        trial = replace(run, config=_settled(run, chosen, way, images), past=past)
        fused = fuse_images(trial, images, spaces, f"{way}.fused")
        role = f"{way}.partition"
        found[way] = (
            train(trial, role, images, spaces, fused)
            if way == TRAINED
            else parted(trial, role, spaces, fused)
        )
    return run.do(
        refine,
        WAY,
        images=images.vectors,
        choice=choice,
        partitions=found,
        config=run.config.choose,
        n_clusters=run.config.n_clusters,
        random_state=run.config.random_state,
        earlier=earlier,
    )
