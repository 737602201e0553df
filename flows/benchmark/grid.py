"""The cells of a benchmark: which there are, which the lake already has, which belong together."""

from collections.abc import Iterator, Sequence
from itertools import product
from typing import Any, NamedTuple

from sortal.configs import CAPTIONS, ENCODER
from sortal.configs.checks.unused import unused
from sortal.configs.commands.benchmark import BenchmarkConfig
from sortal.configs.encoder import EncoderSpec
from sortal.configs.errors import UsageError, counted
from sortal.configs.load import make_config
from sortal.configs.schema import RunConfig
from sortal.configs.section import identity_of
from sortal.flows.run.check import check_size
from sortal.flows.run.collection import known_at, of_its_collection
from sortal.flows.run.modalities import contents
from sortal.storage.artifacts import Artifact
from sortal.storage.hashing import fingerprint
from sortal.storage.lake.cells import known_runs
from sortal.storage.lake.lake import Lake
from sortal.storage.workspace import Workspace
from sortal.tasks.classes.step import class_names
from sortal.tasks.corpora.step import load_captions, load_nouns
from sortal.tasks.datasets.collections import Collection, find_collection
from sortal.tasks.embedding.texts import packaged
from sortal.tasks.encoders.base import PLAIN, EncoderInfo, selection_templates_of, templates_of
from sortal.tasks.encoders.registry import describe
from sortal.tasks.labels.compared import are_compared
from sortal.tasks.registry import versions
from sortal.tasks.scan.step import scan


class Cell(NamedTuple):
    """One run of a benchmark.

    `key` is the same as long as settings, images, texts, encoder and steps are; cells of one
    `group` choose the same texts, and so share most of what their runs stand on.
    """

    key: str
    group: str
    config: RunConfig

    @property
    def name(self) -> str:
        """What it is called in progress and errors."""
        config = self.config
        return f"{config.collection_name} {config.method_name} seed {config.random_state}"


def cells_of(config: BenchmarkConfig, workspace: Workspace) -> list[Cell]:
    """Every cell, by collection, encoder, seed and method; scans what has not been scanned.

    Raises UsageError for a collection, encoder or setting that cannot work, or without labels.
    """
    found = _collections(config, workspace)
    places = [(each, spec) for each in found for spec in _encoders(config, each)]
    encoders = {spec: describe(spec) for _, spec in places}
    for each, spec in places:  # all that a setting can break, before anything is scanned
        for method in config.methods:
            _run_config(config, each, spec, method, 0, config.n_clusters or 2)
    return [
        cell for each, spec in places for cell in _cells(config, workspace, each, encoders[spec])
    ]


def unused_by(config: BenchmarkConfig, cells: Sequence[Cell]) -> list[str]:
    """A line for each setting that was given and that no cell reads."""
    found = [unused(cell.config) for cell in cells]
    typed = {setting.partition("=")[0].strip() for setting in config.settings}
    names = typed.intersection(*found) if found else set()
    lines = [found[0][name] for name in sorted(names)]
    lines += [
        f"{name} has no effect: the cells of a benchmark are done by processes of this machine"
        for name in sorted(typed)
        if name == "executor" or (name.startswith("ray.") and name not in names)
    ]
    if all(cell.config.encoder.vectors for cell in cells):
        why = "has no effect: every collection is of ready-made vectors"
        lines += [f"--captions {why}"] if config.captions != CAPTIONS else []
        lines += [f"--encoders {why}"] if config.encoders != (ENCODER,) else []
    return lines


def missing(workspace: Workspace, cells: Sequence[Cell]) -> list[Cell]:
    """The cells that have no run in the lake."""
    with Lake(workspace) as lake:
        known = known_runs(lake, [cell.key for cell in cells])
    return [cell for cell in cells if cell.key not in known]


def _collections(config: BenchmarkConfig, workspace: Workspace) -> list[Collection]:
    split = config.protocol == "split"
    trains: Sequence[str | None] = config.train or [None] * len(config.collections)
    if len(trains) != len(config.collections) or (config.train and not split):
        raise UsageError(
            "--train must be given once for each collection, in their order, and with --protocol "
            f"split only; got {len(config.train)} for {len(config.collections)} collections under "
            f"{config.protocol}"
        )
    found = [
        find_collection(name, workspace, config.imagenet, split=split and train is None)
        for name, train in zip(config.collections, trains, strict=True)
    ]
    if not any(setting.partition("=")[0].strip() == "collection" for setting in config.settings):
        found = [_as_known(workspace, each) for each in found]
    names = [each.name for each in found]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice:
        raise UsageError(f"collections must have names that differ, got {twice!r} twice")
    return [
        each._replace(train=train or each.train) for each, train in zip(found, trains, strict=True)
    ]


def _as_known(workspace: Workspace, collection: Collection) -> Collection:
    known = known_at(workspace, collection.source, collection.name, given=False)
    return collection._replace(name=known.collection) if known else collection


def _encoders(config: BenchmarkConfig, collection: Collection) -> tuple[str, ...]:
    return (collection.encoder,) if collection.encoder else config.encoders


def _run_config(
    config: BenchmarkConfig,
    collection: Collection,
    encoder: str,
    method: str,
    seed: int,
    n_clusters: int,
) -> RunConfig:
    """An ordinary run's settings; it stands alone, as cells run in any order."""
    values: dict[str, Any] = {
        "source": collection.source,
        "train": collection.train if config.protocol == "split" else None,
        "collection": collection.name,
        "n_clusters": n_clusters,
        "method": method,
        "random_state": seed,
        "workspace": config.workspace,
        "encoder": {"spec": encoder},
        "lineage": {"enabled": False},
    }
    if EncoderSpec.parse(encoder).where is None:
        values["captions"] = {"source": config.captions}
    alone = make_config(values | {"n_clusters": None}, config.settings)
    return alone if alone.partition.method == "density" else make_config(values, config.settings)


def _cells(
    config: BenchmarkConfig, workspace: Workspace, collection: Collection, encoder: EncoderInfo
) -> Iterator[Cell]:
    first = _run_config(config, collection, encoder.spec, config.methods[0], 0, 2)
    of_its_collection(first)
    scans = [scan(workspace, source=first.source, config=first.images)]
    if first.train:
        scans.append(scan(workspace, source=first.train, config=first.images))
    n_clusters = config.n_clusters or _n_classes(collection, scans[0])
    known = packaged(encoder.fingerprint, PLAIN)
    state = [encoder.fingerprint, [part.identity for part in scans], versions()]
    state += [known] if known else []
    chosen_by = selection_templates_of(first.nouns, encoder)
    state += [chosen_by] if chosen_by != templates_of(first.nouns, encoder) else []
    content: dict[str, list[Any]] = {}
    for seed, method in product(range(config.seeds), config.methods):
        cell = _run_config(config, collection, encoder.spec, method, seed, n_clusters)
        for part, source in zip(scans, (cell.source, cell.train), strict=False):
            check_size(cell, part, str(source))
        if method not in content:  # a seed changes nothing of it
            content[method] = [_corpora(workspace, cell, encoder), _modalities(cell)]
        yield Cell(
            key=fingerprint("cell", identity_of(cell), content[method], state),
            group=fingerprint(collection, encoder.spec, seed, *_texts(cell)),
            config=cell,
        )


def _corpora(workspace: Workspace, cell: RunConfig, encoder: EncoderInfo) -> list[str]:
    """What the texts are that the cell reads: files may change under settings that do not."""
    spec, found = encoder.spec, []
    if cell.nouns.source != "none":
        found.append(load_nouns.fingerprint(workspace, config=cell.nouns, encoder=spec))
    if cell.captions.source != "none":
        found.append(load_captions.fingerprint(workspace, config=cell.captions, encoder=spec))
    if cell.classes.file:
        found.append(class_names.fingerprint(workspace, config=cell.classes))
    return found


def _modalities(cell: RunConfig) -> list[str | None]:
    """What the modalities are made of; one that cannot be read fails its own cell, when it runs."""
    try:
        return contents(cell)
    except UsageError as error:
        return [str(error)]


def _texts(cell: RunConfig) -> list[Any]:
    """The settings that decide which texts are chosen."""
    corpora = [section.model_copy(update={"fuse": True}) for section in (cell.nouns, cell.captions)]
    return [identity_of(section) for section in (*corpora, cell.selection)]


def _n_classes(collection: Collection, found: Artifact) -> int:
    n_labelled, n_classes = (int(found.facts[name]) for name in ("n_labelled", "n_classes"))
    if not are_compared(n_labelled, n_classes):
        raise UsageError(
            f"a benchmark needs labels of at least 2 classes, and fewer classes than images, got "
            f"{n_classes:,} of {counted(n_labelled, 'labelled image')} in "
            f"{collection.source}; put images into class folders or add a metadata file"
        )
    return n_classes
