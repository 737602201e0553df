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
from sortal.storage.workspace import Workspace
from sortal.tasks.corpora.corpus import read_corpus
from sortal.tasks.embedding.images import count_missing
from sortal.tasks.embedding.step import embed_texts
from sortal.tasks.embedding.texts import count_unknown
from sortal.tasks.encoders.base import EncoderInfo, selection_templates_of, templates_of
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
    place = Workspace(config.workspace, None)  # what a bucket has is not brought here
    exists = place.is_there()
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
        to_embed = count_missing(place, aside, found, encoder.fingerprint)
        n_images = int(found.facts["n_unique"])
        texts = _texts(Run(config, encoder, Steps(aside)), place, encoder, n_images)
    n_texts = sum(text["to_embed"] for text in texts.values())
    return {
        "collection": config.collection_name,
        "images": {k: v for k, v in found.facts.items() if k.startswith("n_")},
        "images_to_embed": to_embed,
        "texts": texts,
        "encoder": {"spec": encoder.spec, "dim": encoder.dim, "fingerprint": encoder.fingerprint},
        "method": config.method_name,
        "by": config.by,
        "n_clusters": config.count.words if config.count.chosen else config.n_clusters,
        "workspace": {"path": str(place.root), "exists": exists},
        "writer": _writer(config, n_images),
        "seconds": _seconds(encoder.spec, to_embed, n_texts),
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


def _texts(
    run: Run, place: Workspace, encoder: EncoderInfo, n_images: int
) -> dict[str, dict[str, int]]:
    """The corpora by name: how many texts, and how many of them have no vector yet."""
    found = {}
    for name, corpus in corpora(run).items():
        section = run.config.nouns if name == "noun" else run.config.captions
        templates = selection_templates_of(section, encoder)
        done = embed_texts.find(
            place,
            corpus=corpus,
            encoder=run.config.encoder,
            encoder_fingerprint=encoder.fingerprint,
            templates=templates,
        )
        keys = [] if done else read_corpus(run.workspace, corpus, ["key"])["key"].to_pylist()
        unknown = count_unknown(place, keys, encoder.fingerprint, templates)
        to_embed = unknown * len(templates)
        own = templates_of(section, encoder)
        if own != templates and not done:
            to_embed += min(_chosen(run.config, n_images), corpus.rows) * len(own)
        found[name] = {"texts": corpus.rows, "to_embed": to_embed}
    return found


def _seconds(spec: str, n_images: int, n_texts: int) -> float:
    images, texts = _SPEED[EncoderSpec.parse(spec).kind]
    return round(_START + n_images / images + n_texts / texts)
