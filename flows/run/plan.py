"""What a run would do: `--dry-run` checks everything that can be checked without doing it."""

import shutil
import tempfile
from pathlib import Path
from typing import Any

from sortal.configs.encoder import EncoderSpec
from sortal.configs.schema import RunConfig
from sortal.flows.run.check import check, check_size
from sortal.flows.run.collection import of_its_collection
from sortal.flows.run.context import Run, Steps
from sortal.flows.run.modalities import contents
from sortal.flows.run.spaces import corpora
from sortal.storage.artifacts import find
from sortal.storage.objects.address import configured
from sortal.storage.workspace import Workspace
from sortal.tasks.corpora.corpus import read_corpus
from sortal.tasks.embedding.images import missing_in
from sortal.tasks.embedding.step import embed_texts
from sortal.tasks.embedding.texts import unknown_texts
from sortal.tasks.encoders.base import selection_templates_of, templates_of
from sortal.tasks.scan.step import ScanInputs, scan_outside, warn_of
from sortal.tasks.selection.rank import count_centres
from sortal.tasks.writing.question import access_of

# (images, texts) a second on two cores, by the encoder's kind (docs/performance.md).
_SPEED = {"conse": (50, 400), "open_clip": (15, 250), "vectors": (20_000, 20_000)}
_START = 20  # seconds of every run: Prefect's server, imports, the steps themselves


def plan_of(config: RunConfig) -> dict[str, Any]:
    """Read the source and describe the run. Makes nothing, not even the workspace.

    What the run would make first (the scan, the lists of texts) is made in a folder of its own.
    """
    place = Workspace(config.workspace, None)
    exists, objects = place.is_there(), configured()
    encoder = check(config)
    config = of_its_collection(config)
    contents(config)  # a column or a file of vectors that is not there is said here
    with tempfile.TemporaryDirectory(prefix="sortal-plan-") as name:
        aside = Workspace(Path(name), None)
        known = place.root / "scans"
        if known.is_dir():  # so that only new files are read
            shutil.copytree(known, aside.root / "scans")
        inputs = ScanInputs(source=config.source, config=config.images)
        found = scan_outside(aside, place, inputs)
        warn_of(found)
        check_size(config, found, config.source)
        places = [place]
        if objects:  # what is looked at there lies aside, too
            places.append(Workspace(Path(name) / "near", objects))
        missing = missing_in(places, aside, found, encoder.fingerprint)
        n_images = int(found.facts["n_unique"])
        texts = _texts(Run(config, encoder, Steps(aside)), places, n_images)
    n_texts = sum(text["to_embed"] for text in texts.values())
    return {
        "collection": config.collection_name,
        "images": {k: v for k, v in found.facts.items() if k.startswith("n_")},
        "images_to_embed": missing[-1],
        "images_to_bring": missing[0] - missing[-1],
        "texts": texts,
        "encoder": {"spec": encoder.spec, "dim": encoder.dim, "fingerprint": encoder.fingerprint},
        "method": config.method_name,
        "by": config.by,
        "n_clusters": config.count.words if config.count.chosen else config.n_clusters,
        "workspace": {"path": str(place.root), "exists": exists, "objects": objects},
        "writer": _writer(config, n_images),
        "seconds": _seconds(encoder.spec, missing[-1], n_texts),
    }


def _writer(config: RunConfig, n_images: int) -> dict[str, Any] | None:
    """Who writes names, where it is asked, about how many clusters at the most, if anybody does."""
    if config.naming.model is None:
        return None
    most = config.count.middle(n_images) if config.count.chosen else config.n_clusters
    return {
        "writer": config.naming.writer,
        "host": access_of(config.naming).host,
        "names": most,
        "images": config.naming.openai.images,
    }


def _chosen(config: RunConfig, n_images: int) -> int:
    """How many texts are chosen at the most."""
    found = config.count
    count = found.middle(n_images) if found.chosen else config.n_clusters
    centres = count_centres(n_images, count, config.selection)
    return centres * config.selection.top_k


def _texts(run: Run, places: list[Workspace], n_images: int) -> dict[str, dict[str, int]]:
    """The corpora by name: how many texts, and of how many vectors are made, or brought.

    `places` are the workspace, and what is near of its bucket.
    """
    found, encoder = {}, run.encoder
    for name, corpus in corpora(run).items():
        section = run.config.nouns if name == "noun" else run.config.captions
        templates = selection_templates_of(section, encoder)
        key = embed_texts.fingerprint(
            places[0],
            corpus=corpus,
            encoder=run.config.encoder,
            encoder_fingerprint=encoder.fingerprint,
            templates=templates,
        )
        keys: list[str] = read_corpus(run.workspace, corpus, ["key"])["key"].to_pylist()
        unknown, done = [], False
        for place in places:
            done = done or find(place, embed_texts.kind, key) is not None
            keys = [] if done else unknown_texts(place, keys, encoder.fingerprint, templates)
            unknown.append(len(keys))
        to_embed = unknown[-1] * len(templates)
        own = templates_of(section, encoder)
        if own != templates and not done:
            to_embed += min(_chosen(run.config, n_images), corpus.rows) * len(own)
        to_bring = unknown[0] - unknown[-1]
        found[name] = {"texts": corpus.rows, "to_embed": to_embed, "to_bring": to_bring}
    return found


def _seconds(spec: str, n_images: int, n_texts: int) -> float:
    images, texts = _SPEED[EncoderSpec.parse(spec).kind]
    return round(_START + n_images / images + n_texts / texts)
