"""The steps by which an endpoint writes names of clusters: asked, then tidied and checked.

Nothing that an endpoint does or says ends a run: where there is no name that fits, the one that was
found stays.
"""

import logging
import re
import shutil
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from sortal.configs.encoder import EncoderConfig
from sortal.configs.modalities import NamingConfig
from sortal.configs.schema import ImagesConfig
from sortal.storage.artifacts import Artifact, Written
from sortal.storage.hashing import fingerprint, hash_text
from sortal.storage.rows import read_all
from sortal.storage.vector_sets import open_vectors
from sortal.storage.workspace import Workspace
from sortal.tasks.chat.answer import NOT_ASKED
from sortal.tasks.clustering.assignments import ASSIGNMENTS
from sortal.tasks.embedding.model import PinnedEncoder
from sortal.tasks.embedding.texts import fill_texts
from sortal.tasks.naming.evidence import Fits
from sortal.tasks.naming.shown import shown_of
from sortal.tasks.naming.words import base
from sortal.tasks.step import optional, step
from sortal.tasks.writing.judge import confidences, taken
from sortal.tasks.writing.phrase import Refusal, name_in
from sortal.tasks.writing.question import (
    Pictures,
    Question,
    access_of,
    line_of,
    replies,
)

log = logging.getLogger("sortal")

WRITTEN = "written.parquet"  # a row a cluster: what was written, and what became of it
ANSWERS = "answers.parquet"
_SHOWN = 200  # characters of an answer or an error that the lake keeps
_UNSEEN = re.compile(r"[^\S ]+|[\x00-\x1f\x7f]+")
_ANSWERS = pa.schema(
    {"cluster": pa.int32(), "text": pa.string(), "code": pa.string(), "error": pa.string()}
)
_ROWS = pa.schema(
    {
        "cluster": pa.int32(),
        "writer": pa.string(),
        "answer": pa.string(),
        "name": pa.string(),
        "confidence": pa.float32(),
        "kept": pa.bool_(),
        "refused": pa.string(),
        "error": pa.string(),
    }
)


@dataclass(frozen=True, kw_only=True)
class AskNamesInputs:
    """Inputs of `ask_names`: `names` as they were found.

    `lineage` is that of the found names: clusters that keep a name which was written before are not
    asked about.
    """

    names: Artifact
    scan: Artifact
    source: str
    reading: ImagesConfig
    config: NamingConfig
    lineage: Artifact | None = optional()


@step(
    "name_answers",
    AskNamesInputs,
    check=lambda _, artifact: not artifact.facts["n_unanswered"],
)
def ask_names(folder: Path, workspace: Workspace, inputs: AskNamesInputs) -> Written:
    """Write `answers.parquet`: a row a cluster, with the answer, or why there is none.

    What was not answered is asked again by the next run (fact `n_unanswered`).
    """
    clusters = pq.read_table(inputs.names.file(workspace, "clusters.parquet"))
    kept = _kept(workspace, inputs.lineage)
    every = _questions(workspace, inputs, clusters)
    questions = [each for each in every if each.cluster not in kept]
    pictures = Pictures(inputs.scan, inputs.source, inputs.reading)
    answered, n_asked = replies(workspace, questions, inputs.config, pictures)
    pairs = list(zip(questions, answered, strict=True))
    rows = [(each.cluster, reply.text, reply.code, _short(reply.error)) for each, reply in pairs]
    columns = [dict(zip(_ANSWERS.names, row, strict=True)) for row in rows]
    pq.write_table(pa.Table.from_pylist(columns, schema=_ANSWERS), folder / ANSWERS)
    missing = [each for each in answered if each.text is None and not each.lasting]
    if missing:
        log.warning(
            "names by %s at %s: %s of %s questions not answered, the found names stay; first %s",
            inputs.config.writer,
            access_of(inputs.config).host,
            f"{len(missing):,}",
            f"{len(questions):,}",
            line_of(min(missing, key=lambda each: each.error == NOT_ASKED)),
        )
    n_unanswered = sum(not each.lasting for each in answered)
    said = [(each.cluster, reply.text) for each, reply in pairs if reply.text is not None]
    return Written(  # why there is no answer is another with every outage
        rows=len(rows),
        identity=fingerprint("answers", inputs.names.identity, said),
        facts={"n_asked": n_asked, "n_unanswered": n_unanswered},
    )


@dataclass(frozen=True, kw_only=True)
class WriteNamesInputs:
    """Inputs of `write_names`: `names` as they were found, `texts` the vectors of all nouns.

    `lineage` is as of `ask_names`, `templates` are those of the nouns.
    """

    names: Artifact
    answers: Artifact
    partition: Artifact
    images: Artifact
    texts: Artifact
    config: NamingConfig
    encoder: EncoderConfig
    encoder_fingerprint: str
    templates: tuple[str, ...]
    lineage: Artifact | None = optional()


@step("written_names", WriteNamesInputs)
def write_names(folder: Path, workspace: Workspace, inputs: WriteNamesInputs) -> Written:
    """Write what `name_clusters` does, with the names that fit, and `written.parquet`.

    `clusters.parquet` has `written_by` besides; NULL: the name was found.
    """
    clusters = pq.read_table(inputs.names.file(workspace, "clusters.parquet"))
    answers = pq.read_table(inputs.answers.file(workspace, ANSWERS)).to_pylist()
    rows = [_row(answer, inputs.config) for answer in answers]
    rows += [
        {"cluster": cluster, "writer": by, "name": name, "kept": True}
        for cluster, (name, by) in _kept(workspace, inputs.lineage).items()
    ]
    _judge(workspace, inputs, clusters["name"].to_pylist(), rows)
    pq.write_table(_with_names(clusters, rows), folder / "clusters.parquet")
    shutil.copyfile(inputs.names.file(workspace, "terms.parquet"), folder / "terms.parquet")
    rows.sort(key=lambda row: row["cluster"])
    pq.write_table(pa.Table.from_pylist(rows, schema=_ROWS), folder / WRITTEN)
    facts = _facts(rows)
    _say(inputs.config, rows, facts)
    return Written(rows=len(rows), facts=facts)


def _kept(workspace: Workspace, lineage: Artifact | None) -> dict[int, tuple[str, str]]:
    """Names of clusters that were written in an earlier run and are kept, and by whom."""
    if lineage is None:
        return {}
    table = pq.read_table(lineage.file(workspace, "lineage.parquet"))
    return {
        row["cluster"]: (row["name"], row["written_by"])
        for row in table.to_pylist()
        if row["cluster"] is not None and row.get("written_by")
    }


def _questions(workspace: Workspace, inputs: AskNamesInputs, clusters: pa.Table) -> list[Question]:
    """A question for each cluster that holds an image."""
    terms: dict[int, list[str]] = {}
    table = pq.read_table(inputs.names.file(workspace, "terms.parquet"))
    for row in table.select(["cluster", "corpus", "term"]).to_pylist():  # best first
        if row["corpus"] == "noun":
            terms.setdefault(row["cluster"], []).append(row["term"])
    most = inputs.config.openai.images
    return [
        Question(
            row["cluster"],
            tuple(terms.get(row["cluster"], ())),
            tuple(row["representatives"][:most]),
        )
        for row in clusters.select(["cluster", "size", "representatives"]).to_pylist()
        if row["cluster"] >= 0 and row["size"]
    ]


def _row(answer: Mapping[str, Any], config: NamingConfig) -> dict[str, Any]:
    row = {"cluster": answer["cluster"], "writer": config.writer, "kept": False}
    if answer["text"] is None:
        return {**row, "refused": answer["code"], "error": answer["error"]}
    name, refusal = name_in(answer["text"], config.openai.longest)
    said = _short(answer["text"])
    return {**row, "answer": said, "name": name, "refused": refusal and refusal.value}


def _short(text: str) -> str:
    return _UNSEEN.sub(" ", text)[:_SHOWN]


def _judge(
    workspace: Workspace,
    inputs: WriteNamesInputs,
    found: Sequence[str | None],
    rows: Sequence[dict[str, Any]],
) -> None:
    """Fill in how sure each name is, and why it is refused; kept ones stay, however sure."""
    named = [row for row in rows if row.get("name")]
    if not named:
        return
    assignments = pq.read_table(inputs.partition.file(workspace, ASSIGNMENTS))
    n_clusters = int(inputs.names.rows)
    shown = shown_of(workspace, inputs.images, assignments, n_clusters, inputs.config.sample)
    nouns = read_all(open_vectors(workspace, inputs.texts))
    fits = Fits(nouns, shown.mean, inputs.config)
    texts = _vectors(workspace, inputs, [base(row["name"]) for row in named])
    sure = confidences(fits, shown, [row["cluster"] for row in named], texts)
    standing = list(found[:n_clusters])
    candidates: dict[int, tuple[str, float]] = {}
    for row, confidence in zip(named, sure.tolist(), strict=True):
        row["confidence"] = confidence
        if row["kept"]:
            standing[row["cluster"]] = row["name"]
        elif confidence < inputs.config.min_written:
            row["refused"] = Refusal.UNFIT.value
        else:
            candidates[row["cluster"]] = (row["name"], confidence)
    others = taken(standing, candidates)
    for row in named:
        if row["cluster"] in others:
            row["refused"] = Refusal.TAKEN.value


def _vectors(workspace: Workspace, inputs: WriteNamesInputs, names: Sequence[str]) -> np.ndarray:
    """Vectors (W, d) of names, embedded as the nouns are."""
    keys = {hash_text(name): name for name in names}
    encoder = PinnedEncoder(inputs.encoder, inputs.encoder_fingerprint)
    store = fill_texts(workspace, keys, encoder, inputs.templates, "written names")
    found = store.take(list(keys))
    return np.stack([found[hash_text(name)] for name in names])


def _with_names(clusters: pa.Table, rows: Sequence[Mapping[str, Any]]) -> pa.Table:
    """The clusters, those with a written name called by it."""
    written = {row["cluster"]: row for row in rows if row.get("name") and not row.get("refused")}
    out = []
    for own in clusters.to_pylist():
        row = written.get(own["cluster"])
        changed = {"name": row["name"], "name_confidence": row["confidence"]} if row else {}
        out.append({**own, **changed, "written_by": row["writer"] if row else None})
    return pa.Table.from_pylist(out, clusters.schema.append(pa.field("written_by", pa.string())))


def _facts(rows: Sequence[Mapping[str, Any]]) -> dict[str, int]:
    refused = sum(bool(row.get("refused")) for row in rows)
    kept = sum(row["kept"] for row in rows)
    return {"n_written": len(rows) - refused - kept, "n_kept": kept, "n_refused": refused}


def _say(config: NamingConfig, rows: Sequence[Mapping[str, Any]], facts: Mapping[str, int]) -> None:
    """One line of what became of it."""
    reasons = Counter(row["refused"] for row in rows if row.get("refused"))
    why = ", ".join(f"{count:,} {word.replace('_', ' ')}" for word, count in reasons.items())
    log.info(
        "names by %s: %s written, %s kept, %s not taken%s",
        config.writer,
        f"{facts['n_written']:,}",
        f"{facts['n_kept']:,}",
        f"{facts['n_refused']:,}",
        f" ({why}), where the found names stay" if why else "",
    )
