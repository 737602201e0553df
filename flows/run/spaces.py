"""The semantic spaces of a run: a corpus each, cut down to what suits the collection."""

import logging

from sortal.configs.errors import RunError
from sortal.configs.schema import CaptionsConfig, NounsConfig, TransportConfig
from sortal.flows.run.check import warn_if_alike
from sortal.flows.run.context import Images, Run, Space
from sortal.flows.run.modalities import missing_texts, read_texts
from sortal.storage.artifacts import Artifact
from sortal.tasks.corpora.step import load_captions, load_nouns
from sortal.tasks.embedding.step import embed_texts
from sortal.tasks.encoders.base import selection_templates_of, templates_of
from sortal.tasks.lineage.previous_run import kept_space
from sortal.tasks.selection.rank import bounded_centres, rows_fitted
from sortal.tasks.selection.step import select
from sortal.tasks.transport.step import solve_transport

log = logging.getLogger("sortal")


def corpora(run: Run) -> dict[str, Artifact]:
    """Nouns and captions by name, but for those that the run does without, or has none of."""
    config, spec = run.config, run.encoder.spec
    found = {}
    missing = missing_texts(config)
    if "noun" in missing:
        log.warning("no *nouns*.parquet in %s: clusters are numbered, not named", run.encoder.spec)
    if config.nouns.source != "none" and "noun" not in missing:
        found["noun"] = run.do(load_nouns, "nouns", config=config.nouns, encoder=spec)
    if config.captions.source != "none" and "caption" not in missing:
        found["caption"] = run.do(load_captions, "captions", config=config.captions, encoder=spec)
    return found


def semantic_spaces(run: Run, images: Images, learnt: Images, part: str = "") -> dict[str, Space]:
    """The spaces of a run by corpus: texts chosen for the images `learnt`, solved for `images`.

    `part` stands before the roles of what is chosen and solved.
    """
    return {
        name: _space(run, name, part, corpus, images, learnt)
        for name, corpus in corpora(run).items()
    }


def embed_corpus(run: Run, name: str, corpus: Artifact) -> Artifact:
    """The vectors of a corpus under the templates by which its texts are chosen."""
    return run.do(
        embed_texts,
        f"{name}.text_vectors",
        corpus=corpus,
        templates=selection_templates_of(section_of(run, name), run.encoder),
        encoder=run.config.encoder,
        encoder_fingerprint=run.encoder.fingerprint,
    )


def section_of(run: Run, name: str) -> NounsConfig | CaptionsConfig:
    """The settings of a corpus."""
    return run.config.nouns if name == "noun" else run.config.captions


def solve(run: Run, role: str, images: Artifact, texts: Artifact, warm: bool = True) -> Artifact:
    """The transport of images to a space, from the previous run's potential where `warm`."""
    return run.do(
        solve_transport,
        role,
        images=images,
        space=texts,
        config=run.config.transport,
        earlier=run.past.roles.get(role) if warm else None,
        sampled=images.rows > run.config.transport.fit_rows or None,
    )


def transport_read(run: Run, counterparts: dict[str, Space]) -> TransportConfig:
    """How counterparts are read; without any its settings say nothing, and change nothing."""
    return run.config.transport if counterparts else TransportConfig()


def _space(
    run: Run, name: str, part: str, corpus: Artifact, images: Images, learnt: Images
) -> Space:
    vectors = embed_corpus(run, name, corpus)
    texts = _texts(run, name, part, corpus, vectors, learnt)
    warn_if_alike(vectors, f"all {name}s")
    if texts.rows < 2 and name in read_texts(run.config):
        raise RunError(
            f"{name}s that a method reads must be at least 2 texts, got {texts.rows} of "
            f"{vectors.rows:,}; widen the corpus, raise selection.top_k, or set {name}s.fuse=false"
        )
    solved = solve(run, f"{part}{name}.transport", images.vectors, texts)
    return Space(corpus, vectors, texts, solved)


def _texts(
    run: Run, name: str, part: str, corpus: Artifact, vectors: Artifact, learnt: Images
) -> Artifact:
    """The texts that suit the images: the previous run's, while they do."""
    role, section = f"{part}{name}.space", section_of(run, name)
    templates = templates_of(section, run.encoder)
    again = templates != selection_templates_of(section, run.encoder)
    kept = kept_space(run.workspace, run.past, role, learnt.vectors, run.config.lineage, again)
    if kept:
        return run.steps.keep(role, kept)
    chosen = run.config.selection
    return run.do(
        select,
        role,
        images=learnt.vectors,
        texts=vectors,
        corpus=corpus,
        config=chosen,
        n_clusters=run.config.n_clusters,
        random_state=run.config.random_state,
        templates=templates if again else None,
        encoder=run.config.encoder if again else None,
        encoder_fingerprint=run.encoder.fingerprint if again else None,
        fitted=rows_fitted(learnt.vectors.rows, run.config.n_clusters, chosen),
        n_centres=bounded_centres(learnt.vectors.rows, run.config.n_clusters, chosen),
    )
