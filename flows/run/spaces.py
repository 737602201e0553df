"""The semantic spaces of a run: a corpus each, cut down to what suits the collection."""

from sortal.configs.schema import TransportConfig
from sortal.flows.run.context import Images, Run, Space
from sortal.storage.artifacts import Artifact
from sortal.tasks.corpora.step import load_captions, load_nouns
from sortal.tasks.embedding.step import embed_texts
from sortal.tasks.encoders.base import templates_of
from sortal.tasks.lineage.previous_run import kept_space
from sortal.tasks.selection.step import select
from sortal.tasks.transport.step import solve_transport


def corpora(run: Run) -> dict[str, Artifact]:
    """Nouns and captions by name, but for those that the run does without."""
    config, spec = run.config, run.encoder.spec
    found = {}
    if config.nouns.source != "none":
        found["noun"] = run.do(load_nouns, "nouns", config=config.nouns, encoder=spec)
    if config.captions.source != "none":
        found["caption"] = run.do(load_captions, "captions", config=config.captions, encoder=spec)
    return found


def semantic_spaces(run: Run, images: Images, learnt: Images) -> dict[str, Space]:
    """The spaces of a run by corpus: texts chosen for the images `learnt`, solved for `images`."""
    return {
        name: _space(run, name, corpus, images, learnt) for name, corpus in corpora(run).items()
    }


def embed_corpus(run: Run, name: str, corpus: Artifact) -> Artifact:
    """The vectors of a corpus under its templates."""
    section = run.config.nouns if name == "noun" else run.config.captions
    return run.do(
        embed_texts,
        f"{name}.text_vectors",
        corpus=corpus,
        templates=templates_of(section, run.encoder),
        encoder=run.config.encoder,
        encoder_fingerprint=run.encoder.fingerprint,
    )


def solve(run: Run, role: str, images: Artifact, texts: Artifact, warm: bool = True) -> Artifact:
    """The transport of images to a space, from the previous run's potential where `warm`."""
    return run.do(
        solve_transport,
        role,
        images=images,
        space=texts,
        config=run.config.transport,
        earlier=run.past.roles.get(role) if warm else None,
    )


def transport_read(run: Run, counterparts: dict[str, Space]) -> TransportConfig:
    """How counterparts are read; without any its settings say nothing, and change nothing."""
    return run.config.transport if counterparts else TransportConfig()


def _space(run: Run, name: str, corpus: Artifact, images: Images, learnt: Images) -> Space:
    vectors = embed_corpus(run, name, corpus)
    texts = _texts(run, f"{name}.space", corpus, vectors, learnt)
    solved = solve(run, f"{name}.transport", images.vectors, texts)
    return Space(corpus, vectors, texts, solved)


def _texts(run: Run, role: str, corpus: Artifact, vectors: Artifact, learnt: Images) -> Artifact:
    """The texts that suit the images: the previous run's, while they do."""
    kept = kept_space(run.workspace, run.past, role, learnt.vectors, run.config.lineage)
    if kept:
        return run.steps.keep(role, kept)
    return run.do(
        select,
        role,
        images=learnt.vectors,
        texts=vectors,
        corpus=corpus,
        config=run.config.selection,
        n_clusters=run.config.n_clusters,
        random_state=run.config.random_state,
    )
